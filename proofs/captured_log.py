"""Keeps the log of a trial, so that it can be searched."""

import logging
from typing import Self


class CapturedLog(logging.Handler):
    """Keeps everything that is logged while it is open, at every level."""

    def __init__(self) -> None:
        """Begin with nothing."""
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []
        self._before: list[tuple[logging.Logger, int]] = []
        self._disabled = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record."""
        self.records.append(record)

    def text(self, level: int = logging.DEBUG) -> str:
        """Return everything of this level or above, as a plain formatter would write it."""
        plain = logging.Formatter("%(message)s")
        return "\n".join(plain.format(one) for one in self.records if one.levelno >= level)

    def __enter__(self) -> Self:
        root, ours = logging.getLogger(), logging.getLogger("relearn")
        self._before = [(root, root.level), (ours, ours.level)]
        self._disabled, root.manager.disable = root.manager.disable, logging.NOTSET
        ours.setLevel(logging.DEBUG)
        self._others, root.handlers = root.handlers, [self]
        return self

    def __exit__(self, *_: object) -> None:
        root = logging.getLogger()
        root.handlers, root.manager.disable = self._others, self._disabled
        for logger, level in self._before:
            logger.setLevel(level)
