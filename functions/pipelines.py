"""HTTP: how the pipelines stand, pause and resume them, and what a run would be given."""

from dataclasses import asdict

import azure.functions as func

from functions.api_models import (
    KeysQuery,
    MatchShown,
    PipelineLine,
    PipelineList,
    PipelineShown,
    PreviewQuery,
    PreviewShown,
    RequestShown,
    RunCounts,
    SaidByPerson,
    SlotShown,
)
from functions.methods import EVERY, only
from functions.responses import answering, body_of, if_match, open_runs_shown, query_of, shape, who
from shared.app import app
from shared.operations.pipelines import Standing

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
    found = [_line_of(pipelines.standing(name, keys=0)) for name in pipelines.names()]
    return shape(PipelineList(pipelines=found, problems=last_good.problems()))


@bp.function_name("get_pipeline")
@bp.route(route="pipelines/{pipeline}", methods=EVERY)
@only("GET", KeysQuery)
@answering
def get_pipeline(req: func.HttpRequest) -> func.HttpResponse:
    """Show one pipeline: its configuration, whether it is paused, and a page of its keys."""
    asked = query_of(req, KeysQuery)
    name = req.route_params["pipeline"]
    return _told(app().pipelines.standing(name, asked.limit, asked.cursor))


@bp.function_name("pause_pipeline")
@bp.route(route="pipelines/{pipeline}/pause", methods=EVERY)
@only("POST")
@answering
def pause_pipeline(req: func.HttpRequest) -> func.HttpResponse:
    """Begin nothing new until it is resumed; what lands waits, open runs go on."""
    said, name = body_of(req, SaidByPerson), req.route_params["pipeline"]
    pipelines = app().pipelines
    pipelines.pause(name, who(req, said.by), said.reason, if_match(req))
    return _told(pipelines.standing(name))


@bp.function_name("resume_pipeline")
@bp.route(route="pipelines/{pipeline}/resume", methods=EVERY)
@only("POST")
@answering
def resume_pipeline(req: func.HttpRequest) -> func.HttpResponse:
    """Let a paused pipeline go on, whoever paused it; its failures so far count no more."""
    said, name = body_of(req, SaidByPerson), req.route_params["pipeline"]
    pipelines = app().pipelines
    pipelines.resume(name, if_match(req), by=who(req, said.by), reason=said.reason)
    return _told(pipelines.standing(name))


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


def _told(standing: Standing) -> func.HttpResponse:
    return shape(_shown(standing), ETag=f'"{standing.version}"')


def _line_of(standing: Standing) -> PipelineLine:
    pipeline = standing.pipeline
    config = pipeline.model_dump(mode="json", exclude_none=True)
    return PipelineLine(
        name=pipeline.name,
        when_busy=pipeline.when_busy,
        data=pipeline.data.blob if pipeline.data else None,
        schedule=config.get("schedule"),
        endpoints=[endpoint.name for endpoint in pipeline.endpoints],
        active_since=standing.active_since,
        last_due=standing.last_due,
        next_due=standing.next_due,
        waiting_data=standing.waiting_data,
        paused=standing.pause,
        resumed=standing.pauses.resumed,
        runs=RunCounts.model_validate(asdict(standing.runs)),
        unreadable=list(standing.unreadable),
        config=config,
    )


def _shown(standing: Standing) -> PipelineShown:
    keys = [
        SlotShown(
            key=list(slot.key),
            running=list(slot.holders),
            waiting=list(slot.waiting),
            begun=list(slot.begun[-10:]),
            paused=slot.paused,
            over_budget=standing.over_budget(slot),
        )
        for slot in standing.slots
    ]
    return PipelineShown(
        **dict(_line_of(standing)),
        open_runs=open_runs_shown(standing.open_runs),
        keys=keys,
        next=standing.keys.cursor,
    )
