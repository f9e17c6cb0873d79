"""Answers show only the fields that their models name: a new field of a record is not shown."""

import json
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final

from pydantic import BaseModel, create_model

from functions.api_models.endpoints import EndpointShown, EndpointSummary
from functions.api_models.health import (
    FullListingShown,
    LastEventShown,
    SearchShown,
    UndeliveredShown,
)
from functions.api_models.pipelines import PipelineShown, PipelineSummary, PreviewShown
from functions.api_models.runs import RunShown, RunSummary
from functions.api_models.shared import ResponseModel
from shared.core.config.due_times import PendingDueTime
from shared.core.config.pipeline import Pipeline
from shared.core.decisions.comparison import Comparison, Interval, RuleOutcome, SliceComparison
from shared.core.evaluation.gate import Result, Verdict
from shared.core.full_listing import FullListing
from shared.core.run.concurrency import Pause, Pauses, QueueEntry, RunQueue
from shared.core.run.promotion import Step
from shared.core.run.record import (
    Approval,
    Delivery,
    EndedAttempt,
    OperatorRequest,
    Phase,
    Run,
    RunHistoryEntry,
)
from shared.core.run.waiting import Waits, waits_of
from shared.core.serving.references import Candidate, ModelRef, ServingState
from shared.core.serving.state import (
    EndpointLease,
    EndpointState,
    Hold,
    Resource,
    Resumed,
    ServedModel,
    ServingHistoryEntry,
)
from shared.ledger.progress import LastEvent, PoisonQueue, SearchState, Undelivered
from shared.operations.endpoints import EndpointLine, EndpointStatus
from shared.operations.history import OpenRun, OpenRunCounts
from shared.operations.pipelines import Keys, PipelineStatus
from shared.operations.preview import Match, Preview
from tests.unit.core.evaluation.compared import comparison, slice_of
from tests.unit.samples import MODEL, NOW, blob, pipeline, promotion, step_failure
from tests.unit.samples import run as sample

ADDED: Final = "of-a-new-field"
BY: Final[dict[str, Any]] = {"by": "ada", "at": NOW}


def extended(value: Any, seen: set[str]) -> Any:
    """Return `value` with one more field in it, and in each record inside; note their classes."""
    if isinstance(value, BaseModel) and not isinstance(value, Pipeline):
        kind = type(value)
        seen.add(kind.__name__)
        wider = create_model(kind.__name__, __base__=kind, added=(str, ADDED))
        known = {name: extended(getattr(value, name), seen) for name in kind.model_fields}
        return wider.model_construct(**{**known, "added": ADDED})
    if is_dataclass(value) and not isinstance(value, type):
        known = {one.name: extended(getattr(value, one.name), seen) for one in fields(value)}
        return replace(value, **known)
    if isinstance(value, dict):
        return {name: extended(one, seen) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(extended(one, seen) for one in value)
    return value


def full_run() -> Run:
    return sample(
        Phase.ROLLING_OUT,
        step_failure=step_failure(),
        ended_attempts=(EndedAttempt(attempt=1, job="j0", reason="no"),),
        inputs={"input1": blob()},
        model=MODEL,
        models={"production": MODEL},
        deliveries=(Delivery(endpoint="production", run_id="sample-2"),),
        verdict=Verdict(
            passed=True,
            reason="the rule holds",
            results=(
                Result(
                    metric="AUC",
                    rule="max_drop",
                    bound=1,
                    value=1,
                    live=1,
                    passed=True,
                    why="1",
                    comparisons=(comparison(slices=(slice_of("south", RuleOutcome.FIT),)),),
                ),
            ),
        ),
        approval=Approval(answer="approved", **BY),
        promotion=promotion(rollback_target=ServingState(model=MODEL)),
        candidate=Candidate(name="c", state=ServingState(model=MODEL)),
        operator_request=OperatorRequest(what="retry", **BY),
        history=(RunHistoryEntry(at=NOW, phase=Phase.RECEIVED),),
    )


def full_endpoint(run: Run, waits: Waits) -> EndpointStatus:
    served = ServedModel(
        model=MODEL, run_id="sample-1", since=NOW, verification="", manifest=(blob(),)
    )
    known = Resource(
        serving=served,
        previous=(served,),
        baseline=ServingState(model=MODEL),
        newest_version=blob(),
        held=Hold(run_id="sample-1", to="baseline", **BY),
        resumed=Resumed(**BY),
        history=(ServingHistoryEntry(at=NOW, run_id="a", trained_by="a", data=("x",), blobs=1),),
    )
    config = run.config.endpoints[0]
    lease = EndpointLease(
        run_id="sample-1", resource=config.resource_name, model=MODEL, generation=1, at=NOW
    )
    state = EndpointState(
        ref=config.ref, resources={config.resource_name: known}, endpoint_lease=lease
    )
    return EndpointStatus("sample", (), config, state, "1", (OpenRun("a", run.phase, waits),))


def full_pipeline(run: Run, waits: Waits) -> PipelineStatus:
    entry, pause = QueueEntry(run_id="a", at=NOW), Pause(**BY)
    run_queue = RunQueue(
        pipeline="sample", key=("x",), waiting=(entry,), begun=(entry,), paused=pause
    )
    return PipelineStatus(
        pipeline=pipeline(schedule={"frequency": "Week"}),
        active_since=NOW,
        pauses=Pauses(pause=pause, resumed=pause),
        keys=Keys((run_queue,)),
        last_due=NOW,
        next_due=NOW,
        waiting_data=1,
        runs=OpenRunCounts(),
        open_runs=(OpenRun("a", run.phase, waits),),
        pending=(PendingDueTime(at=NOW, next_check=NOW, until=NOW),),
        passed=1,
        at=NOW,
    )


def answers(seen: set[str]) -> list[ResponseModel]:
    run = extended(full_run(), seen)
    waits = waits_of(run)
    assert waits is not None
    waits = extended(waits, seen)
    endpoint = extended(full_endpoint(run, waits), seen)
    status = extended(full_pipeline(run, waits), seen)
    line = extended(EndpointLine("sample", "production", (), "", endpoint.open_runs), seen)
    preview = extended(Preview((Match(blob(), {}, "new"),), 1, None, ()), seen)
    event = LastEvent(at=NOW, blob="x", function="on_storage_events")
    queue = PoisonQueue(account="x", name="y", messages=1)
    given_up = Undelivered(at=NOW, poison=(queue,), dead_letters=1)
    listing = extended(FullListing(location="x", started_at=NOW), seen)
    return [
        RunShown.of(run, waits),
        RunSummary.of(run, waits),
        EndpointShown.of(endpoint),
        EndpointSummary.model_validate(line),
        PipelineShown.of(status),
        PipelineSummary.of(status),
        PreviewShown.of(preview),
        FullListingShown.of(listing),
        SearchShown.model_validate(extended(SearchState(started_at=NOW), seen)),
        LastEventShown.model_validate(extended(event, seen)),
        UndeliveredShown.model_validate(extended(given_up, seen)),
    ]


def test_a_field_that_is_added_to_a_record_is_in_no_answer() -> None:
    seen: set[str] = set()
    for answer in answers(seen):
        assert ADDED not in json.dumps(answer.model_dump(mode="json")), type(answer)
    verdicts = {Verdict, Result, Comparison, Interval, SliceComparison}
    runs = verdicts | {Run, Step, Approval, Delivery, EndedAttempt, OperatorRequest, Waits}
    served = {EndpointState, Resource, ServedModel, ServingHistoryEntry, Hold, Resumed}
    shared = {ModelRef, ServingState, Candidate, EndpointLease, RunHistoryEntry}
    others = {RunQueue, QueueEntry, Pause, Pauses, FullListing, SearchState, PendingDueTime}
    others |= {LastEvent, Undelivered, PoisonQueue}
    records = runs | served | shared | others
    assert {kind.__name__ for kind in records} <= seen


def test_no_answer_has_a_default_that_could_stand_for_a_field_which_is_gone() -> None:
    kinds = set(ResponseModel.__subclasses__())
    for kind in tuple(kinds):
        kinds |= set(kind.__subclasses__())
    assert len(kinds) > 30
    found = {
        f"{kind.__name__}.{name}"
        for kind in kinds
        for name, field in kind.model_fields.items()
        if not field.is_required()
    }
    assert found == set()
