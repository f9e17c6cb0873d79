"""Whether the app can work: wrong configuration, timers that do not run, storage that refuses."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from shared.core.full_listing import FullListing
from shared.errors import CorruptRecordError, InvalidCursorError, RelearnError
from shared.execution.context import Context
from shared.ledger.progress import Heartbeat, LastEvent, SearchState, Undelivered
from shared.maintenance.ticks import NOTED_EVERY, is_silent, missing_containers
from shared.operations.history import History, IdPage

ProblemKind = Literal["configuration", "storage", "poll", "schedules"]
Status = Literal["healthy", "attention", "unusable"]
_MISSING: Final = "a container does not exist"


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


@dataclass(frozen=True, slots=True)
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
            report.full_listing = self._full_listing(report, "data")
            report.full_listing_of_models = self._full_listing(report, "uploaded models")
            report.problems += [("storage", one) for one in missing_containers(self.context)]
        except InvalidCursorError:
            raise
        except RelearnError as exc:
            report.problems.append(("storage", f"storage: {exc}"))

    def _events(self, report: HealthReport) -> None:
        """Read what is known of the way of events."""
        ledger = self.context.ledger
        try:
            event, undelivered = ledger.last_event.read(), ledger.undelivered.read()
        except CorruptRecordError as exc:
            report.problems.append(("storage", str(exc)))
            return
        report.last_event = event.record if event else None
        report.undelivered = undelivered.record if undelivered else None

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
