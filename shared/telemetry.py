"""The log, its lines with stable ids, and the redaction of all texts that leave the process.

docs/runbook.md lists all alerts, docs/observability.md the other lines with ids. What services
answer is redacted where it comes in (`shared.providers.redacting`); names of blobs and the texts
of unexpected errors are redacted here.
"""

import logging
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from enum import Enum
from typing import Any, Final, TypeVar

from shared.core.redaction import Redactor, one_line
from shared.core.run.gate_events import rejected_by_operator
from shared.core.run.log_lines import (
    MARK,
    Subject,
    members,
    phase_members,
    served_members,
    serves_now,
)
from shared.core.run.record import Phase, Run

T = TypeVar("T")

log: Final = logging.getLogger("relearn")
#: The attribute of a log record that has the beginning of a line with an id.
_BEGINNING: Final = "relearn_beginning"
#: What was logged once is logged again after this number of other things.
_REMEMBERED: Final = 10_000


class LogOnce:
    """Remembers what this process has logged, so that each thing is logged only the first time."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def first(self, name: str) -> bool:
        """Return whether `name` is asked for the first time by this process."""
        if name in self._names:
            return False
        if len(self._names) >= _REMEMBERED:
            self._names.clear()
        self._names.add(name)
        return True


class LogRateLimit:
    """Remembers when a thing was logged last, so that it is logged again only after a while.

    Args:
        every: the time between two log lines about the same thing.
    """

    def __init__(self, every: timedelta) -> None:
        self._every = every.total_seconds()
        self._logged: dict[str, float] = {}

    def allows(self, what: str) -> bool:
        """Return whether `what` may be logged now; the caller logs it then."""
        now = time.monotonic()
        last = self._logged.get(what)
        if last is not None and now - last < self._every:
            return False
        self._logged[what] = now
        return True


class Alert(Enum):
    """Everything that is logged for an operator to act on.

    Args:
        event_id: stable; a rule may count it. Its meaning never changes.
        level: a run that waits for an approval is not a fault, and only a WARNING.
        phase: the phase in which a run raises the alert; None: another part of the app raises it.
        words: what happened to that run.
    """

    PARKED = ("RL1001", logging.ERROR, Phase.PARKED, "is parked")
    FAILED = ("RL1002", logging.ERROR, Phase.FAILED, "failed")
    TIMED_OUT = ("RL1003", logging.ERROR, Phase.TIMED_OUT, "timed out")
    ROLLED_BACK = ("RL1004", logging.ERROR, Phase.ROLLED_BACK, "rolled back")
    REJECTED = ("RL1005", logging.ERROR, Phase.REJECTED, "rejected")
    DRIFT = ("RL1006", logging.ERROR)
    PAUSED = ("RL1007", logging.ERROR)
    NO_DATA = ("RL1008", logging.ERROR)
    APPROVAL = ("RL1009", logging.WARNING, Phase.AWAITING_APPROVAL, "waits for approval")
    HEALTH = ("RL1010", logging.ERROR)
    POISON = ("RL1011", logging.ERROR)
    DEAD_LETTER = ("RL1012", logging.ERROR)

    def __init__(
        self, event_id: str, level: int, phase: Phase | None = None, words: str = ""
    ) -> None:
        self.event_id, self.level, self.phase, self.words = event_id, level, phase, words


_BY_PHASE: Final = {alert.phase: alert for alert in Alert if alert.phase is not None}


class Note(Enum):
    """Everything that is logged at INFO for the workbook, by a stable id like that of an alert."""

    PHASE = "RL2001"  #: a run came into another phase, or was opened
    SERVES = "RL2002"  #: an endpoint serves another model


def report(
    alert: Alert,
    text: str,
    *,
    pipeline: str = "",
    run_id: str = "",
    key: Sequence[str] = (),
    phase: str = "",
    **more: str,
) -> None:
    """Log `text` as an alert, in the form that rules and queries read.

    Args:
        alert: what happened.
        text: the same for people.
        pipeline: whose it is; empty where it is not a pipeline's.
        run_id: the run, where there is one.
        key: of the run, or of its queue.
        phase: of the run.
        more: further attributes of the log record, for handlers that keep them.
    """
    if not log.isEnabledFor(alert.level):
        return  # to find out what the line says takes longer than to write it
    subject = Subject(run_id.strip("-"), pipeline.strip("-"), tuple(key), phase)
    fields = {"event_id": alert.event_id, "pipeline": pipeline, "run_id": run_id, **more}
    fields = redacted(fields) | {_BEGINNING: _beginning(subject, alert.event_id, alert.name)}
    log.log(alert.level, "%s", text, extra=fields)


def _note(note: Note, run: Run, values: Mapping[str, str | None]) -> None:
    text, beginning = members(redacted(values)), _beginning(Subject.of(run), note.value, note.name)
    log.info("%s", text, extra={"event_id": note.value, _BEGINNING: beginning})


def _beginning(subject: Subject, event_id: str, name: str) -> str:
    # Redacted part by part: in the whole line ` key=` might be taken for the name of a secret.
    return redacted(subject).beginning(event_id, name.lower())


def report_phase(run: Run) -> None:
    """Log that a run is in another phase since its record was written, and what serves then."""
    if not log.isEnabledFor(logging.INFO):
        return
    _note(Note.PHASE, run, phase_members(run))
    if endpoint := serves_now(run):
        _note(Note.SERVES, run, served_members(run, endpoint))


def report_run(run: Run, version: str, *, repeated: bool = False) -> bool:
    """Raise the alert of a run's phase, if the phase has one.

    It is raised after the record was written, so that it is true. If a worker dies between the
    two, the next one that reads the run raises it again.

    Args:
        run: as it is stored.
        version: of its record; the same run and version is the same alert.
        repeated: whether it may have been raised before.

    Returns:
        Whether the phase has an alert.
    """
    alert = _BY_PHASE.get(run.phase)
    waits = run.phase is Phase.AWAITING_APPROVAL and run.asks_at is not None
    if alert is None or waits:  # nobody is asked before the next run
        return False
    if rejected_by_operator(run):  # the operator knows it
        log.info("run %s of pipeline %s was %s", run.run_id, run.pipeline, run.reason)
        return True
    reason, advice = run.reason or "", run.advice
    if advice and reason in advice:
        reason = ""
    what = alert.words
    if reason:
        what = reason if reason.startswith(what) else f"{what}: {reason}"
    to_do = f". To do: {advice}" if advice else ""
    again = " (perhaps reported before)" if repeated else ""
    text = f"run {run.run_id} of pipeline {run.pipeline} {what}{to_do}{again}"
    fields = {"version": version, "repeated": str(repeated).lower()}
    about = {"pipeline": run.pipeline, "run_id": run.run_id, "phase": run.phase.value}
    report(alert, text, key=run.key, **about, **fields)
    return True


class _ProcessRedactor:
    """The redactor of this process; before the app is built it knows only shapes of secrets."""

    redactor = Redactor()


_PROCESS: Final = _ProcessRedactor()


def use_redactor(redactor: Redactor) -> None:
    """Redact what leaves the process by this redactor from now on."""
    _PROCESS.redactor = redactor


def redacted(value: T) -> T:
    """Return a text, or anything that holds texts, without secrets."""
    return _PROCESS.redactor.clean(value)


class RedactedError(Exception):
    """Stands for an error of another kind, the text of which held a secret."""


def redact_error(error: BaseException, redactor: Redactor) -> None:
    """Take secrets out of the text and the attributes of an error; its type stays.

    Args:
        error: is changed in place.
        redactor: knows the secrets.
    """
    error.args = redactor.clean(error.args)
    for name, value in list(vars(error).items()):
        if not name.startswith("__") and (clean := redactor.clean(value)) != value:
            setattr(error, name, clean)


@contextmanager
def redacted_errors() -> Iterator[None]:
    """Let errors reach the host, which logs them, only without secrets."""
    try:
        yield
    except Exception as exc:
        shown = "".join(traceback.format_exception(exc))
        if redacted(shown) == shown:
            raise
        redact_error(exc, _PROCESS.redactor)
        text = str(exc)
        if redacted(text) == text:
            raise exc from None  # its cause may hold the same secret
        raise RedactedError(f"{type(exc).__name__}: {redacted(text)}") from None


class RedactingFilter(logging.Filter):
    """Redacts each log record, and keeps it to one line: names of blobs may hold line ends."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Have the record print as one line without secrets, and its traceback without them."""
        text, beginning = one_line(redacted(record.getMessage())), vars(record).get(_BEGINNING, "")
        if not beginning and text.startswith(MARK):
            beginning = " "  # no name of a blob makes a line that looks like an alert
        record.msg, record.args = beginning + text, ()
        if record.stack_info:
            record.stack_info = redacted(record.stack_info)
        if record.exc_info and record.exc_info[1] is not None:
            self._redact_traceback(record, record.exc_info[1])
        return True

    def _redact_traceback(self, record: logging.LogRecord, error: BaseException) -> None:
        shown = "".join(traceback.format_exception(error)).rstrip()
        clean = redacted(shown)
        if clean == shown:
            return
        # A handler may format the error by itself: it is given one that holds no secret.
        record.exc_text = clean
        stands_for = RedactedError(f"{type(error).__name__}: {redacted(str(error))}")
        information: Any = (RedactedError, stands_for, None)
        record.exc_info = information


log.addFilter(RedactingFilter())
