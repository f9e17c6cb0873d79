"""HTTP: list runs, look at one, and say how a waiting one goes on."""

from collections.abc import Callable

import azure.functions as func

from functions.api_models import OperatorComment, RunList, RunsQuery, RunSummary
from functions.methods import EVERY, only
from functions.responses import (
    RequestRefusedError,
    accepted,
    answering,
    body_of,
    if_match,
    ok,
    operator_of,
    query_of,
    shape,
)
from functions.responses import shown as shown_run
from shared.app import App, app
from shared.core.counting import counted
from shared.core.names import is_run_id
from shared.core.run.record import Run
from shared.core.run.waiting import Waits
from shared.operations.history import RunFilter
from shared.telemetry import cleaned

bp = func.Blueprint()


@bp.function_name("list_runs")
@bp.route(route="runs", methods=EVERY)
@only("GET", RunsQuery)
@answering
def list_runs(req: func.HttpRequest) -> func.HttpResponse:
    """List runs, the newest first, a page at a time."""
    asked = query_of(req, RunsQuery)
    key = tuple(asked.key.split("/")) if asked.key else None
    wanted = RunFilter(asked.pipeline, key, asked.phase, asked.open, asked.parent)
    built = app()
    page = built.history.page(wanted, asked.limit, asked.cursor)
    lines = [line_of(one.record, built.open_runs.waits(one)) for one in page.stored]
    return shape(RunList(runs=lines, next=page.cursor))


@bp.function_name("get_run")
@bp.route(route="runs/{run_id}", methods=EVERY)
@only("GET")
@answering
def get_run(req: func.HttpRequest) -> func.HttpResponse:
    """Show one run: what opened it, where it stands, why, and what to do."""
    run_id = req.route_params["run_id"]
    built = app()
    stored = built.context.ledger.runs.read(run_id) if is_run_id(run_id) else None
    if stored is None:
        raise _no_such_run(run_id)
    waiting = built.open_runs.waits(stored)
    return ok(shown_run(stored.record, waiting), ETag=f'"{stored.etag}"')


@bp.function_name("retry_run")
@bp.route(route="runs/{run_id}/retry", methods=EVERY)
@only("POST")
@answering
def retry_run(req: func.HttpRequest) -> func.HttpResponse:
    """Let a parked run go on, by what the pipelines file says now."""
    said = body_of(req, OperatorComment)
    by, versions = operator_of(req, said.by), if_match(req)
    return _changed(
        req,
        lambda built, run_id: built.run_operations.retry(run_id, versions, by=by, why=said.reason),
    )


@bp.function_name("cancel_run")
@bp.route(route="runs/{run_id}/cancel", methods=EVERY)
@only("POST")
@answering
def cancel_run(req: func.HttpRequest) -> func.HttpResponse:
    """Stop a run and its job; refused (409) once its model is on its way to an endpoint."""
    said = body_of(req, OperatorComment)
    by, versions = operator_of(req, said.by), if_match(req)
    return _changed(
        req,
        lambda built, run_id: built.run_operations.cancel(run_id, versions, by=by, why=said.reason),
    )


@bp.function_name("approve_run")
@bp.route(route="runs/{run_id}/approve", methods=EVERY)
@only("POST")
@answering
def approve_run(req: func.HttpRequest) -> func.HttpResponse:
    """Have the model of a run promoted that waits for approval; else refused (409)."""
    said = body_of(req, OperatorComment)
    by = operator_of(req, said.by)
    return _changed(
        req,
        lambda built, run_id: built.run_operations.approve(run_id, by, said.reason, if_match(req)),
    )


@bp.function_name("reject_run")
@bp.route(route="runs/{run_id}/reject", methods=EVERY)
@only("POST")
@answering
def reject_run(req: func.HttpRequest) -> func.HttpResponse:
    """End a run that waits for approval, without promoting its model; else refused (409)."""
    said = body_of(req, OperatorComment)
    by = operator_of(req, said.by)
    return _changed(
        req,
        lambda built, run_id: built.run_operations.reject(run_id, by, said.reason, if_match(req)),
    )


def line_of(run: Run, waiting: Waits | None) -> RunSummary:
    """Return a run in one line.

    Args:
        run: the run.
        waiting: what it waits for; None where it is over.
    """
    newest, approval = run.newest, run.approval
    end = run.reason or (waiting.line if waiting else "")
    answered = f"{approval.answer} by {approval.by}" if approval else ""
    if answered and not end.startswith(answered):  # the reason of a rejection says it too
        end = f"{answered}; {end}" if end else answered
    repeated = end.startswith(run.phase)
    stands = end if repeated else f"{run.phase}: {end}" if end else run.phase
    return RunSummary(
        run_id=run.run_id,
        pipeline=run.pipeline,
        key=list(run.key),
        origin=run.origin,
        phase=run.phase,
        line=f"{run.cause}; {_data_of(run)}; {stands}",
        reason=run.reason or (waiting.last_error if waiting else None),
        waiting=waiting,
        data=newest.path if newest else None,
        blobs=len(run.manifest),
        opened_at=run.opened_at,
        changed_at=run.history[-1].at if run.history else run.opened_at,
        approved_by=approval.by if approval and approval.answer == "approved" else None,
    )


def _data_of(run: Run) -> str:
    count, newest = len(run.manifest), run.newest
    if newest is None:
        return "no data of ours"
    blobs = counted(count, "blob")
    if count > 1:
        return f"{blobs}, the newest {newest.path}"
    return blobs if newest.path in run.cause else f"{blobs}, {newest.path}"


def _changed(req: func.HttpRequest, tell: Callable[[App, str], Run | None]) -> func.HttpResponse:
    run_id = req.route_params["run_id"]
    run = tell(app(), run_id) if is_run_id(run_id) else None
    if run is None:
        raise _no_such_run(run_id)
    return accepted(run)


def _no_such_run(run_id: str) -> RequestRefusedError:
    return RequestRefusedError(404, "No such run", f"there is no run {cleaned(run_id)[:100]!r}")
