"""HTTP: how the pipelines stand, pause and resume them, and what a run would be given."""

from dataclasses import asdict

import azure.functions as func

from functions.api_models import (
    KeysQuery,
    MatchShown,
    OperatorComment,
    PipelineList,
    PipelineShown,
    PipelineSummary,
    PreviewQuery,
    PreviewShown,
    RequestShown,
    RunCounts,
    RunQueueShown,
)
from functions.methods import EVERY, only
from functions.responses import (
    answering,
    body_of,
    if_match,
    open_runs_shown,
    operator_of,
    query_of,
    shape,
)
from shared.app import app
from shared.operations.pipelines import PipelineStatus

bp = func.Blueprint()


@bp.function_name("list_pipelines")
@bp.route(route="pipelines", methods=EVERY)
@only("GET")
@answering
def list_pipelines(req: func.HttpRequest) -> func.HttpResponse:
    """List the pipelines of the file, and how they stand; each one's own view has its keys.

    Where the file has errors, `problems` says what they are, and what goes on meanwhile.
    """
    del req
    built = app()
    last_good, pipelines = built.intake.last_good, built.pipelines
    last_good.require_any()
    found = [_line_of(pipelines.status(name, keys=0)) for name in pipelines.names()]
    return shape(PipelineList(pipelines=found, problems=last_good.problems()))


@bp.function_name("get_pipeline")
@bp.route(route="pipelines/{pipeline}", methods=EVERY)
@only("GET", KeysQuery)
@answering
def get_pipeline(req: func.HttpRequest) -> func.HttpResponse:
    """Show one pipeline: its configuration, whether it is paused, and a page of its keys."""
    asked = query_of(req, KeysQuery)
    name = req.route_params["pipeline"]
    return _shown_status(app().pipelines.status(name, asked.limit, asked.cursor))


@bp.function_name("pause_pipeline")
@bp.route(route="pipelines/{pipeline}/pause", methods=EVERY)
@only("POST")
@answering
def pause_pipeline(req: func.HttpRequest) -> func.HttpResponse:
    """Begin nothing new until it is resumed; what lands waits, open runs go on."""
    said, name = body_of(req, OperatorComment), req.route_params["pipeline"]
    pipelines = app().pipelines
    pipelines.pause(name, operator_of(req, said.by), said.reason, if_match(req))
    return _shown_status(pipelines.status(name))


@bp.function_name("resume_pipeline")
@bp.route(route="pipelines/{pipeline}/resume", methods=EVERY)
@only("POST")
@answering
def resume_pipeline(req: func.HttpRequest) -> func.HttpResponse:
    """Let a paused pipeline go on, whoever paused it; its failures so far count no more."""
    said, name = body_of(req, OperatorComment), req.route_params["pipeline"]
    pipelines = app().pipelines
    pipelines.resume(name, if_match(req), by=operator_of(req, said.by), reason=said.reason)
    return _shown_status(pipelines.status(name))


@bp.function_name("preview_pipeline")
@bp.route(route="pipelines/{pipeline}/preview", methods=EVERY)
@only("GET", PreviewQuery)
@answering
def preview_pipeline(req: func.HttpRequest) -> func.HttpResponse:
    """Show which blobs match and what request would be sent; nothing is sent."""
    asked = query_of(req, PreviewQuery)
    seen = app().pipelines.preview(req.route_params["pipeline"], asked.data)
    matches = [
        MatchShown(
            blob=match.blob.path,
            size=match.blob.size,
            modified=match.blob.modified,
            tokens=dict(match.tokens),
            state=match.state,
        )
        for match in seen.matches
    ]
    request = RequestShown.model_validate(seen.request) if seen.request else None
    shown = PreviewShown(
        matching=seen.matching, matches=matches, request=request, notes=list(seen.notes)
    )
    return shape(shown)


def _shown_status(status: PipelineStatus) -> func.HttpResponse:
    return shape(_shown(status), ETag=f'"{status.version}"')


def _line_of(status: PipelineStatus) -> PipelineSummary:
    pipeline = status.pipeline
    config = pipeline.model_dump(mode="json", exclude_none=True)
    return PipelineSummary(
        name=pipeline.name,
        when_busy=pipeline.when_busy,
        data=pipeline.data.blob if pipeline.data else None,
        schedule=config.get("schedule"),
        endpoints=[endpoint.name for endpoint in pipeline.endpoints],
        active_since=status.active_since,
        last_due=status.last_due,
        next_due=status.next_due,
        waiting_data=status.waiting_data,
        paused=status.pause,
        resumed=status.pauses.resumed,
        runs=RunCounts.model_validate(asdict(status.runs)),
        unreadable=list(status.unreadable),
        config=config,
    )


def _shown(status: PipelineStatus) -> PipelineShown:
    keys = [
        RunQueueShown(
            key=list(run_queue.key),
            running=list(run_queue.holders),
            waiting=list(run_queue.waiting),
            begun=list(run_queue.begun[-10:]),
            paused=run_queue.paused,
            over_budget=status.over_budget(run_queue),
        )
        for run_queue in status.run_queues
    ]
    return PipelineShown(
        **dict(_line_of(status)),
        open_runs=open_runs_shown(status.open_runs),
        keys=keys,
        next=status.keys.cursor,
    )
