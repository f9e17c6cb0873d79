"""HTTP: can the app work, and if not, what must a person change."""

from datetime import datetime, timedelta
from typing import Any, Final

import azure.functions as func

from functions.answers import ok
from shared.core.run import Phase
from shared.errors import RelearnError
from shared.http_shapes import Health, Status
from shared.records import SweepState
from shared.wiring import STARTED_AT, App, Unusable, app_or_problems

bp = func.Blueprint()
#: Timers have been seen to stop silently (contract azure-functions §8).
_SILENT: Final = timedelta(minutes=15)


@bp.function_name("health")
@bp.route(route="health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def health(req: func.HttpRequest) -> func.HttpResponse:
    """Return 200 while runs can be opened and advanced, else 503 with every reason."""
    del req
    built = app_or_problems()
    if not isinstance(built, Unusable):
        built.intake.last_good.load()  # to tell what pipelines with an error go on by
    problems = [str(problem) for problem in built.problems]
    seen: dict[str, Any] = {"last_poll": None, "open_runs": None, "parked": []}
    if not isinstance(built, Unusable):
        try:
            seen = _seen(built)
            problems += _silence(built, seen["last_poll"]) + _missing_containers(built)
        except RelearnError as exc:
            problems.append(f"storage: {exc}")
    status: Status = "unusable" if problems else "attention" if seen["parked"] else "healthy"
    told = Health(status=status, problems=problems, **seen)
    return ok(told.model_dump(mode="json"), 503 if problems else 200)


def _seen(built: App) -> dict[str, Any]:
    built.intake.activate()  # the sooner, the fewer blobs are older than it
    beat = built.context.ledger.heartbeat()
    markers = list(built.context.ledger.open_runs())
    parked = [m.run_id for m in markers if m.hints.get("phase") == Phase.PARKED]
    sweep = built.context.ledger.sweep()
    return {
        "last_poll": beat.record.at if beat else None,
        "last_search": _search(sweep.record) if sweep else None,
        "open_runs": len(markers),
        "parked": parked,
    }


def _search(sweep: SweepState) -> dict[str, Any]:
    shown = {"started_at", "completed_at", "complete", "looked", "found"}
    return sweep.model_dump(mode="json", include=shown)


def _silence(built: App, last_poll: datetime | None) -> list[str]:
    since = last_poll or STARTED_AT  # a timer that never ran has had its time since then
    silent = built.context.clock.now() - since
    what = f"poll_jobs: no poll since {since.isoformat()}: is its timer running?"
    return [what] if silent > _SILENT else []


def _missing_containers(built: App) -> list[str]:
    context = built.context
    named = (
        ("TRAINING_DATA_CONTAINER", context.data, context.data_container),
        ("MODELS_CONTAINER", context.models, context.models_container),
    )
    return [
        f"{setting}: container {container!r} does not exist: create it"
        for setting, account, container in named
        if not account.exists(container)
    ]
