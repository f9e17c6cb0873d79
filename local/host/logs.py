"""Formats each log record as one readable line, without texts that may be secrets."""

import logging
import re
import sys
import time
from collections.abc import Callable
from typing import Final

# Signatures of SAS addresses, keys in connection strings, function keys in addresses, headers.
_SECRET: Final = re.compile(
    r"(?i)((?:[?&;](?:sig|code)|AccountKey|SharedAccessSignature)=)[^&;\s'\"<>]+"
    r"|((?:Bearer|SharedKey) )[\w.:+/=~-]+"
)


def configure_logging(source: Callable[[], str], *, level: int = logging.INFO) -> None:
    """Send root logging to standard error, each line with the time, the level and its source.

    Args:
        source: asked at each record for the name of the part that speaks.
        level: of the root logger; libraries below the SDKs start at WARNING.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(source))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("azure", "urllib3", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def without_secrets(text: str) -> str:
    """Return `text` with signatures and keys replaced by `***`."""
    return _SECRET.sub(lambda found: f"{found[1] or found[2]}***", text)


class _Formatter(logging.Formatter):
    converter = staticmethod(time.gmtime)

    def __init__(self, source: Callable[[], str]) -> None:
        super().__init__(
            "%(asctime)s.%(msecs)03dZ %(levelname)-7s [%(source)s] %(message)s", "%H:%M:%S"
        )
        self._source = source

    def format(self, record: logging.LogRecord) -> str:
        record.source = self._source()
        return without_secrets(super().format(record))
