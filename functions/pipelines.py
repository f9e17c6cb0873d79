"""HTTP: lists, shows, pauses, resumes, previews and backtests pipelines."""

import azure.functions as func

from functions.api_models.pipelines import (
    PipelineList,
    PipelineShown,
    PipelineSummary,
    PreviewShown,
)
from functions.api_models.requests import BacktestBody, OperatorComment, PageQuery, PreviewQuery
from functions.methods import EVERY, only
from functions.process import app
from functions.requests import body_of, command_of, gate_of, query_of
from functions.responses import ok
from shared.operations.pipelines import PipelineStatus

bp = func.Blueprint()


@bp.function_name("list_pipelines")
@bp.route(route="pipelines", methods=EVERY)
@only("GET")
def list_pipelines(req: func.HttpRequest) -> func.HttpResponse:
    """List the pipelines of the file and their state; the view of each one has its keys.

    If the file has errors, `problems` says what they are and what is used meanwhile.
    """
    del req
    pipelines = app().pipelines
    pipelines.require_any()
    found = [PipelineSummary.of(pipelines.status(name, keys=0)) for name in pipelines.names()]
    return ok(PipelineList(pipelines=found, problems=pipelines.problems()))


@bp.function_name("get_pipeline")
@bp.route(route="pipelines/{pipeline}", methods=EVERY)
@only("GET", PageQuery)
def get_pipeline(req: func.HttpRequest) -> func.HttpResponse:
    """Show one pipeline: its configuration, whether it is paused, and a page of its keys."""
    asked, name = query_of(req, PageQuery), req.route_params["pipeline"]
    return _shown(app().pipelines.status(name, asked.limit, asked.cursor))


@bp.function_name("pause_pipeline")
@bp.route(route="pipelines/{pipeline}/pause", methods=EVERY)
@only("POST")
def pause_pipeline(req: func.HttpRequest) -> func.HttpResponse:
    """Begin no new run until it is resumed; new data waits in the inbox, open runs continue."""
    command, name = command_of(req, body_of(req, OperatorComment)), req.route_params["pipeline"]
    pipelines = app().pipelines
    pipelines.pause(name, command)
    return _shown(pipelines.status(name))


@bp.function_name("resume_pipeline")
@bp.route(route="pipelines/{pipeline}/resume", methods=EVERY)
@only("POST")
def resume_pipeline(req: func.HttpRequest) -> func.HttpResponse:
    """End a pause, by an operator or by failures; earlier failures are not counted any more."""
    command, name = command_of(req, body_of(req, OperatorComment)), req.route_params["pipeline"]
    pipelines = app().pipelines
    pipelines.resume(name, command)
    return _shown(pipelines.status(name))


@bp.function_name("preview_pipeline")
@bp.route(route="pipelines/{pipeline}/preview", methods=EVERY)
@only("GET", PreviewQuery)
def preview_pipeline(req: func.HttpRequest) -> func.HttpResponse:
    """Show which blobs match and which request would be sent; nothing is sent."""
    asked, name = query_of(req, PreviewQuery), req.route_params["pipeline"]
    return ok(PreviewShown.of(app().pipelines.preview(name, asked.data, asked.due)))


@bp.function_name("backtest_pipeline")
@bp.route(route="pipelines/{pipeline}/backtest", methods=EVERY)
@only("POST")
def backtest_pipeline(req: func.HttpRequest) -> func.HttpResponse:
    """Replay another gate over recorded runs, the newest first; nothing is recorded.

    A page ends after about a minute, where files are read; `next` continues.
    """
    from functions.api_models.backtests import BacktestShown  # noqa: PLC0415 -- seldom needed

    asked, name = body_of(req, BacktestBody), req.route_params["pipeline"]
    built, gate = app(), gate_of(asked.gate)
    page = built.backtests.page(
        built.pipelines.find(name), gate, asked.limit, asked.cursor, from_files=asked.from_files
    )
    return ok(BacktestShown.of(page))


def _shown(status: PipelineStatus) -> func.HttpResponse:
    return ok(PipelineShown.of(status), ETag=f'"{status.version}"')
