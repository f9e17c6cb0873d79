"""HTTP: can the app work, and if not, what must a person change."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import azure.functions as func

from functions.api_models import Health, HealthDetails, HealthQuery, ProblemKind, Status
from functions.methods import EVERY, only
from functions.responses import answering, ok, query_of
from shared.app import STARTED_AT, App, Unusable, app_or_problems
from shared.config.settings import Problem
from shared.errors import BadCursorError, CorruptRecordError, RelearnError
from shared.ledger.progress import Heartbeat, SearchState
from shared.maintenance.containers import missing_containers
from shared.maintenance.ticks import NOTED_EVERY, is_silent
from shared.operations.history import IdPage
from shared.version import VERSION

bp = func.Blueprint()


@dataclass
class _Found:
    """What a look at the app came to."""

    beat: Heartbeat | None = None
    problems: list[tuple[ProblemKind, str]] = field(default_factory=list)

    def shape(self) -> dict[str, Any]:
        """Return what anybody may know."""
        beat, kinds = self.beat, [kind for kind, _ in self.problems]
        parked = beat is not None and beat.parked > 0
        status: Status = "unusable" if kinds else "attention" if parked else "healthy"
        return {
            "status": status,
            "version": VERSION,
            "last_poll": beat.at if beat else None,
            "open_runs": beat.open if beat else None,
            "parked_runs": beat.parked if beat else None,
            "problems": {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)},
        }


@bp.function_name("health")
@bp.route(route="health", methods=EVERY, auth_level=func.AuthLevel.ANONYMOUS)
@only("GET")
def health(req: func.HttpRequest) -> func.HttpResponse:
    """Return 200 while runs can be opened and advanced, else 503: counts and kinds, no names.

    `GET /api/health/details` lists the problems and the parked runs.
    """
    del req
    built = _as_it_is_now()
    found = _configured(built.problems if isinstance(built, Unusable) else built.found)
    if not isinstance(built, Unusable):
        try:
            _read(built, found)
        except RelearnError:
            found.problems.append(("storage", "the ledger cannot be read"))
        if found.beat is not None:
            named = "a container does not exist"
            found.problems += [("storage", named)] * found.beat.missing
    told = Health(**found.shape())
    return ok(told.model_dump(mode="json"), 503 if found.problems else 200)


@bp.function_name("health_details")
@bp.route(route="health/details", methods=EVERY)
@only("GET", HealthQuery)
@answering
def health_details(req: func.HttpRequest) -> func.HttpResponse:
    """Return what `health` does, with every problem and, a page at a time, every parked run."""
    asked = query_of(req, HealthQuery)
    built = _as_it_is_now()
    found, page = _configured(_listed(built)), IdPage((), None)
    search, listing, of_models = None, None, None
    if not isinstance(built, Unusable):
        try:
            _read(built, found)
            page = built.history.parked(asked.limit, asked.cursor)
            sweep = built.context.ledger.search.read()
            search = _search(sweep.record) if sweep else None
            listing = _full_listing(built, found, "data")
            of_models = _full_listing(built, found, "models put by hand")
            found.problems += [("storage", one) for one in missing_containers(built.context)]
        except BadCursorError:
            raise
        except RelearnError as exc:
            found.problems.append(("storage", f"storage: {exc}"))
    told = HealthDetails(
        **{**found.shape(), "problems": [text for _, text in found.problems]},
        hints=[str(hint) for hint in built.hints],
        last_search=search,
        full_listing=listing,
        full_listing_of_models=of_models,
        parked=list(page.run_ids),
        next=page.cursor,
    )
    return ok(told.model_dump(mode="json"), 503 if found.problems else 200)


def _as_it_is_now() -> App | Unusable:
    """Return the app, by the pipelines file as it is now."""
    built = app_or_problems()
    if not isinstance(built, Unusable) and built.changed_file is not None:
        built.changed_file.check_sometimes()
    return built


def _configured(problems: Iterable[Problem]) -> _Found:
    return _Found(problems=[("configuration", str(problem)) for problem in problems])


def _listed(built: App | Unusable) -> Iterable[Problem]:
    """Return every problem, and what each pipeline with one goes on by."""
    if not isinstance(built, Unusable):
        built.intake.last_good.load()
    return built.problems


def _read(built: App, found: _Found) -> None:
    """Read the records of both timers: the one thing that the storage is asked for."""
    ledger, now = built.context.ledger, built.context.clock.now()
    stored, tick = ledger.heartbeat.read(), ledger.tick.read()
    found.beat = stored.record if stored else None
    # By the storage's clock alone, which needs no question; a timer that never ran had its time.
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


def _search(sweep: SearchState) -> dict[str, Any]:
    shown = {"started_at", "completed_at", "complete", "checked", "found"}
    return sweep.model_dump(mode="json", include=shown)


def _full_listing(built: App, found: _Found, what: str) -> dict[str, Any] | None:
    """Return how far a full listing is, and list its records that are not understood."""
    try:
        stored = built.context.ledger.full_listings(models=what != "data").read()
    except CorruptRecordError as exc:
        text = f"no {what} that appear with an old time are found: {exc}"
        found.problems.append(("storage", text))
        return None
    if stored is None:
        return None
    state = stored.record
    if state.damaged:
        names = ", ".join(state.damaged)
        text = (
            f"ledger records that tell which blobs existed are not understood: {names}; {what} "
            "that appear with an old time open no run meanwhile: put them back, or move them "
            "away, and the next full listing, within a day, records what exists anew"
        )
        found.problems.append(("storage", text))
    shown = {"started_at", "completed_at", "complete", "listed", "found", "failed", "damaged"}
    recording = sorted(state.joining)
    return {**state.model_dump(mode="json", include=shown), "recording_for": recording}
