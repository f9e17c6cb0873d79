"""The log, the alerts in it with stable ids, and the last redaction of whatever leaves the process.

The ids of alerts never change their meaning; a rule may count them (docs/runbook.md lists them
all). What comes from outside is redacted where it comes in (`shared.providers.redacting`). Names
of blobs and the texts of unexpected errors come in by other ways, and are redacted here.
"""

import logging
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final, TypeVar

from shared.core.redaction import Redactor, one_line
from shared.core.run.gate_events import rejected_by_operator
from shared.core.run.record import Phase, Run

T = TypeVar("T")

log: Final = logging.getLogger("relearn")
#: What was reported once is reported again after so many other things.
_REMEMBERED: Final = 10_000


class FirstTimeOnly:
    """Remembers what was reported, so that each thing is reported the first time alone."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def first(self, name: str) -> bool:
        """Return whether `name` was not asked for before, by this process."""
        if name in self._names:
            return False
        if len(self._names) >= _REMEMBERED:
            self._names.clear()
        self._names.add(name)
        return True


class ReportInterval:
    """Remembers when something was said last, so that it is said again only after a while.

    Args:
        every: the time between two reports of the same thing.
    """

    def __init__(self, every: timedelta) -> None:
        self._every = every.total_seconds()
        self._said: dict[str, float] = {}

    def due(self, what: str) -> bool:
        """Return whether `what` is to be said now; then it was."""
        now = time.monotonic()
        last = self._said.get(what)
        if last is not None and now - last < self._every:
            return False
        self._said[what] = now
        return True


class Alert(StrEnum):
    """Everything that is logged about a run or an endpoint for somebody to act on.

    At ERROR, but for a run that only waits for an answer: that is no fault, and a WARNING.
    """

    PARKED = "RL1001"  #: a run waits for a person: retry or cancel
    FAILED = "RL1002"  #: every attempt failed at the service
    TIMED_OUT = "RL1003"  #: the last attempt took too long
    ROLLED_BACK = "RL1004"  #: a new model did not work; the old one serves again
    REJECTED = "RL1005"  #: the data cannot be used, or the model is not good enough
    DRIFT = "RL1006"  #: an endpoint serves something else than the ledger says
    PAUSED = "RL1007"  #: a pipeline paused itself after too many failures
    NO_DATA = "RL1008"  #: a due time found no data to train on
    APPROVAL = "RL1009"  #: a run waits for a person to approve or reject its model


_OF_PHASE: Final = {
    Phase.PARKED: Alert.PARKED,
    Phase.FAILED: Alert.FAILED,
    Phase.TIMED_OUT: Alert.TIMED_OUT,
    Phase.ROLLED_BACK: Alert.ROLLED_BACK,
    Phase.REJECTED: Alert.REJECTED,
    Phase.AWAITING_APPROVAL: Alert.APPROVAL,
}
_WARNINGS: Final = frozenset({Alert.APPROVAL})
_WORDS: Final = {Phase.PARKED: "is parked", Phase.AWAITING_APPROVAL: "waits for approval"}


def report(alert: Alert, text: str, *, pipeline: str, run_id: str = "-", **more: str) -> None:
    """Log `text`, with its event id, at the level of the event; `text` holds no secret.

    Args:
        alert: what happened.
        text: the same for people.
        pipeline: whose it is.
        run_id: the run, where there is one.
        more: what a rule may look for besides.
    """
    known = {"event_id": str(alert), "pipeline": pipeline, "run_id": run_id, **more}
    level = logging.WARNING if alert in _WARNINGS else logging.ERROR
    log.log(level, "[%s %s] %s", alert, alert.name.lower(), text, extra=known)


def report_run(run: Run, version: str, *, repeated: bool = False) -> bool:
    """Log where a stored run got to when somebody must know of it; whether that was so.

    Logged after the record was written, so that what is reported is true. A worker that dies
    between the two keeps nothing from anybody: whoever looks at the run next reports it again.

    Args:
        run: as it is stored.
        version: of its record; the same run and version is the same alert.
        repeated: whether it may have been reported before.
    """
    alert = _OF_PHASE.get(run.phase)
    if alert is None:
        return False
    if rejected_by_operator(run):  # who did that knows of it
        log.info("run %s of pipeline %s was %s", run.run_id, run.pipeline, run.reason)
        return True
    what = _WORDS.get(run.phase, str(run.phase))
    to_do = f". To do: {run.advice}" if run.advice else ""
    again = " (perhaps reported before)" if repeated else ""
    said = run.reason or ""
    if said and run.advice and said in run.advice:
        said = ""  # the advice says it
    stands = said if said.startswith(what) else f"{what}: {said}" if said else what
    text = f"run {run.run_id} of pipeline {run.pipeline} {stands}{to_do}{again}"
    extra = {"version": version, "repeated": str(repeated).lower()}
    report(alert, text, pipeline=run.pipeline, run_id=run.run_id, **extra)
    return True


class _ProcessRedactor:
    """The redactor of this process: before the app is built it knows shapes alone."""

    redactor = Redactor()


_GATE: Final = _ProcessRedactor()


def use(redactor: Redactor) -> None:
    """Clean what goes out by this redactor from now on."""
    _GATE.redactor = redactor


def cleaned(value: T) -> T:
    """Return a text, or anything that holds texts, without secrets."""
    return _GATE.redactor.clean(value)


class RedactedError(Exception):
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
        raise RedactedError(f"{type(exc).__name__}: {cleaned(text)}") from None


class RedactingFilter(logging.Filter):
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
        stands_for = RedactedError(f"{type(error).__name__}: {cleaned(str(error))}")
        information: Any = (RedactedError, stands_for, None)
        record.exc_info = information


log.addFilter(RedactingFilter())
