"""HTTP: lists, shows, draws, retries, cancels, approves and rejects runs."""

from collections.abc import Callable

import azure.functions as func

from functions.api_models.requests import OperatorComment, RunsQuery
from functions.api_models.runs import RunList, RunShown, RunSummary
from functions.methods import EVERY, only
from functions.process import app
from functions.requests import body_of, command_of, key_parts, query_of
from functions.responses import accepted, ok, svg
from shared.core.run.record import Run
from shared.errors import NoVerdictError
from shared.operations.commands import OperatorCommand
from shared.operations.history import RunFilter
from shared.operations.runs import RunOperations
from shared.telemetry import redacted

bp = func.Blueprint()


@bp.function_name("list_runs")
@bp.route(route="runs", methods=EVERY)
@only("GET", RunsQuery)
def list_runs(req: func.HttpRequest) -> func.HttpResponse:
    """List runs, the newest first, a page at a time."""
    asked = query_of(req, RunsQuery)
    key = key_parts(asked.key) or None
    wanted = RunFilter(asked.pipeline, key, asked.phase, asked.open, asked.parent)
    built = app()
    page = built.history.page(wanted, asked.limit, asked.cursor)
    lines = [RunSummary.of(one.record, built.open_runs.waits(one)) for one in page.stored]
    return ok(RunList(runs=lines, next=page.cursor))


@bp.function_name("get_run")
@bp.route(route="runs/{run_id}", methods=EVERY)
@only("GET")
def get_run(req: func.HttpRequest) -> func.HttpResponse:
    """Show one run: what opened it, its phase and reason, and what an operator can do."""
    built = app()
    stored = built.run_operations.find(req.route_params["run_id"])
    shown = RunShown.of(stored.record, built.open_runs.waits(stored))
    return ok(shown, ETag=f'"{stored.etag}"')


@bp.function_name("draw_verdict")
@bp.route(route="runs/{run_id}/verdict.svg", methods=EVERY)
@only("GET")
def draw_verdict(req: func.HttpRequest) -> func.HttpResponse:
    """Draw what the gate says of the run's model: each interval of a difference, and its bound."""
    from shared.core.evaluation.forest_plot import forest_plot  # noqa: PLC0415 -- seldom needed

    run = app().run_operations.find(req.route_params["run_id"]).record
    if run.verdict is None:
        raise NoVerdictError(f"run {run.run_id} has no verdict: its own page says why")
    # Signs of a secret that XML escapes would not be recognised afterwards.
    return svg(forest_plot(redacted(run.verdict), run.run_id))


@bp.function_name("retry_run")
@bp.route(route="runs/{run_id}/retry", methods=EVERY)
@only("POST")
def retry_run(req: func.HttpRequest) -> func.HttpResponse:
    """Let a parked run continue, by the present configuration of its pipeline."""
    return _changed(req, RunOperations.retry)


@bp.function_name("cancel_run")
@bp.route(route="runs/{run_id}/cancel", methods=EVERY)
@only("POST")
def cancel_run(req: func.HttpRequest) -> func.HttpResponse:
    """Stop a run and its job; refused (409) once the update of an endpoint has begun."""
    return _changed(req, RunOperations.cancel)


@bp.function_name("approve_run")
@bp.route(route="runs/{run_id}/approve", methods=EVERY)
@only("POST")
def approve_run(req: func.HttpRequest) -> func.HttpResponse:
    """Have the model of a run that waits for approval promoted; else refused (409)."""
    return _changed(req, RunOperations.approve)


@bp.function_name("reject_run")
@bp.route(route="runs/{run_id}/reject", methods=EVERY)
@only("POST")
def reject_run(req: func.HttpRequest) -> func.HttpResponse:
    """End a run that waits for approval, without promoting its model; else refused (409)."""
    return _changed(req, RunOperations.reject)


def _changed(
    req: func.HttpRequest, change: Callable[[RunOperations, str, OperatorCommand], Run]
) -> func.HttpResponse:
    command = command_of(req, body_of(req, OperatorComment))
    return accepted(change(app().run_operations, req.route_params["run_id"], command))
