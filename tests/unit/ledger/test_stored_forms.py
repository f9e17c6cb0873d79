"""What is stored keeps its form: hosts of two releases read each other's records.

What a record leaves out means the same to each of them, and so does every word in it; no record
is changed in place, and none with a member that is not known is taken for one that is.
"""

import importlib
import pkgutil
from datetime import timedelta
from enum import StrEnum
from typing import Any

import pytest
from pydantic import BaseModel

import shared.core
from shared.core.blobs import BlobVersion
from shared.core.cleaning_round import CleaningRound
from shared.core.evaluation.gate import Verdict
from shared.core.full_listing import FullListing
from shared.core.run.concurrency import Pause, Pauses, QueueEntry, RunQueue
from shared.core.run.machine import Command
from shared.core.run.record import (
    Approval,
    Delivery,
    GateEvidence,
    Origin,
    Phase,
    Promotion,
    Run,
    RunHistoryEntry,
    Step,
    StepFailure,
)
from shared.core.serving.candidates import StagedCandidate
from shared.core.serving.drift import DriftCheck, DriftKind
from shared.core.serving.probe_series import NO_PROBES, Evidence, ProbeSeries, Streak
from shared.core.serving.probes import ProbeAnswers, ProbeOutcome, UpdateProgress
from shared.core.serving.references import ServingState, Shift
from shared.core.serving.state import (
    EndpointLease,
    EndpointState,
    Hold,
    Resource,
    ServedModel,
    ServingHistoryEntry,
)


def models() -> list[type[BaseModel]]:
    """Return every class of records, and of parts of them, in the core."""
    modules = [
        importlib.import_module(f"shared.core.{module.name}")
        for module in pkgutil.iter_modules(shared.core.__path__)
    ]
    found = {one for module in modules for one in vars(module).values() if isinstance(one, type)}
    ours = [one for one in found if issubclass(one, BaseModel) and one is not BaseModel]
    return sorted(ours, key=lambda one: (one.__module__, one.__name__))


@pytest.mark.parametrize("model", models(), ids=lambda one: f"{one.__module__}.{one.__name__}")
def test_no_record_is_changed_in_place_or_has_members_that_are_not_known(
    model: type[BaseModel],
) -> None:
    assert model.model_config.get("frozen") is True
    assert model.model_config.get("extra") == "forbid"


#: What a record means where it leaves a member out; members that are not here must be there.
LEFT_OUT: dict[type[BaseModel], dict[str, Any]] = {
    BlobVersion: {"content_md5": None, "recorded_at": None},
    FullListing: {
        "schema_version": 1,
        "covered": {},
        "missing": {},
        "generations": {},
        "generation": None,
        "joining": {},
        "pages": 0,
        "cursor": None,
        "checked_to": "",
        "complete": False,
        "completed_at": None,
        "listed": 0,
        "found": 0,
        "failed": 0,
        "damaged": (),
    },
    CleaningRound: {
        "schema_version": 1,
        "since": None,
        "kind": "pipelines",
        "cursor": None,
        "checked_to": "",
        "completed_at": None,
        "deleted": 0,
        "unclear": 0,
        "shown": (),
        "missing": {},
        "waiting": {},
    },
    Verdict: {"metrics": {}, "row": {}, "results": ()},
    ServedModel: {
        "model": None,
        "state": None,
        "candidate": "",
        "arrived": 0,
        "trained_on": (),
        "given": 0,
        "answers": None,
        "named": None,
        "set_by": None,
        "first_at": None,
        "repairs": 0,
        "metrics": {},
        "approved_by": "",
        "trained_by": "",
    },
    ServingHistoryEntry: {
        "model": None,
        "arrived": 0,
        "data_time": None,
        "why": "",
        "approved_by": "",
        "verification": "",
    },
    Hold: {"state": ServingState(), "reason": ""},
    Resource: {
        "serving": None,
        "previous": (),
        "baseline": None,
        "newest_data": None,
        "newest_version": None,
        "held": None,
        "resumed": None,
        "history": (),
    },
    EndpointLease: {"in_flight": None},
    EndpointState: {
        "schema_version": 1,
        "generation": 0,
        "resources": {},
        "endpoint_lease": None,
        "released": None,
        "staged": (),
    },
    StagedCandidate: {"discard_at": None},
    Shift: {"before": 0, "base": None},
    Streak: {"probes": 0, "span": timedelta()},
    ProbeSeries: {
        "all": Streak(probes=0, span=timedelta()),
        "evidence": None,
        "row": Streak(probes=0, span=timedelta()),
        "bad": Streak(probes=0, span=timedelta()),
        "last": None,
        "earlier": None,
        "last_at": None,
    },
    ProbeAnswers: {"columns": (), "rows": (), "detail": "", "request": ""},
    StepFailure: {"cause_count": 1, "waits_for": ""},
    ServingState: {"model": None, "body": {}},
    Step: {"before": 0, "sent_at": None, "seen": ""},
    GateEvidence: {"cursor": 0, "last": None},
    Promotion: {
        "base": None,
        "steps": (Step(share=100),),
        "position": 0,
        "expected": None,
        "sent_at": None,
        "certain": True,
        "probe_series": NO_PROBES,
        "ever_sent": False,
        "operation": None,
        "service_message": "",
        "after_rollback": None,
        "rollback_resource": None,
        "resent": 0,
        "verification": None,
    },
    Delivery: {"tries": 1, "outcome": None, "reason": ""},
    Approval: {"why": ""},
    RunHistoryEntry: {"note": ""},
    Run: {
        "schema_version": 1,
        "request": None,
        "tokens": {},
        "tie": "",
        "listed_at": "",
        "parent": None,
        "as_of": None,
        "claim": None,
        "attempt": 1,
        "job": None,
        "job_at": None,
        "started_at": None,
        "ended_attempts": (),
        "outputs_seen": (),
        "inputs": {},
        "model": None,
        "models": {},
        "candidate": None,
        "staged_at": None,
        "evidence": None,
        "restores": None,
        "deliveries": (),
        "verdict": None,
        "awaiting_since": None,
        "approval": None,
        "promotion": None,
        "step_failure": None,
        "cancelling": False,
        "operator_request": None,
        "unchecked": None,
        "parked_in": None,
        "queue_name": "",
        "reason": None,
        "advice": None,
        "history": (),
    },
    QueueEntry: {"number": 0},
    Pause: {"reason": ""},
    Pauses: {
        "schema_version": 1,
        "pause": None,
        "resumed_at": None,
        "by_failures": None,
        "resumed": None,
    },
    RunQueue: {
        "schema_version": 1,
        "pipeline": "",
        "key": (),
        "batch_run": None,
        "batch_since": None,
        "claimed_to": "",
        "holders": (),
        "waiting": (),
        "newest_first": False,
        "numbers": 0,
        "begun": (),
        "paused": None,
    },
    DriftCheck: {
        "schema_version": 1,
        "suspicion": "",
        "drift_kind": None,
        "suspect": None,
        "reported": "",
        "repair": None,
        "host": "",
        "silent": False,
    },
}


@pytest.mark.parametrize("model", LEFT_OUT, ids=lambda one: one.__name__)
def test_what_a_record_leaves_out_means_what_it_always_meant(model: type[BaseModel]) -> None:
    fields = model.model_fields.items()
    assert {
        name: field.get_default(call_default_factory=True)
        for name, field in fields
        if not field.is_required()
    } == LEFT_OUT[model]


@pytest.mark.parametrize(
    ("words", "stored"),
    [
        (
            Phase,
            (
                "waiting received created training trained staging judged awaiting_approval "
                "rolling_out promoting verifying rolling_back parked promoted unchanged finished "
                "rejected failed cancelled timed_out superseded rolled_back"
            ),
        ),
        (Origin, "data schedule manual model roll_out rollback drift"),
        (Evidence, "for against open bad silent pending"),
        (ProbeOutcome, "good no_answer broken refused"),
        (UpdateProgress, "not_reported pending done failed"),
        (DriftKind, "named broken answers"),
    ],
)
def test_each_word_of_a_record_is_the_same_in_every_release(
    words: type[StrEnum], stored: str
) -> None:
    assert [one.value for one in words] == stored.split()
    assert [one.name for one in words] == stored.upper().split()


def test_each_step_has_the_name_that_the_log_and_the_documentation_give_it() -> None:
    assert {one.value for one in Command} == {one.name.lower().replace("_", " ") for one in Command}
