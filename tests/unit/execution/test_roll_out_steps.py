"""One step of a roll-out: the deliveries that it opens, checks and cancels, and its result."""

from typing import Any

import pytest

from shared.core.run.control_events import DeliveriesChanged, RolloutEnded, StepBlocked
from shared.core.run.record import Delivery, Phase, Run
from shared.errors import ConflictError, PermanentError
from shared.execution.rollout import RollOutSteps, delivering
from shared.ledger.open_markers import RunHints, encoded, hints_of
from tests.unit.fleet import Fleet
from tests.unit.samples import MODEL, MODEL_BLOB
from tests.unit.samples import run as sample


class Rolling:
    """A run with two endpoints, one delivery of which is named."""

    def __init__(self, **changes: Any) -> None:
        self.fleet = Fleet(size=2)
        self.context = self.fleet.context
        self.ledger = self.context.ledger
        self.factory = self.fleet.app.factory
        self.steps = RollOutSteps(self.context, self.factory, self.fleet.app.writer)
        self.opened = 0
        self.one = Delivery(endpoint="e1", run_id="sample-d1")
        known = {"config": self.fleet.pipeline, "model": MODEL, "deliveries": (self.one,)}
        self.run: Run = sample(Phase.ROLLING_OUT, **{**known, **changes})

    def step(self) -> Any:
        result = self.steps.roll_out(self.run)
        self.opened += result.opened
        return result.event

    def child(self, phase: Phase, **changes: Any) -> None:
        one = delivering(self.factory, self.run, self.one)
        self.ledger.runs.create(one.model_copy(update={"phase": phase, **changes}))

    def seen(self) -> Delivery | None:
        event = self.step()
        return event.deliveries[0] if isinstance(event, DeliveriesChanged) else None


def test_a_delivery_that_is_named_has_its_run_opened_and_counted() -> None:
    rolling = Rolling()
    assert rolling.step() is None
    assert rolling.opened == 1
    stored = rolling.ledger.runs.read("sample-d1")
    assert stored is not None
    child = stored.record
    assert child.opened_at == rolling.fleet.clock.now()
    (entry,) = child.history
    assert (entry.at, entry.phase, entry.note) == (child.opened_at, Phase.PROMOTING, child.cause)
    assert rolling.fleet.documents.rows["open/sample-d1"].metadata == encoded(hints_of(child))
    assert rolling.step() is None
    assert rolling.opened == 1


def test_a_delivery_has_the_model_and_the_data_of_the_run_that_trained() -> None:
    inputs = {"input1": MODEL_BLOB}
    rolling = Rolling(
        parameters={"n": 1}, tokens={"name": "new"}, listed_at="models/x", inputs=inputs
    )
    child = delivering(rolling.factory, rolling.run, rolling.one)
    run = rolling.run
    assert (child.run_id, child.parent, child.pipeline) == ("sample-d1", run.run_id, run.pipeline)
    assert (child.model, child.manifest, child.as_of) == (MODEL, run.manifest, run.data_time)
    assert (child.inputs, child.listed_at, child.parameters) == (
        inputs,
        run.listed_at,
        run.parameters,
    )
    assert (child.tokens, child.verdict, child.approval) == (run.tokens, run.verdict, run.approval)
    assert [one.name for one in child.config.endpoints] == ["e1"]
    assert child.cause == f"e1: the model of run {run.run_id}"
    assert (child.phase, child.origin, child.opened_at) == (
        Phase.PROMOTING,
        "roll_out",
        rolling.fleet.clock.now(),
    )
    with pytest.raises(PermanentError, match="there is no endpoint e9"):
        delivering(rolling.factory, run, Delivery(endpoint="e9", run_id="x"))


@pytest.mark.parametrize(
    ("phase", "outcome"),
    [
        (Phase.VERIFYING, None),
        (Phase.PROMOTED, Phase.PROMOTED),
        (Phase.PARKED, Phase.PARKED),
        (Phase.ROLLED_BACK, Phase.ROLLED_BACK),
    ],
)
def test_a_delivery_that_is_resolved_is_noted(phase: Phase, outcome: Phase | None) -> None:
    rolling = Rolling()
    rolling.child(phase, reason="why", promotion=None)
    seen = rolling.seen()
    assert (seen.outcome if seen else None) is outcome


def test_a_delivery_that_has_ended_is_not_checked_again() -> None:
    rolling = Rolling()
    done = rolling.one.model_copy(update={"outcome": Phase.PROMOTED})
    rolling.run = rolling.run.model_copy(update={"deliveries": (done,)})
    rolling.fleet.calls.clear()
    event = rolling.step()
    assert isinstance(event, DeliveriesChanged)
    assert [one.endpoint for one in event.deliveries] == ["e1", "e2"]
    assert rolling.fleet.calls.count("read runs") == 0


def test_a_step_opens_no_more_than_fifty_runs() -> None:
    rolling = Rolling()
    many = tuple(Delivery(endpoint="e1", run_id=f"sample-x{n}") for n in range(52))
    rolling.run = rolling.run.model_copy(update={"deliveries": many})
    rolling.step()
    assert rolling.opened == 50


def test_a_run_that_another_worker_opens_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    rolling = Rolling()

    def late(_: Run) -> None:
        raise ConflictError("runs")

    monkeypatch.setattr(rolling.ledger.runs, "create", late)
    assert rolling.step() is None
    assert rolling.opened == 0


def test_a_delivery_whose_record_was_removed_is_left_to_a_retry() -> None:
    rolling = Rolling()
    rolling.ledger.tombstones.add("sample-d1")
    seen = rolling.seen()
    assert seen is not None
    assert seen.outcome is Phase.PARKED
    assert "its record was removed" in seen.reason
    assert rolling.opened == 0


# Cancelling


def test_a_cancelled_roll_out_begins_nothing_and_stops_what_can_be_stopped() -> None:
    rolling = Rolling(cancelling=True)
    seen = rolling.seen()
    assert seen is not None
    assert (seen.outcome, seen.reason) == (Phase.CANCELLED, "not begun")
    assert rolling.ledger.runs.read("sample-d1") is None
    rolling = Rolling(cancelling=True)
    rolling.child(Phase.PARKED, parked_in=Phase.PROMOTING)
    rolling.ledger.open_markers.mark("sample-d1", RunHints())
    seen = rolling.seen()
    assert seen is not None
    assert seen.outcome is Phase.CANCELLED
    assert "open/sample-d1" not in rolling.fleet.documents.rows


def test_a_delivery_that_changes_its_endpoint_already_is_not_cancelled() -> None:
    rolling = Rolling(cancelling=True)
    rolling.child(Phase.VERIFYING)
    assert rolling.seen() is None
    stored = rolling.ledger.runs.read("sample-d1")
    assert stored is not None
    assert not stored.record.cancelling


def test_a_delivery_that_is_asked_to_stop_keeps_its_marker_until_it_has() -> None:
    rolling = Rolling(cancelling=True)
    rolling.child(Phase.PROMOTING)
    rolling.ledger.open_markers.mark("sample-d1", RunHints())
    rolling.step()
    stored = rolling.ledger.runs.read("sample-d1")
    assert stored is not None
    assert stored.record.cancelling
    assert ("open/sample-d1" in rolling.fleet.documents.rows) is not stored.record.phase.ended
    etag = stored.etag
    rolling.step()
    again = rolling.ledger.runs.read("sample-d1")
    assert again is not None
    assert again.etag == etag  # it is reported once


def test_a_delivery_that_moves_while_it_is_cancelled_is_checked_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "relearn")
    rolling = Rolling(cancelling=True)
    rolling.child(Phase.PARKED, parked_in=Phase.PROMOTING)

    def late(*_: object) -> None:
        raise ConflictError("runs")

    monkeypatch.setattr(rolling.ledger.runs, "replace", late)
    seen = rolling.seen()
    assert seen is None or seen.outcome is Phase.PARKED
    assert "run sample-d1 changed while it was being cancelled" in caplog.text


# What it comes to


@pytest.mark.parametrize(
    ("outcomes", "event", "phase"),
    [
        ((Phase.PROMOTED, Phase.PROMOTED), RolloutEnded, Phase.PROMOTED),
        ((Phase.PROMOTED, Phase.PARKED), StepBlocked, None),
    ],
)
def test_a_roll_out_ends_as_its_endpoints_did(
    outcomes: tuple[Phase, Phase], event: Any, phase: Phase | None
) -> None:
    rolling = Rolling()
    deliveries = tuple(
        Delivery(endpoint=f"e{at}", run_id=f"sample-d{at}", outcome=one, reason="because")
        for at, one in enumerate(outcomes, 1)
    )
    rolling.run = rolling.run.model_copy(update={"deliveries": deliveries})
    found = rolling.step()
    assert isinstance(found, event)
    assert found.reason
    if isinstance(found, RolloutEnded):
        assert found.end is phase
    else:
        assert "retry this run" in found.advice
