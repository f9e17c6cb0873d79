"""Finds out whether the app can work: wrong configuration, idle timers, refusing storage."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal, TypeVar

from shared.core.counting import counted
from shared.core.frozen import RecordModel
from shared.core.full_listing import FullListing
from shared.core.service import service
from shared.errors import CorruptRecordError, InvalidCursorError, RelearnError
from shared.execution.context import Context
from shared.ledger.progress import Heartbeat, LastEvent, SearchState, Undelivered
from shared.ledger.store import SingleRecord
from shared.maintenance.ticks import NOTED_EVERY, is_silent, missing_containers
from shared.operations.history import History, IdPage
from shared.telemetry import Alert
from shared.telemetry import report as raise_alert

R = TypeVar("R", bound=RecordModel)

ProblemKind = Literal["configuration", "storage", "poll", "schedules"]
Status = Literal["healthy", "attention", "unusable"]
_MISSING: Final = "a container does not exist"
#: How often the poll raises alerts about problems, and about how many problems each time.
_ALERT_EVERY: Final = timedelta(minutes=10)
_MOST_ALERTS: Final = 20


@dataclass
class HealthReport:
    """What was found; the app works where there is no problem."""

    problems: list[tuple[ProblemKind, str]] = field(default_factory=list)
    heartbeat: Heartbeat | None = None  #: the last tick of the poll
    search: SearchState | None = None
    full_listing: FullListing | None = None
    full_listing_of_models: FullListing | None = None
    last_event: LastEvent | None = None  #: by which the way of events was tried
    undelivered: Undelivered | None = None
    parked: IdPage = field(default_factory=lambda: IdPage((), None))

    @property
    def status(self) -> Status:
        """The state of the app in one word."""
        if self.problems:
            return "unusable"
        return "attention" if self.heartbeat and self.heartbeat.parked else "healthy"

    @property
    def counts(self) -> dict[ProblemKind, int]:
        """How many problems of each kind there are."""
        kinds = [kind for kind, _ in self.problems]
        return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}


@service
class HealthChecks:
    """Checks what the app needs to work. Nothing is written."""

    context: Context
    history: History
    poll_schedule: str  #: NCRONTAB of the poll
    tick_schedule: str  #: NCRONTAB of the timer for schedules
    started_at: datetime  #: of this process

    def summary(self, report: HealthReport) -> None:
        """Add what two reads of records show; for callers that nobody knows.

        Args:
            report: has the problems of the configuration already.
        """
        try:
            self.timers(report)
        except RelearnError:
            report.problems.append(("storage", "the ledger cannot be read"))
        if report.heartbeat is not None:
            report.problems += [("storage", _MISSING)] * report.heartbeat.missing

    def details(self, report: HealthReport, limit: int, cursor: str | None) -> None:
        """Add everything that an operator must know, and a page of the parked runs.

        Args:
            report: has the problems of the configuration already.
            limit: how many parked runs at most.
            cursor: where the page before ended; None for the first.

        Raises:
            InvalidCursorError: no page gave this cursor.
        """
        try:
            self.timers(report)
            report.parked = self.history.parked(limit, cursor)
            search = self.context.ledger.search.read()
            report.search = search.record if search else None
            self._events(report)
            self._storage(report)
        except InvalidCursorError:
            raise
        except RelearnError as exc:
            report.problems.append(("storage", f"storage: {exc}"))

    def problems(self, report: HealthReport) -> None:
        """Add every problem that `details` adds, without the parked runs.

        Args:
            report: has the problems of the configuration already.
        """
        try:
            self.timers(report)
            self._events(report)
            self._storage(report)
        except RelearnError as exc:
            report.problems.append(("storage", f"storage: {exc}"))

    def _events(self, report: HealthReport) -> None:
        """Read what is known of the way of events."""
        report.last_event = _record_of(self.context.ledger.last_event, report)
        report.undelivered = _record_of(self.context.ledger.undelivered, report)

    def _storage(self, report: HealthReport) -> None:
        report.full_listing = self._full_listing(report, "data")
        report.full_listing_of_models = self._full_listing(report, "uploaded models")
        report.problems += [("storage", one) for one in missing_containers(self.context)]

    def timers(self, report: HealthReport) -> None:
        """Read the records of both timers, and find those that do not run."""
        ledger, now = self.context.ledger, self.context.clock.now()
        poll, tick = ledger.heartbeat.read(), ledger.tick.read()
        report.heartbeat = poll.record if poll else None
        # The ages are the storage's; a timer that never ran is given its time from the start on.
        seen = now - poll.age if poll else self.started_at
        if is_silent(self.poll_schedule, seen, now):
            since = poll.record.at if poll else self.started_at
            what = f"poll_jobs: no poll since {since.isoformat()}: is its timer running?"
            report.problems.append(("poll", what))
        seen = now - tick.age if tick else self.started_at
        if is_silent(self.tick_schedule, seen, now, NOTED_EVERY):
            since = tick.record.at if tick else self.started_at
            what = f"start_scheduled_runs: no tick since {since.isoformat()}: is its timer running?"
            report.problems.append(("schedules", what))

    def _full_listing(self, report: HealthReport, what: str) -> FullListing | None:
        """Return the progress of a full listing; unreadable records of it become problems."""
        try:
            stored = self.context.ledger.full_listings(models=what != "data").read()
        except CorruptRecordError as exc:
            text = f"no {what} that appear with an old time are found: {exc}"
            report.problems.append(("storage", text))
            return None
        if stored is None:
            return None
        if damaged := stored.record.damaged:
            names = ", ".join(damaged)
            text = (
                f"ledger records of which blobs existed are not understood: {names}; {what} "
                "that appear with an old time open no run meanwhile: restore these records, or "
                "move them away, and the next full listing, within a day, records what exists anew"
            )
            report.problems.append(("storage", text))
        return stored.record


@dataclass(slots=True)
class HealthAlerts:
    """Raises an alert for each problem, now and then: at the first call, and every ten minutes.

    Args:
        checks: find the problems.
        configuration: returns those of the settings and the pipelines file.
    """

    checks: HealthChecks
    configuration: Callable[[], Iterable[object]]
    _checked: datetime | None = field(default=None, init=False)

    def report(self) -> None:
        """Check what health checks, and log what is wrong; never raises an error of the storage.

        Called by the poll: its time costs two reads of records, and a call for each container.
        """
        now = self.checks.context.clock.now()
        if self._checked is not None and now - self._checked < _ALERT_EVERY:
            return
        self._checked = now
        found = HealthReport([("configuration", str(one)) for one in self.configuration()])
        self.checks.problems(found)
        for kind, text in found.problems[:_MOST_ALERTS]:
            more = len(found.problems) - _MOST_ALERTS
            also = f" (and {counted(more, 'problem')} more)" if more > 0 else ""
            named = text if text.startswith(f"{kind}: ") else f"{kind}: {text}"
            raise_alert(Alert.HEALTH, f"{named}{also}. To do: see GET /api/health/details")


def _record_of(single: SingleRecord[R], report: HealthReport) -> R | None:
    """Return a record; one that is not understood is a problem, and hides no other."""
    try:
        stored = single.read()
    except CorruptRecordError as exc:
        report.problems.append(("storage", str(exc)))
        return None
    return stored.record if stored else None
