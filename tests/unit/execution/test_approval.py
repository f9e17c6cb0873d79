"""Approval in whole runs: late, contradictory, or together with any fault."""

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from functools import cache, partial
from typing import Final

import pytest

from local.studio import InstantTrainer
from shared.core.config.studio_types import blob_of
from shared.core.run.record import Origin, Phase, Run
from shared.errors import InvalidTransitionError
from shared.operations.commands import OperatorCommand
from tests.fakes.faults import FAULTS, Kind
from tests.fakes.ways import Moves, Trials, Way, once
from tests.fakes.world import MODELS, World
from tests.unit.execution.gated_worlds import (
    ABOVE,
    HOUR,
    MINUTE,
    approve,
    data,
    ended_run,
    fleet,
    gate,
    gated,
    opened,
    why,
)
from tests.unit.worlds import Observed


def test_a_run_that_waits_for_an_operator_costs_next_to_nothing() -> None:
    world = gated(ABOVE, approval="required")
    world.until(opened(world, 1), Phase.AWAITING_APPROVAL)
    world.idle(MINUTE)
    sent, calls = len(world.http.sent), len(world.calls)
    world.idle(HOUR)
    assert len(world.http.sent) == sent
    assert [call for call in world.calls[calls:] if call == "replace runs"] == []
    assert world.calls[calls:].count("read runs") <= 7


def test_a_model_that_fails_the_gate_is_no_question_for_an_operator() -> None:
    world = gated(ABOVE, approval="required")
    run = ended_run(world, 1, 0.7)
    assert run.phase is Phase.REJECTED
    with pytest.raises(InvalidTransitionError, match="rejected"):
        approve(world, run)


def test_what_waits_for_an_operator_keeps_no_other_run_waiting() -> None:
    world = Observed(config={"pipeline": {"when_busy": "queue", "gate": {"approval": "required"}}})
    world.until(world.start("1.csv"), Phase.AWAITING_APPROVAL)
    world.clock.move(MINUTE)
    world.upload("2.csv", data(2))
    world.deliver("2.csv")
    for _ in range(20):
        world.tick()
    assert [run.phase for run in world.runs()] == [Phase.AWAITING_APPROVAL] * 2


@pytest.mark.parametrize("several", [False, True])
def test_an_older_run_that_is_approved_too_late_never_replaces_a_newer_model(
    several: bool,  # noqa: FBT001 - a column of the table
) -> None:
    ask = {"approval": "required"}
    world = fleet(**ask) if several else gated(**ask)
    older, newer = opened(world, 1), opened(world, 2)
    for run in (older, newer):
        world.until(run, Phase.AWAITING_APPROVAL)
    approve(world, newer)
    world.until(newer, Phase.PROMOTED, ticks=80)
    changes = len(world.changes())
    approve(world, older)
    over = world.until_idle(older, ticks=80)
    assert over.phase is Phase.SUPERSEDED, over.reason
    assert len(world.changes()) == changes
    assert over.approval is not None
    assert over.approval.by == "ada"


def test_what_is_cancelled_while_it_waits_is_never_promoted() -> None:
    world = gated(ABOVE, approval="required")
    run = world.until(opened(world, 1), Phase.AWAITING_APPROVAL)
    world.run_operations.cancel(run.run_id)
    assert world.now_of(run).phase is Phase.CANCELLED
    with pytest.raises(InvalidTransitionError, match="cancelled"):
        approve(world, run)
    assert not world.open_runs()
    assert not world.changes()


@pytest.mark.parametrize(
    ("default", "end"), [("approve", Phase.PROMOTED), ("reject", Phase.REJECTED)]
)
def test_time_alone_answers_as_configured_after_a_long_sleep(default: str, end: Phase) -> None:
    world = gated(ABOVE, approval="required", expires="1h", on_expiry=default)
    run = world.until(opened(world, 1), Phase.AWAITING_APPROVAL)
    world.clock.move(timedelta(days=30))
    world.restart()
    over = world.until(run, end)
    assert over.approval is not None
    assert over.approval.by == "no operator in time"


def test_a_model_that_is_exchanged_while_an_operator_thinks_is_not_promoted() -> None:
    world = gated(ABOVE, approval="required")
    run = world.until(opened(world, 1), Phase.AWAITING_APPROVAL)
    assert run.model is not None
    world.blobs.put(
        MODELS, blob_of(run.model).name, InstantTrainer().train({"x": b"z"}, {}, label=None).model
    )
    approve(world, run)
    over = world.until_idle(run)
    assert over.phase is Phase.PARKED
    assert "changed" in why(over)
    assert not world.changes()


# Put there manually


def manual_model(world: Observed, name: str = "promote/sample/mine.ilearner") -> Run:
    world.clock.move(MINUTE)
    model = InstantTrainer().train({"input1": b"a,b,label\n7,7,1\n"}, {}, label=None).model
    world.blobs.put(MODELS, name, model)
    run = world.app.model_events.model_arrived(name)
    assert run is not None
    return run


def test_an_operators_model_past_rules_waits_for_an_operator() -> None:
    world = gated(ABOVE)
    run = world.until(manual_model(world), Phase.AWAITING_APPROVAL)
    assert run.origin is Origin.MODEL
    assert run.verdict is None
    approve(world, run)
    world.until(run, Phase.PROMOTED)
    assert world.serving() == world.model_of(run)
    line = world.endpoint_state().resource("Sample [trained model]").history[-1]
    assert line.approved_by == "ada"


def test_an_evaluation_put_beside_an_operators_model_is_judged() -> None:
    world = gated(ABOVE)
    world.blobs.put(MODELS, "promote/sample/mine.evaluation.json", b'{"AUC": 0.5}')
    run = world.until_idle(manual_model(world))
    assert run.phase is Phase.REJECTED
    assert "below" in why(run)


def test_an_operators_model_where_there_are_no_rules_continues_as_ever() -> None:
    world = Observed()
    assert world.until_idle(manual_model(world)).phase is Phase.PROMOTED


# After a crash at each effect


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)  # faults are reported by the plan
    yield
    logging.disable(logging.NOTSET)


CONFIG = {"pipeline": {"gate": gate(ABOVE, approval="required")}}


class Answered(World):
    """A world whose operator answers each question until an answer is taken."""

    answer = "approve"
    taken = False  #: whether an answer was

    def asked(self, run: Run) -> None:
        order = partial(getattr(self.run_operations, self.answer), run.run_id)
        self.taken = self.survive(lambda: order(OperatorCommand("ada", "good")))


def _first_tick(way: Way[Answered]) -> bool:
    return not way.world.survive(lambda: way.world.tick(45))


def _round(way: Way[Answered]) -> bool:
    world = way.world
    way.taken = way.taken or world.survive(world.deliver)
    for run in world.runs():
        if run.phase is Phase.AWAITING_APPROVAL and not world.taken:
            world.asked(run)
    world.survive(lambda: world.tick(45))
    over = way.taken and not world.faults.late and not world.open_runs()
    return not over and way.tries + 1 < 40


#: Data arrives, and an operator answers; what fails is repeated.
MOVES: "Final[Moves[Answered]]" = (
    _first_tick,
    once(World.upload),
    _round,
    once(lambda world: world.tick(45)),  # nothing that comes afterwards may change the end
)


@cache
def trials(answer: str) -> Trials[Answered]:
    world = Answered(config=CONFIG)
    world.answer = answer
    return Trials(Way(world, MOVES))


def wrong(world: World, end: Phase) -> Iterator[str]:
    runs = world.runs()
    if [run.phase for run in runs] != [end]:
        yield f"ends {[(run.phase, run.reason) for run in runs]}"
        return
    (run,) = runs
    if run.verdict is None or not run.verdict.passed:
        yield "no verdict"
    if run.approval is None or run.approval.by != "ada":
        yield f"approval {run.approval}"
    if sum(entry.note.startswith(("approved", "rejected")) for entry in run.history) != 1:
        yield "answered more than once"
    if len(world.starts) != 1:
        yield f"{len(world.starts)} jobs"
    if world.open_runs():
        yield "the marker is left behind"
    patched = [sent for sent in world.http.sent if sent.startswith("PATCH")]
    if end is Phase.REJECTED and patched:
        yield "an endpoint was touched"
    if end is Phase.PROMOTED:
        endpoint_states = [
            row for name, row in world.documents.rows.items() if name.startswith("endpoints/")
        ]
        (known,) = json.loads(endpoint_states[0].body)["resources"].values()
        if len(known["history"]) != 1 or known["serving"]["approved_by"] != "ada":
            yield f"the endpoint's history: {known['history']}"


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize(
    ("answer", "end"), [("approve", Phase.PROMOTED), ("reject", Phase.REJECTED)]
)
def test_there_is_one_verdict_and_one_answer_after_any_fault(
    kind: Kind, answer: str, end: Phase
) -> None:
    assert not list(wrong(trials(answer).world, end))
    failed = trials(answer).after_each(kind, lambda world: wrong(world, end))
    assert not failed, "\n".join(failed)
