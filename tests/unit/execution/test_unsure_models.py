"""An unsure model waits for the next run, and then an operator is asked."""

import logging
from datetime import timedelta
from typing import Any

import pytest

from shared.core.config.compare import Compare
from shared.core.config.gate import Gate
from shared.core.config.gate_rule import Rule
from shared.core.decisions.comparison import RuleOutcome
from shared.core.evaluation.gate import refused
from shared.core.run.control_events import Superseded
from shared.core.run.gate_events import Asked, VerdictReached
from shared.core.run.record import Phase, Run
from shared.core.serving.state import Resource
from shared.execution.run_writer import RunWriter
from shared.execution.unsure_models import UnsureSteps
from shared.ledger.open_markers import hints_of
from tests.fakes.world import RESOURCE
from tests.unit.core.evaluation.compared import comparison, judged
from tests.unit.samples import NOW, blob
from tests.unit.samples import run as sample
from tests.unit.scripted_steps import Scripted

HOUR = timedelta(hours=1)
FIT, UNSURE, WORSE = RuleOutcome.FIT, RuleOutcome.UNSURE, RuleOutcome.WORSE
GATE = Gate(
    rules=(Rule(metric="AUC", max_drop=0.01),), compare=Compare(predictions="s", unsure="wait")
)


def verdict_of(outcome: RuleOutcome) -> VerdictReached:
    return VerdictReached(judged(comparison(outcome), unsure="wait"))


class Waiting(Scripted):
    """A run with an unsure model, which waits for the next one."""

    def __init__(self, **changes: Any) -> None:
        super().__init__()
        self.writer = RunWriter(self.context)
        self.steps = UnsureSteps(self.context, self.writer)
        self.older = self.put("sample-1", asks_at=NOW + 24 * HOUR, **changes)
        self.newer = self.run("sample-2", Phase.JUDGED, modified=NOW + HOUR)

    def run(self, run_id: str, phase: Phase, modified: Any = NOW, **changes: Any) -> Run:
        config = self.world.pipeline.evolve(gate=GATE)
        known = {"config": config, "run_id": run_id, "manifest": (blob(modified=modified),)}
        return sample(phase, **{**known, "opened_at": modified, **changes})

    def put(self, run_id: str, **changes: Any) -> Run:
        known = {"verdict": verdict_of(UNSURE).verdict, "awaiting_since": NOW}
        one = self.run(run_id, Phase.AWAITING_APPROVAL, **{**known, **changes})
        self.ledger.open_markers.mark(run_id, hints_of(one))
        return self.ledger.runs.create(one).record

    def now(self) -> Run:
        stored = self.ledger.runs.read(self.older.run_id)
        assert stored is not None
        return stored.record

    def serves_data_of(self, at: Any) -> None:
        self.put_endpoint_state(resources={RESOURCE: Resource(newest_data=at)})


@pytest.mark.parametrize("outcome", [UNSURE, WORSE])
def test_a_newer_verdict_that_is_not_fit_has_an_operator_asked(
    outcome: RuleOutcome, caplog: pytest.LogCaptureFixture
) -> None:
    one = Waiting()
    caplog.set_level(logging.WARNING, "relearn")
    said = one.steps.settle(one.newer, verdict_of(outcome))
    assert said.asks_now
    asked = one.now()
    assert asked.asks_at is None
    assert asked.history[-1].note == (
        f"an operator is asked: run sample-2 had its verdict: {outcome}"
    )
    assert [vars(line)["event_id"] for line in caplog.records] == ["RL1009"]
    assert one.steps.settle(one.newer, verdict_of(outcome)) == said  # a repetition asks nobody
    assert one.now() == asked


def test_a_newer_model_that_is_fit_leaves_the_older_one_to_its_promotion() -> None:
    one = Waiting()
    assert one.steps.settle(one.newer, verdict_of(FIT)) == verdict_of(FIT)
    assert one.now() == one.older
    assert one.steps.see_next(one.older) is None
    one.serves_data_of(NOW + HOUR)
    event = one.steps.see_next(one.older)
    assert isinstance(event, Superseded)
    assert event.reason == ("production: a model of newer data serves, while this one was unsure")


@pytest.mark.parametrize(
    "changes",
    [
        {"pipeline": "other"},
        {"modified": NOW + 2 * HOUR},
        {"verdict": refused("no rows"), "asks_at": None},
        {"verdict": None, "asks_at": None},
        {"phase": Phase.PARKED, "parked_in": Phase.AWAITING_APPROVAL},
    ],
)
def test_only_an_older_unsure_model_of_the_same_key_is_settled(changes: dict[str, Any]) -> None:
    one = Waiting()
    stored = one.ledger.runs.read("sample-1")
    assert stored is not None
    modified = changes.pop("modified", None)
    if modified is not None:
        changes = {"manifest": (blob(modified=modified),)}
    one.ledger.runs.replace(one.older.evolve(**changes), stored.etag)
    was = one.now()
    assert not one.steps.settle(one.newer, verdict_of(UNSURE)).asks_now
    assert one.now() == was


def test_runs_of_another_key_wait_on() -> None:
    one = Waiting(tokens={"region": "north"})
    config = one.newer.config.evolve(key=("region",))
    newer = one.newer.evolve(config=config, tokens={"region": "south"})
    stored = one.ledger.runs.read("sample-1")
    assert stored is not None
    one.ledger.runs.replace(one.older.evolve(config=config), stored.etag)
    assert not one.steps.settle(newer, verdict_of(UNSURE)).asks_now
    assert one.steps.settle(newer.evolve(tokens={"region": "north"}), verdict_of(UNSURE)).asks_now


def test_a_model_waits_no_longer_than_is_configured() -> None:
    one = Waiting()
    one.world.clock.move(NOW + 24 * HOUR - one.world.clock.now() - timedelta(seconds=1))
    assert one.steps.see_next(one.older) is None
    one.world.clock.move(timedelta(seconds=1))
    assert one.steps.see_next(one.older) == Asked(
        "no other run had its verdict until 2026-03-02 12:00 UTC"
    )


def test_a_gate_without_rows_looks_for_no_other_run() -> None:
    one = Waiting()
    plain = one.newer.evolve(config=one.world.pipeline)
    before = len(one.world.calls)
    assert not one.steps.settle(plain, VerdictReached(refused("no"))).asks_now
    assert one.world.calls[before:] == []


def test_a_model_that_waits_raises_no_alert_until_an_operator_is_asked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    one = Waiting()
    caplog.set_level(logging.WARNING, "relearn")
    stored = one.writer.create(one.newer)
    waits = one.writer.record(stored, verdict_of(UNSURE))
    assert waits.record.asks_at is not None
    assert not caplog.records
    one.writer.note(waits, Asked("its time is over"))
    (alert,) = caplog.records
    assert "waits for approval: unsure: AUC" in alert.getMessage()
