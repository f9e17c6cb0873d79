"""HTTP: can the app work, and if not, what must a person change."""

from datetime import datetime, timedelta
from typing import Any, Final

import azure.functions as func

from functions.answers import ok
from shared.core.run import Phase
from shared.errors import RelearnError
from shared.wiring import App, Unusable, app_or_problems

bp = func.Blueprint()
#: Timers have been seen to stop silently (contract azure-functions §8).
_SILENT: Final = timedelta(minutes=15)


@bp.function_name("health")
@bp.route(route="health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def health(req: func.HttpRequest) -> func.HttpResponse:
    """Return 200 while runs can be opened and advanced, else 503 with every reason."""
    del req
    built = app_or_problems()
    problems = [str(problem) for problem in built.problems]
    seen: dict[str, Any] = {"last_poll": None, "open_runs": None, "parked": []}
    if not isinstance(built, Unusable):
        try:
            seen = _seen(built)
            problems += _silence(built, seen["last_poll"]) + _missing_containers(built)
        except RelearnError as exc:
            problems.append(f"storage: {exc}")
    status = "unusable" if problems else "attention" if seen["parked"] else "healthy"
    return ok({"status": status, **seen, "problems": problems}, 503 if problems else 200)


def _seen(built: App) -> dict[str, Any]:
    built.intake.activate()  # the sooner, the fewer blobs are older than it
    beat = built.context.ledger.heartbeat()
    markers = list(built.context.ledger.open_runs())
    parked = [m.run_id for m in markers if m.hints.get("phase") == Phase.PARKED]
    return {
        "last_poll": beat.record.at.isoformat() if beat else None,
        "open_runs": len(markers),
        "parked": parked,
    }


def _silence(built: App, last_poll: str | None) -> list[str]:
    if last_poll is None:
        return []  # just deployed
    silent = built.context.clock.now() - datetime.fromisoformat(last_poll)
    what = f"poll_jobs: no poll since {last_poll}: is its timer running?"
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
