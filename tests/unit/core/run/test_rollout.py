from typing import Any

import pytest

from shared.core.config.pipeline import RollOut
from shared.core.run.record import Delivery, Phase, Run
from shared.core.run.rollout import (
    RolloutOutcome,
    collects_again,
    delivered,
    next_deliveries,
    not_begun,
    outcome,
    still_wanted,
    tally,
    tried_again,
    waiting_again,
)
from tests.unit.samples import MODEL, UPDATE, pipeline, promotion, run, tree

NAMES = tuple("abcdefg")


def rolling(first: int = 1, then: int = 1, names: tuple[str, ...] = NAMES, **changes: Any) -> Run:
    written = tree()["endpoints"][0]
    several = [{**written, "name": n, "update": UPDATE.replace("production", n)} for n in names]
    config = pipeline(endpoints=several, roll_out={"first": first, "then": then})
    return run(Phase.ROLLING_OUT, config=config, **changes)


def moved(shape: Run, **outcomes: Phase | None) -> Run:
    """Return the roll-out in which all due deliveries have begun, and these endpoints are done."""
    begun = (*shape.deliveries, *next_deliveries(shape))
    deliveries = tuple(
        one.model_copy(update={"outcome": outcomes.get(one.endpoint, one.outcome)}) for one in begun
    )
    return shape.model_copy(update={"deliveries": deliveries})


def due(shape: Run) -> str:
    return "".join(delivery.endpoint for delivery in next_deliveries(shape))


def test_the_first_ones_are_verified_before_any_other_is_begun() -> None:
    shape = rolling(first=2, then=3)
    assert due(shape) == "ab"
    shape = moved(shape)
    assert due(shape) == ""
    shape = moved(shape, b=Phase.PROMOTED)
    assert due(shape) == ""
    shape = moved(shape, a=Phase.PROMOTED)
    assert due(shape) == "cde"


def test_afterwards_as_many_are_under_way_as_was_asked_for() -> None:
    shape = moved(moved(rolling(first=1, then=3)), a=Phase.PROMOTED)
    shape = moved(shape)
    assert due(shape) == ""
    shape = moved(shape, c=Phase.PROMOTED)
    assert due(shape) == "e"


def test_one_by_one_begins_one_at_a_time_in_the_order_of_the_file() -> None:
    assert pipeline(roll_out="one_by_one").rolls == RollOut(first=1, then=1)
    shape, order = rolling(), ""
    while step := due(shape):
        order += step
        shape = moved(shape)
        shape = moved(shape, **{step: Phase.PROMOTED})
    assert order == "abcdefg"
    over = outcome(shape)
    assert over is not None
    assert over.phase is Phase.PROMOTED


@pytest.mark.parametrize("bad", [Phase.ROLLED_BACK, Phase.UNCHANGED, Phase.PARKED, Phase.CANCELLED])
def test_a_failure_stops_those_not_yet_begun(bad: Phase) -> None:
    shape = moved(moved(rolling(first=1, then=2)), a=Phase.PROMOTED)
    shape = moved(shape)
    shape = moved(shape, b=bad)
    assert due(shape) == ""
    assert outcome(shape) is None  # c is still under way
    over = outcome(moved(shape, c=Phase.PROMOTED))
    assert over is not None
    assert over.phase is Phase.PARKED
    assert "2 of 7" in over.reason
    assert "b " in over.reason
    assert "not begun: d, e, f, g" in over.reason


@pytest.mark.parametrize("bad", [Phase.ROLLED_BACK, Phase.UNCHANGED])
def test_a_roll_out_that_changed_nothing_anywhere_ends_as_its_first_endpoint(bad: Phase) -> None:
    over = outcome(moved(moved(rolling()), a=bad))
    assert over is not None
    assert over.phase is bad


def test_a_roll_out_says_of_each_endpoint_how_it_failed() -> None:
    failed = [
        Delivery(endpoint=name, run_id=name, outcome=Phase.ROLLED_BACK, reason=f"why {name}")
        for name in "abcdef"
    ]
    over = outcome(rolling(names=tuple("abcdefg"), deliveries=tuple(failed)))
    assert over is not None
    reported = "; ".join(f"{name} rolled_back: why {name}" for name in "abcde")
    assert over.reason == f"{reported}; not begun: g"


def test_a_roll_out_names_the_first_ten_of_those_that_it_never_began() -> None:
    names = tuple(f"e{number}" for number in range(1, 13))
    failed = (Delivery(endpoint="e1", run_id="x", outcome=Phase.ROLLED_BACK, reason="why"),)
    for count, more in ((12, ", …"), (11, "")):
        over = outcome(rolling(names=names[:count], deliveries=failed))
        assert over is not None
        assert over.reason == f"e1 rolled_back: why; not begun: {', '.join(names[1:11])}{more}"


def test_an_endpoint_that_serves_newer_data_does_not_stop_the_others() -> None:
    shape = moved(moved(rolling(names=("a", "b"))), a=Phase.SUPERSEDED)
    assert due(shape) == "b"
    shape = moved(shape)
    for last, end in ((Phase.PROMOTED, Phase.PROMOTED), (Phase.SUPERSEDED, Phase.SUPERSEDED)):
        over = outcome(moved(shape, b=last))
        assert over is not None
        assert over.phase is end


def ended(**outcomes: Phase) -> tuple[Delivery, ...]:
    return tuple(
        Delivery(endpoint=name, run_id=name, outcome=end, reason=f"why {name}")
        for name, end in outcomes.items()
    )


@pytest.mark.parametrize(
    ("outcomes", "over"),
    [
        (
            {"a": Phase.UNCHANGED, "b": Phase.ROLLED_BACK},
            RolloutOutcome(Phase.UNCHANGED, "a unchanged: why a; b rolled_back: why b"),
        ),
        (
            {"a": Phase.UNCHANGED, "b": Phase.PARKED},
            RolloutOutcome(
                Phase.PARKED, "0 of 2 endpoints are done; a unchanged: why a; b parked: why b"
            ),
        ),
        (
            {"a": Phase.PROMOTED, "b": Phase.CANCELLED},
            RolloutOutcome(Phase.PARKED, "1 of 2 endpoints are done; b cancelled: why b"),
        ),
        (
            {"a": Phase.SUPERSEDED, "b": Phase.SUPERSEDED},
            RolloutOutcome(Phase.SUPERSEDED, "2 of 2 endpoints are done"),
        ),
        (
            {"a": Phase.SUPERSEDED, "b": Phase.PROMOTED},
            RolloutOutcome(Phase.PROMOTED, "2 of 2 endpoints are done"),
        ),
    ],
)
def test_a_roll_out_ends_in_front_of_an_operator_where_anything_is_left_to_decide(
    outcomes: dict[str, Phase], over: RolloutOutcome
) -> None:
    shape = rolling(names=("a", "b"), deliveries=ended(**outcomes))
    assert outcome(shape) == over
    assert tally(shape).parked is (Phase.PARKED in outcomes.values())


def test_a_cancelled_roll_out_says_how_many_endpoints_have_the_model() -> None:
    shape = rolling(cancelling=True, deliveries=ended(a=Phase.PROMOTED))
    assert outcome(shape) == RolloutOutcome(
        Phase.CANCELLED, "cancelled by an operator; 1 of 7 endpoints are done"
    )


@pytest.mark.parametrize(
    ("phase", "after_rollback", "end"),
    [
        (Phase.PROMOTED, "rolled_back", Phase.PROMOTED),
        (Phase.SUPERSEDED, "rolled_back", Phase.ROLLED_BACK),
        (Phase.SUPERSEDED, "unchanged", Phase.UNCHANGED),
        (Phase.SUPERSEDED, "start", Phase.SUPERSEDED),
        (Phase.SUPERSEDED, None, Phase.SUPERSEDED),
        (Phase.PARKED, "rolled_back", Phase.PARKED),
    ],
)
def test_a_delivery_ends_as_its_model_did_and_not_as_what_took_its_endpoint_over(
    phase: Phase, after_rollback: str | None, end: Phase
) -> None:
    child = run(phase, promotion=promotion(after_rollback=after_rollback), reason="x" * 600)
    known = delivered(Delivery(endpoint="a", run_id="a"), child)
    assert known == Delivery(endpoint="a", run_id="a", outcome=end, reason="x" * 500)
    bare = delivered(Delivery(endpoint="a", run_id="a"), run(Phase.SUPERSEDED))
    assert (bare.outcome, bare.reason) == (Phase.SUPERSEDED, "")


def wanting(**models: str | None) -> Run:
    shape = rolling(names=tuple(models))
    endpoints = tuple(
        one.model_copy(update={"model": models[one.name]}) for one in shape.config.endpoints
    )
    return shape.model_copy(
        update={"config": shape.config.model_copy(update={"endpoints": endpoints})}
    )


def test_a_delivery_is_still_wanted_while_its_endpoint_wants_the_same_model() -> None:
    was = wanting(a="output1", b="output2").config
    assert still_wanted("a", was, was)
    assert not still_wanted("a", was, wanting(a="output2", b="output2").config)
    assert not still_wanted("a", was, wanting(b="output2").config)
    assert not still_wanted("c", was, wanting(c="output1").config)


@pytest.mark.parametrize(
    ("models", "again"),
    [
        ({"a": "output1", "b": "output2"}, False),
        ({"a": "output1"}, False),
        ({"a": "output1", "b": "output1"}, True),
        ({"a": "output1", "c": "output2"}, True),
        ({}, True),
    ],
)
def test_models_are_collected_again_where_another_one_is_wanted(
    models: dict[str, str], *, again: bool
) -> None:
    was = wanting(a="output1", b="output2").model_copy(update={"models": {"a": MODEL, "b": MODEL}})
    now = wanting(**models).config if models else pipeline(endpoints=[])
    assert collects_again(was, now) is again
    one_left = was.model_copy(update={"models": {"a": MODEL}})
    assert collects_again(one_left, was.config)


def test_only_what_waits_for_an_operator_is_checked_once_more() -> None:
    shape = rolling(deliveries=ended(a=Phase.PROMOTED, b=Phase.PARKED, c=Phase.CANCELLED))
    assert [one.outcome for one in waiting_again(shape)] == [Phase.PROMOTED, None, Phase.CANCELLED]


def test_a_parked_delivery_whose_model_was_not_judged_so_is_followed_by_another() -> None:
    shape = rolling(deliveries=ended(a=Phase.PARKED))
    (same,) = tried_again(shape, shape.config)
    (other,) = tried_again(shape, shape.config, judged=False)
    (changed,) = tried_again(shape, wanting(a="output2").config)
    assert (same.tries, other.tries, changed.tries) == (1, 2, 2)
    assert same.run_id != other.run_id == changed.run_id


def test_a_retry_never_repeats_what_is_done() -> None:
    shape = moved(moved(rolling(first=1, then=3)), a=Phase.PROMOTED)
    shape = moved(shape)
    shape = moved(shape, b=Phase.ROLLED_BACK, c=Phase.PARKED, d=Phase.SUPERSEDED)
    before = {one.endpoint: one for one in shape.deliveries}
    again = {one.endpoint: one for one in tried_again(shape, shape.config)}
    assert again["a"] == before["a"]
    assert again["d"] == before["d"]
    assert again["b"].outcome is again["c"].outcome is None
    assert again["b"].run_id != before["b"].run_id  # an ended record is never rewritten
    assert again["c"].run_id == before["c"].run_id  # a parked run continues itself
    resumed = shape.model_copy(update={"deliveries": tuple(again.values())})
    assert not_begun(resumed) == ("e", "f", "g")
    assert due(resumed) == "e"  # the two that are tried again take their part of the three
    assert due(moved(resumed, b=Phase.PROMOTED, c=Phase.PROMOTED)) == "fg"


def test_a_failed_endpoint_that_is_not_configured_any_more_is_left_out_of_a_retry() -> None:
    shape = moved(moved(rolling()), a=Phase.ROLLED_BACK)
    left = shape.config.model_copy(update={"endpoints": shape.config.endpoints[1:]})
    again = tried_again(shape.model_copy(update={"config": left}), shape.config)
    assert again == ()


def test_an_endpoint_that_has_its_model_and_left_the_file_still_counts_among_all() -> None:
    shape = moved(moved(rolling(names=("a", "b"))), a=Phase.PROMOTED)
    left = shape.config.model_copy(update={"endpoints": shape.config.endpoints[1:]})
    shape = moved(shape.model_copy(update={"config": left}), b=Phase.PROMOTED)
    over = outcome(moved(shape, b=Phase.PROMOTED))
    assert over is not None
    assert over.reason == "2 of 2 endpoints are done"


def test_a_cancelled_roll_out_begins_nothing_and_waits_for_what_is_under_way() -> None:
    shape = moved(rolling(cancelling=True, deliveries=(Delivery(endpoint="a", run_id="x"),)))
    assert due(shape) == ""
    assert outcome(shape) is None
    over = outcome(moved(shape, a=Phase.PROMOTED))
    assert over is not None
    assert over.phase is Phase.CANCELLED
