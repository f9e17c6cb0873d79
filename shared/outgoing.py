"""The last gate of a process: nothing is logged, answered or raised to the host uncleaned.

What comes from outside is cleaned where it comes in (`shared.guards`). Names of blobs and the
texts of unexpected errors come in by other ways, and are cleaned here.
"""

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from shared.core.redact import Redactor, one_line

T = TypeVar("T")


class _Gate:
    """The redactor of this process: before the app is built it knows shapes alone."""

    redactor = Redactor()


_GATE: Final = _Gate()


def use(redactor: Redactor) -> None:
    """Clean what goes out by this redactor from now on."""
    _GATE.redactor = redactor


def cleaned(value: T) -> T:
    """Return a text, or anything that holds texts, without secrets."""
    return _GATE.redactor.clean(value)


class Unexpected(Exception):  # noqa: N818 -- it names what was met
    """Stands for an error of another kind, the text of which held a secret."""


def clean_error(error: BaseException, redactor: Redactor) -> None:
    """Take secrets out of an error: what it says, and what it carries; its type stays."""
    error.args = redactor.clean(error.args)
    for name, value in list(vars(error).items()):
        if not name.startswith("__") and (clean := redactor.clean(value)) != value:
            setattr(error, name, clean)


@contextmanager
def clean_failures() -> Iterator[None]:
    """Have whatever is raised inside reach the host without secrets: it logs each failure."""
    try:
        yield
    except Exception as exc:
        shown = "".join(traceback.format_exception(exc))
        if cleaned(shown) == shown:
            raise
        clean_error(exc, _GATE.redactor)
        text = str(exc)
        if cleaned(text) == text:
            raise exc from None  # what it was made from may hold the same
        raise Unexpected(f"{type(exc).__name__}: {cleaned(text)}") from None


class LastLine(logging.Filter):
    """Cleans each record, and keeps what others named, such as blobs, from making own lines."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Have the record print as one line without secrets, and its traceback without them."""
        record.msg, record.args = one_line(cleaned(record.getMessage())), ()
        if record.stack_info:
            record.stack_info = cleaned(record.stack_info)
        if record.exc_info and record.exc_info[1] is not None:
            self._clean_traceback(record, record.exc_info[1])
        return True

    def _clean_traceback(self, record: logging.LogRecord, error: BaseException) -> None:
        shown = "".join(traceback.format_exception(error)).rstrip()
        clean = cleaned(shown)
        if clean == shown:
            return
        # A handler may format the error by itself: it is given one that holds no secret.
        record.exc_text = clean
        stands_for = Unexpected(f"{type(error).__name__}: {cleaned(str(error))}")
        information: Any = (Unexpected, stands_for, None)
        record.exc_info = information
