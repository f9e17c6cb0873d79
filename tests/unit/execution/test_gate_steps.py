"""A model is judged by its evaluation, and by the model that serves now."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.run.gate_events import Approved, Rejected, VerdictReached
from shared.core.run.record import Origin, Phase, Run
from shared.core.serving.state import Resource, ServedModel
from shared.errors import PermanentError, TransientError
from shared.execution.gate import GateSteps
from shared.execution.run_writer import RunWriter
from shared.execution.unsure_models import UnsureSteps
from tests.fakes.world import MODELS, RESOURCE
from tests.unit.samples import NOW, step_failure
from tests.unit.samples import run as sample
from tests.unit.scripted_steps import Scripted

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
FOLDER = "runs/sample/sample-1/1"
RULES: dict[str, Any] = {"metrics": "output2", "rules": [{"metric": "AUC", "max_drop": 0.01}]}


class Judging(Scripted):
    """A run whose model is to be judged."""

    def __init__(self, gate: dict[str, Any] | None = None, **changes: Any) -> None:
        super().__init__(pipeline={"gate": {**RULES, **(gate or {})}})
        unsure = UnsureSteps(self.context, RunWriter(self.context))
        self.steps = GateSteps(self.context, unsure)
        known = {"config": self.world.pipeline, "model": self.model(), "job_at": NOW}
        self.run: Run = sample(Phase.JUDGED, **{**known, **changes})

    def evaluation(self, text: str = "AUC\n0.8\n", name: str = f"{FOLDER}/evaluation.csv") -> None:
        self.world.blobs.put(MODELS, name, text.encode())

    def serves(self, auc: float, *, itself: bool = False) -> None:
        model = self.run.model if itself else None
        live = ServedModel(
            model=model, run_id="s", since=NOW, verification="", manifest=(), metrics={"AUC": auc}
        )
        self.put_endpoint_state(resources={RESOURCE: Resource(serving=live)})

    def judged(self) -> Any:
        event = self.steps.judge(self.run)
        assert isinstance(event, VerdictReached)
        return event.verdict


def test_without_rules_nothing_is_read() -> None:
    judging = Judging({"rules": [], "metrics": None, "approval": "required"})
    assert judging.judged() is None
    assert judging.world.blobs.reads == []


@pytest.mark.parametrize(("live", "passed"), [(0.8, True), (0.9, False)])
def test_a_model_is_held_against_the_one_that_serves(live: float, *, passed: bool) -> None:
    judging = Judging()
    judging.evaluation()
    judging.serves(live)
    verdict = judging.judged()
    assert (verdict.passed, verdict.metrics) == (passed, {"AUC": 0.8})


def test_a_model_is_not_held_against_itself() -> None:
    judging = Judging({"first_model": "allow"})
    judging.evaluation()
    judging.serves(0.9, itself=True)
    assert judging.judged().passed


@pytest.mark.parametrize(("first", "passed"), [("allow", True), ("refuse", False)])
def test_where_nothing_serves_the_first_model_needs_leave(first: str, *, passed: bool) -> None:
    judging = Judging({} if first == "refuse" else {"first_model": first})
    judging.evaluation()
    assert judging.judged().passed is passed


def test_an_evaluation_that_cannot_be_judged_refuses_the_model_with_the_reason() -> None:
    judging = Judging()
    judging.evaluation("nothing\n")
    verdict = judging.judged()
    assert not verdict.passed
    assert verdict.reason.startswith(f"the evaluation {FOLDER}/evaluation.csv cannot be judged: ")
    judging.evaluation("x" * (1024 * 1024 + 1))
    verdict = judging.judged()
    assert not verdict.passed
    assert verdict.reason.startswith("the evaluation cannot be read: ")


def test_an_evaluation_that_cannot_be_read_now_is_read_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judging = Judging()

    def busy(*_: object) -> None:
        raise TransientError("busy")

    monkeypatch.setattr(judging.world.blobs, "read", busy)
    with pytest.raises(TransientError, match="busy"):
        judging.judged()


@pytest.mark.parametrize("waited", [None, 2 * MINUTE - timedelta(seconds=1), 2 * MINUTE])
def test_an_evaluation_that_is_not_there_is_waited_for_two_minutes(
    waited: timedelta | None,
) -> None:
    failed = step_failure(since=NOW - waited) if waited else None
    judging = Judging(step_failure=failed)
    judging.evaluation(name=f"{FOLDER}/other.csv")
    if waited != 2 * MINUTE:
        with pytest.raises(TransientError) as raised:
            judging.judged()
        assert str(raised.value) == f"there is no evaluation at {FOLDER}/evaluation.csv yet"
        assert raised.value.patience == 4 * MINUTE
    else:
        assert judging.judged().reason == (
            f"there is no evaluation at {FOLDER}/evaluation.csv; there is model.ilearner, other.csv"
        )


def test_where_there_is_nothing_at_all_that_is_said() -> None:
    judging = Judging(step_failure=step_failure(since=NOW - HOUR))
    judging.world.blobs.remove(MODELS, f"{FOLDER}/model.ilearner")
    assert judging.judged().reason.endswith("; there is nothing")


def test_an_evaluation_from_before_the_job_is_none() -> None:
    judging = Judging(job_at=NOW + HOUR)
    judging.evaluation()
    with pytest.raises(TransientError, match="the file there is of 2026-03-01 12:00:00 UTC"):
        judging.judged()
    judging.run = judging.run.model_copy(update={"step_failure": step_failure(since=NOW - HOUR)})
    assert "the file there is of" in judging.judged().reason


def test_an_operators_model_is_judged_by_its_evaluation_or_by_an_operator() -> None:
    judging = Judging(origin=Origin.MODEL)
    judging.run = judging.run.model_copy(
        update={"model": judging.model("promote/sample/m.ilearner")}
    )
    assert judging.judged() is None
    judging.evaluation('{"AUC": 0.8}', "promote/sample/m.evaluation.json")
    judging.serves(0.9)
    assert not judging.judged().passed


def test_a_service_that_names_no_output_leaves_its_evaluation_beside_the_model() -> None:
    judging = Judging({"metrics": None, "first_model": "allow"})
    judging.evaluation('{"AUC": 0.8}', f"{FOLDER}/evaluation.json")
    assert judging.judged().passed


@pytest.mark.parametrize("answer", ["approve", "reject"])
def test_without_an_answer_the_configured_answer_is_given_with_the_time(answer: str) -> None:
    gate = {"approval": "required", "expires": "2d", "on_expiry": answer}
    judging = Judging(gate, awaiting_since=NOW)
    expected = Approved if answer == "approve" else Rejected
    event = judging.steps.expire(judging.run)
    assert event == expected("no operator in time", "no answer until 2026-03-03T12:00:00+00:00")


def test_an_output_that_the_job_does_not_have_refuses_the_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judging = Judging()

    def refused(*_: object) -> None:
        raise PermanentError("the job has no output")

    monkeypatch.setattr(judging.world.blobs, "read", refused)
    assert judging.judged().reason == "the evaluation cannot be read: the job has no output"
