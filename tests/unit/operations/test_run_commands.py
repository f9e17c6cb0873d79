"""Commands change a run and its deliveries, also after a change at the same moment."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.run.record import Delivery, Phase, Run
from shared.errors import (
    ConflictError,
    InvalidTransitionError,
    NoSuchRunError,
    PreconditionFailedError,
)
from shared.ledger.open_markers import CommandStored, OpenMarker
from shared.operations.commands import OperatorCommand
from shared.operations.runs import RunOperations
from tests.unit.samples import NOW, pipeline, promotion
from tests.unit.samples import run as sample
from tests.unit.worlds import Observed

HOUR = timedelta(hours=1)
GATED = {"gate": {"approval": "required", "expires": "1h", "on_expiry": "reject"}}


class Desk:
    """Commands for runs in states that a test writes; no service answers."""

    def __init__(self, **config: Any) -> None:
        self.world = Observed(config={"pipeline": config})
        self.world.script("POST", "", None, times=None)
        self.ledger = self.world.context.ledger
        self.run_operations: RunOperations = self.world.run_operations

    def put(self, phase: Phase, run_id: str = "sample-1", **changes: Any) -> str:
        """Store a run, and return its version."""
        known = {"config": self.world.pipeline, **changes}
        if phase is Phase.PARKED:
            known = {"parked_in": Phase.RECEIVED, "job": None, "started_at": None, **known}
        return str(self.ledger.runs.create(sample(phase, run_id=run_id, **known)).etag)

    def now(self, run_id: str = "sample-1") -> Run:
        stored = self.ledger.runs.read(run_id)
        assert stored is not None
        return stored.record


def test_a_change_is_made_to_the_version_that_was_read_or_refused() -> None:
    OperatorCommand().require("2", "it is parked")
    OperatorCommand(versions=("1", "2")).require("2", "it is parked")
    with pytest.raises(PreconditionFailedError, match="it is parked; it was changed since"):
        OperatorCommand(versions=("1",)).require("2", "it is parked")
    with pytest.raises(PreconditionFailedError):
        OperatorCommand(versions=()).require("2", "it is parked")
    assert isinstance(OperatorCommand().too_late("x"), ConflictError)
    assert isinstance(OperatorCommand(versions=()).too_late("x"), PreconditionFailedError)


@pytest.mark.parametrize("order", ["retry", "cancel", "approve", "reject"])
def test_a_command_is_held_to_the_version_of_the_run(order: str) -> None:
    desk = Desk(**GATED)
    waits = order in ("approve", "reject")
    phase = Phase.AWAITING_APPROVAL if waits else Phase.PARKED
    etag = desk.put(phase, awaiting_since=desk.world.clock.now() if waits else None)
    old, new = (OperatorCommand("ada", "why", (one,)) for one in ("old", etag))
    act = getattr(desk.run_operations, order)
    with pytest.raises(PreconditionFailedError):
        act("sample-1", old)
    assert desk.now().phase is phase
    assert "open/sample-1" not in desk.world.documents.rows
    with pytest.raises(NoSuchRunError, match="sample-none"):
        act("sample-none", old)
    found = act("sample-1", new)
    assert found == desk.now()
    assert found.phase is not phase


@pytest.mark.parametrize("order", ["approve", "reject"])
def test_who_approved_or_rejected_a_run_is_kept_with_the_reason(order: str) -> None:
    desk = Desk(**GATED)
    desk.put(Phase.AWAITING_APPROVAL, awaiting_since=desk.world.clock.now())
    getattr(desk.run_operations, order)("sample-1", OperatorCommand("ada", "looks fine"))
    said = desk.now().approval
    assert said is not None
    assert (said.by, said.why) == ("ada", "looks fine")
    assert said.answer == ("approved" if order == "approve" else "rejected")


def test_a_command_that_fits_no_more_is_refused_before_anything_is_written() -> None:
    desk = Desk()
    desk.put(Phase.PROMOTED)
    writes = len(desk.world.faults.sites)
    for act in (desk.run_operations.retry, desk.run_operations.cancel):
        with pytest.raises(InvalidTransitionError):
            act("sample-1")
    assert len(desk.world.faults.sites) == writes


def test_an_answer_that_came_too_late_meets_the_one_that_was_given_for_it() -> None:
    desk = Desk(**GATED)
    desk.put(Phase.AWAITING_APPROVAL, awaiting_since=desk.world.clock.now())
    desk.world.clock.move(HOUR)
    with pytest.raises(InvalidTransitionError):
        desk.run_operations.approve("sample-1", OperatorCommand("ada"))
    assert desk.now().phase is Phase.REJECTED
    in_time = Desk(**GATED)
    in_time.put(Phase.AWAITING_APPROVAL, awaiting_since=in_time.world.clock.now())
    in_time.world.clock.move(HOUR - timedelta(seconds=1))
    in_time.run_operations.approve("sample-1", OperatorCommand("ada"))
    assert in_time.now().approval is not None


def test_only_an_answer_that_is_overdue_is_given_before_a_command() -> None:
    """A run that is due for anything else gets the command first."""
    desk = Desk()
    desk.put(Phase.RECEIVED, job=None, started_at=None)
    advanced: list[Phase] = []
    advance = desk.world.app.driver.advance

    def noted(run_id: str, *more: Any, **named: Any) -> Any:
        advanced.append(desk.now(run_id).phase)
        return advance(run_id, *more, **named)

    desk.world.app.driver.advance = noted  # type: ignore[method-assign]
    desk.run_operations.cancel("sample-1")
    assert advanced == [Phase.RECEIVED]
    assert desk.now().phase is Phase.CANCELLED


def test_the_marker_is_renewed_before_and_after_a_command_is_noted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = Desk()
    desk.put(Phase.PARKED)
    marked: list[tuple[Phase, OpenMarker]] = []
    mark = desk.ledger.open_markers.mark

    def noted(run_id: str, hints: OpenMarker) -> None:
        marked.append((desk.now(run_id).phase, hints))
        mark(run_id, hints)

    monkeypatch.setattr(desk.ledger.open_markers, "mark", noted)
    desk.run_operations.retry("sample-1")
    assert marked[0] == (Phase.PARKED, CommandStored())
    assert marked[1] == (Phase.RECEIVED, CommandStored())


def superseded(desk: Desk, by: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have another worker write the record of the run first."""
    note = desk.world.app.writer.note

    def late(stored: Any, event: Any) -> Any:
        monkeypatch.setattr(desk.world.app.writer, "note", note)
        by()
        return note(stored, event)

    monkeypatch.setattr(desk.world.app.writer, "note", late)


def test_of_two_operators_the_slower_one_learns_the_state_of_the_run_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = Desk()
    etag = desk.put(Phase.TRAINING)

    def step_failure() -> None:
        stored = desk.ledger.runs.read("sample-1")
        assert stored is not None
        desk.ledger.runs.replace(stored.record.model_copy(update={"attempt": 2}), stored.etag)

    superseded(desk, step_failure, monkeypatch)
    with pytest.raises(ConflictError, match="sample-1"):
        desk.run_operations.cancel("sample-1")
    superseded(desk, step_failure, monkeypatch)
    with pytest.raises(PreconditionFailedError):
        desk.run_operations.cancel("sample-1", OperatorCommand(versions=(str(_etag(desk)),)))
    assert etag != str(_etag(desk))

    def ended() -> None:
        stored = desk.ledger.runs.read("sample-1")
        assert stored is not None
        desk.ledger.runs.replace(stored.record.moved_to(Phase.FAILED, NOW), stored.etag)

    superseded(desk, ended, monkeypatch)
    with pytest.raises(InvalidTransitionError):  # it fits no more, and that is said as ever
        desk.run_operations.cancel("sample-1")


def _etag(desk: Desk) -> object:
    stored = desk.ledger.runs.read("sample-1")
    assert stored is not None
    return stored.etag


def test_a_command_for_a_run_that_is_removed_this_moment_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = Desk()
    desk.put(Phase.TRAINING)
    superseded(desk, lambda: desk.world.documents.rows.pop("runs/sample-1"), monkeypatch)
    with pytest.raises(NoSuchRunError, match="sample-1"):
        desk.run_operations.cancel("sample-1")


def test_a_command_that_is_kept_is_carried_out_by_the_next_step_of_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = Desk()
    desk.put(Phase.PARKED)

    def late(run_id: str, **_: object) -> None:
        raise ConflictError(run_id)

    monkeypatch.setattr(desk.world.app.driver, "advance", late)
    found = desk.run_operations.retry("sample-1")
    assert found == desk.now()
    assert found.phase is Phase.RECEIVED


# Deliveries


def parent(desk: Desk, *outcomes: Phase | None) -> None:
    deliveries = tuple(
        Delivery(endpoint="production", run_id=f"sample-d{at}", outcome=one, reason="was")
        for at, one in enumerate(outcomes)
    )
    desk.put(Phase.PARKED, parked_in=Phase.ROLLING_OUT, deliveries=deliveries)


def outcomes_of(desk: Desk, *phases: tuple[Phase | None, Phase | None], **child: Any) -> list[Any]:
    """Return the outcomes that a retry goes by, for deliveries as recorded and as they are now."""
    parent(desk, *(recorded for recorded, _ in phases))
    for at, (_, now) in enumerate(phases):
        if now is not None:
            known = {"parked_in": Phase.PROMOTING} if now is Phase.PARKED else {}
            desk.put(now, f"sample-d{at}", parent="sample-1", **{**known, **child})
    run = desk.now()
    return [desk.run_operations._present(run, one).outcome for one in run.deliveries]


def test_a_delivery_counts_as_it_is_when_its_roll_out_is_retried() -> None:
    parked = Phase.PARKED
    assert outcomes_of(
        Desk(),
        (Phase.PROMOTED, Phase.FAILED),  # it is done, with any later end of the run
        (None, Phase.PARKED),
        (parked, None),
        (parked, Phase.PROMOTED),
        (parked, Phase.PARKED),
        (parked, Phase.VERIFYING),
    ) == [Phase.PROMOTED, None, Phase.CANCELLED, Phase.PROMOTED, parked, None]


def test_a_delivery_that_only_ends_by_its_rollback_stays_parked() -> None:
    for to, stays in (("rolled_back", True), ("judged", True), ("start", False)):
        desk = Desk()
        (outcome,) = outcomes_of(
            desk,
            (Phase.PARKED, Phase.ROLLING_BACK),
            promotion=promotion(after_rollback=to),
        )
        assert (outcome is Phase.PARKED) is stays


def test_deliveries_that_are_parked_are_retried_with_their_roll_out() -> None:
    desk = Desk()
    outcomes_of(
        desk, (Phase.PARKED, Phase.PARKED), (Phase.PARKED, Phase.PROMOTED), (None, Phase.PARKED)
    )
    desk.run_operations.retry("sample-1")
    assert desk.now("sample-d0").phase is not Phase.PARKED
    assert desk.now("sample-d2").phase is Phase.PARKED
    assert desk.now().phase is not Phase.PARKED
    again = Desk()
    outcomes_of(again, (Phase.PARKED, Phase.VERIFYING))
    again.run_operations._retry_delivery(
        again.now(), again.now().deliveries[0], OperatorCommand("ada")
    )
    assert again.now("sample-d0").phase is Phase.VERIFYING


def test_a_run_that_is_not_parked_has_no_delivery_retried() -> None:
    desk = Desk()
    desk.put(Phase.PARKED, "sample-d0", parent="sample-1", parked_in=Phase.PROMOTING)
    one = Delivery(endpoint="production", run_id="sample-d0", outcome=Phase.PARKED)
    desk.put(Phase.ROLLING_OUT, deliveries=(one,))
    with pytest.raises(InvalidTransitionError):
        desk.run_operations.retry("sample-1")
    assert desk.now("sample-d0").phase is Phase.PARKED


def test_a_retry_goes_by_the_present_configuration() -> None:
    desk = Desk()
    old = desk.world.pipeline.model_copy(update={"training": pipeline().training})
    desk.put(Phase.PARKED, config=old)
    desk.run_operations.retry("sample-1")
    assert desk.now().config.training == desk.world.pipeline.training
