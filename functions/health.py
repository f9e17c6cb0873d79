"""HTTP: says whether the app can work, and what an operator must change if not."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import azure.functions as func

from functions.api_models.health import (
    FullListingShown,
    Health,
    HealthDetails,
    ProblemKind,
    SearchShown,
    Status,
)
from functions.api_models.requests import HealthQuery
from functions.methods import EVERY, only
from functions.requests import query_of
from functions.responses import ok
from shared.app import STARTED_AT, App, Unusable, app_or_problems
from shared.config.settings import Problem
from shared.errors import CorruptRecordError, InvalidCursorError, RelearnError
from shared.ledger.progress import Heartbeat
from shared.maintenance.ticks import NOTED_EVERY, is_silent, missing_containers
from shared.operations.history import IdPage
from shared.version import VERSION

bp = func.Blueprint()


@dataclass
class _Found:
    """The results of a check of the app."""

    beat: Heartbeat | None = None
    problems: list[tuple[ProblemKind, str]] = field(default_factory=list)

    def configured(self, problems: Iterable[Problem]) -> None:
        """Take over the problems of the configuration."""
        self.problems += [("configuration", str(problem)) for problem in problems]

    @property
    def http_status(self) -> int:
        """The status of the answer."""
        return 503 if self.problems else 200

    @property
    def counts(self) -> dict[ProblemKind, int]:
        """How many problems of each kind there are."""
        kinds = [kind for kind, _ in self.problems]
        return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}

    @property
    def state(self) -> dict[str, Any]:
        """The fields of both answers."""
        beat = self.beat
        parked = beat is not None and beat.parked > 0
        status: Status = "unusable" if self.problems else "attention" if parked else "healthy"
        return {
            "status": status,
            "version": VERSION,
            "last_poll": beat.at if beat else None,
            "open_runs": beat.open if beat else None,
            "parked_runs": beat.parked if beat else None,
        }


@bp.function_name("health")
@bp.route(route="health", methods=EVERY, auth_level=func.AuthLevel.ANONYMOUS)
@only("GET")
def health(req: func.HttpRequest) -> func.HttpResponse:
    """Return 200 while runs can be opened and advanced, else 503: counts and kinds, no names.

    `GET /api/health/details` lists the problems and the parked runs.
    """
    # This route is anonymous, so it reads two records, lists nothing and writes nothing.
    del req
    built, found = app_or_problems(), _Found()
    if isinstance(built, Unusable):
        found.configured(built.problems)
    else:
        if built.changed_file is not None:
            built.changed_file.check_sometimes(read_only=True)
        found.configured(built.found)
        try:
            _read_timers(built, found)
        except RelearnError:
            found.problems.append(("storage", "the ledger cannot be read"))
        if found.beat is not None:
            found.problems += [("storage", "a container does not exist")] * found.beat.missing
    return ok(Health(**found.state, problems=found.counts), found.http_status)


@bp.function_name("health_details")
@bp.route(route="health/details", methods=EVERY)
@only("GET", HealthQuery)
def health_details(req: func.HttpRequest) -> func.HttpResponse:
    """Return what `health` does, with every problem and, a page at a time, every parked run."""
    asked = query_of(req, HealthQuery)
    built, found, page = app_or_problems(), _Found(), IdPage((), None)
    search, listing, of_models = None, None, None
    if isinstance(built, Unusable):
        found.configured(built.problems)
    else:
        if built.changed_file is not None:
            built.changed_file.check_sometimes()
        built.last_good.load()
        found.configured(built.problems)
        try:
            _read_timers(built, found)
            page = built.history.parked(asked.limit, asked.cursor)
            sweep = built.context.ledger.search.read()
            search = SearchShown.model_validate(sweep.record) if sweep else None
            listing = _full_listing(built, found, "data")
            of_models = _full_listing(built, found, "uploaded models")
            found.problems += [("storage", one) for one in missing_containers(built.context)]
        except InvalidCursorError:
            raise
        except RelearnError as exc:
            found.problems.append(("storage", f"storage: {exc}"))
    shown = HealthDetails(
        **found.state,
        problems=[text for _, text in found.problems],
        hints=[str(hint) for hint in built.hints],
        last_search=search,
        full_listing=listing,
        full_listing_of_models=of_models,
        parked=list(page.run_ids),
        next=page.cursor,
    )
    return ok(shown, found.http_status)


def _read_timers(built: App, found: _Found) -> None:
    """Read the records of both timers, and find those that do not run."""
    ledger, now = built.context.ledger, built.context.clock.now()
    stored, tick = ledger.heartbeat.read(), ledger.tick.read()
    found.beat = stored.record if stored else None
    # The ages are the storage's; a timer that never ran is given its time from the start on.
    seen = now - stored.age if stored else STARTED_AT
    if is_silent(built.settings.poll_schedule, seen, now):
        since = found.beat.at if found.beat else STARTED_AT
        what = f"poll_jobs: no poll since {since.isoformat()}: is its timer running?"
        found.problems.append(("poll", what))
    seen = now - tick.age if tick else STARTED_AT
    if is_silent(built.settings.schedule_tick, seen, now, NOTED_EVERY):
        since = tick.record.at if tick else STARTED_AT
        what = f"start_scheduled_runs: no tick since {since.isoformat()}: is its timer running?"
        found.problems.append(("schedules", what))


def _full_listing(built: App, found: _Found, what: str) -> FullListingShown | None:
    """Return the progress of a full listing; unreadable records of it become problems."""
    try:
        stored = built.context.ledger.full_listings(models=what != "data").read()
    except CorruptRecordError as exc:
        text = f"no {what} that appear with an old time are found: {exc}"
        found.problems.append(("storage", text))
        return None
    if stored is None:
        return None
    shown = FullListingShown.of(stored.record)
    if shown.damaged:
        names = ", ".join(shown.damaged)
        text = (
            f"ledger records of which blobs existed are not understood: {names}; {what} "
            "that appear with an old time open no run meanwhile: restore these records, or move "
            "them away, and the next full listing, within a day, records what exists anew"
        )
        found.problems.append(("storage", text))
    return shown
