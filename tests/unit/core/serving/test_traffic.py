"""Traffic maps: a share is taken from the others in proportion, and the sum is 100 again."""

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.serving.traffic import ALL, TrafficMap

NEW = "m-new"
NAMES = st.sampled_from(["blue", "green", "grey", "red", "teal"])


@st.composite
def whole_maps(draw: st.DrawFn) -> TrafficMap:
    """Return a map as an endpoint can have it: one to five deployments, 100 together."""
    names = draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
    count = len(names) - 1
    cuts = sorted(draw(st.lists(st.integers(1, 99), min_size=count, max_size=count, unique=True)))
    parts = [end - begin for begin, end in zip([0, *cuts], [*cuts, ALL], strict=True)]
    mirror = draw(st.one_of(st.just({}), st.just({"shadow": 20})))
    return TrafficMap.of(dict(zip(names, parts, strict=True)), mirror)


SHARES = st.integers(0, ALL)


def whole(traffic: TrafficMap) -> bool:
    return sum(traffic.shares.values()) == ALL and all(one > 0 for one in traffic.shares.values())


@given(whole_maps(), SHARES)
def test_a_map_that_gives_a_share_is_whole_and_gives_exactly_that(
    traffic: TrafficMap, share: int
) -> None:
    after = traffic.giving(NEW, share)
    assert whole(after)
    assert after.shares.get(NEW, 0) == share


@given(whole_maps(), st.lists(SHARES, max_size=4), SHARES)
def test_steps_leave_no_trace_in_the_shares_of_the_last_one(
    traffic: TrafficMap, before: list[int], last: int
) -> None:
    """Rounding does not add up: each step is computed from the traffic before the first one."""
    steps = [traffic.giving(NEW, share) for share in (*before, last)]
    assert steps[-1] == traffic.giving(NEW, last)


@given(whole_maps(), SHARES)
def test_the_others_keep_their_proportions_but_for_what_rounding_leaves_to_the_largest(
    traffic: TrafficMap, share: int
) -> None:
    after, rest = traffic.giving(NEW, share), ALL - share
    exact = {name: part * rest / ALL for name, part in traffic.shares.items()}
    found = {name: after.shares.get(name, 0) for name in exact}
    if rest:
        largest = traffic.largest
        for name in exact.keys() - {largest}:
            assert found[name] == int(exact[name])
        assert exact[largest] <= found[largest] + 1e-9
        assert found[largest] < exact[largest] + len(exact)


@given(whole_maps(), st.integers(1, 99))
def test_the_others_are_as_before_without_a_deployment_that_got_a_share(
    traffic: TrafficMap, share: int
) -> None:
    back = traffic.giving(NEW, share).without(NEW)
    assert whole(back)
    assert NEW not in back.shares
    if share <= 50 and len(traffic.shares) == 1:
        assert back == traffic


@given(whole_maps(), SHARES)
def test_mirrors_of_other_deployments_are_kept_with_any_share(
    traffic: TrafficMap, share: int
) -> None:
    assert traffic.giving(NEW, share).mirror == traffic.mirror
    assert traffic.without(NEW).mirror == traffic.mirror


@given(whole_maps())
def test_what_an_endpoint_shows_with_zeros_is_the_same_map(traffic: TrafficMap) -> None:
    shown = TrafficMap.of({**traffic.shares, "gone": 0}, {**traffic.mirror, "gone": 0})
    assert shown == traffic
    assert hash(shown) == hash(traffic)


def test_no_other_deployment_has_a_share_of_a_map_that_had_one_alone() -> None:
    assert TrafficMap.of({NEW: 100}).without(NEW) == TrafficMap()
    assert TrafficMap().without(NEW) == TrafficMap()


def test_a_first_deployment_gets_all_requests_or_none() -> None:
    assert TrafficMap().giving(NEW, 10) == TrafficMap.of({NEW: 100})
    assert TrafficMap().giving(NEW, ALL) == TrafficMap.of({NEW: 100})
    assert TrafficMap().giving(NEW, 0) == TrafficMap()


@pytest.mark.parametrize(
    ("shares", "share", "wanted"),
    [
        ({"blue": 100}, 10, {"blue": 90, NEW: 10}),
        ({"blue": 90, NEW: 10}, 50, {"blue": 50, NEW: 50}),
        ({"blue": 70, "green": 30}, 50, {"blue": 35, "green": 15, NEW: 50}),
        ({"blue": 34, "green": 33, "red": 33}, 99, {"blue": 1, NEW: 99}),
        ({"blue": 99, "green": 1}, 50, {"blue": 50, NEW: 50}),
        ({"blue": 70, "green": 30}, 100, {NEW: 100}),
    ],
)
def test_shares_are_whole_numbers(
    shares: dict[str, int], share: int, wanted: dict[str, int]
) -> None:
    assert TrafficMap.of(shares).giving(NEW, share) == TrafficMap.of(wanted)


def test_copies_of_requests_go_to_the_candidate_alone_and_not_beyond_its_first_share() -> None:
    mirrored = TrafficMap.of({"blue": 100}).giving(NEW, 0, 20)
    assert mirrored == TrafficMap.of({"blue": 100}, {NEW: 20})
    assert mirrored.giving(NEW, 10) == TrafficMap.of({"blue": 90, NEW: 10})
    assert mirrored.giving(NEW, ALL) == TrafficMap.of({NEW: 100})
    assert mirrored.without(NEW) == TrafficMap.of({"blue": 100})


def test_a_map_says_who_gets_what() -> None:
    assert str(TrafficMap.of({"b": 90, "a": 10}, {"c": 5})) == "a 10 %, b 90 %, copies of 5 % to c"
    assert str(TrafficMap()) == "no deployment gets requests"


def test_two_maps_are_the_same_with_any_mirror() -> None:
    one = TrafficMap.of({"blue": 100})
    assert one.routes_as(TrafficMap.of({"blue": 100}, {"shadow": 20}))
    assert not one.routes_as(TrafficMap.of({"blue": 90, "green": 10}))
    assert one != TrafficMap.of({"blue": 100}, {"shadow": 20})


@given(whole_maps())
def test_the_largest_is_one_that_none_exceeds(traffic: TrafficMap) -> None:
    assert traffic.shares[traffic.largest] == max(traffic.shares.values())
    assert traffic.shares[traffic.largest] >= ceil(ALL / len(traffic.shares))
    assert TrafficMap().largest == ""
