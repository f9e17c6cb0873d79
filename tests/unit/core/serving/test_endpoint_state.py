from datetime import timedelta

import pytest

from shared.core.evaluation.gate import Verdict
from shared.core.run.record import Approval, Origin, Phase
from shared.core.serving.references import ServingState
from shared.core.serving.state import (
    EndpointLease,
    EndpointState,
    Hold,
    ReleasedLease,
    Resource,
    Resumed,
    ServingHistoryEntry,
    Verified,
    in_flight_lease,
    in_flight_resolved,
    leased,
    promoted,
    released,
    resumed,
    with_hold,
)
from tests.unit.samples import HOUR, MODEL, NOW, UPDATE, blob, good, model_ref, ref, run

NAME = "Sample [trained model]"
BASELINE = ServingState(model=model_ref("baselines/first.ilearner"))


def test_two_pipelines_on_one_endpoint_share_its_head() -> None:
    host, _, path = UPDATE.removeprefix("https://").partition("/")
    same = [UPDATE, f"{UPDATE}/", f"{UPDATE}?x=1", f"https://{host.upper()}/{path}"]
    same += [UPDATE.replace("production", other) for other in ("Production", "pro%64uction")]
    same += [UPDATE.replace("/w1/", "/W1/")]
    assert len({ref(url).id for url in same}) == 1


def test_a_head_is_found_under_the_same_id_in_every_release() -> None:
    assert ref(UPDATE).id == "5bf5d7bc2a88b9b8be0c"


def test_endpoints_of_different_names_have_heads_of_their_own() -> None:
    assert ref(UPDATE).id != ref(UPDATE + "2").id


def test_a_reservation_keeps_the_baseline_and_counts_up() -> None:
    first = leased(EndpointState(ref=ref(UPDATE)), run(Phase.PROMOTING), NAME, BASELINE, NOW)
    assert first.endpoint_lease is not None
    assert (first.endpoint_lease.run_id, first.endpoint_lease.model) == ("sample-1", MODEL)
    assert first.generation == first.endpoint_lease.generation == 1
    assert first.rollback_targets(NAME) == [BASELINE]
    other = run(Phase.PROMOTING, run_id="sample-2")
    second = leased(first, other, NAME, ServingState(), NOW + HOUR)
    assert second.generation == 2
    assert second.rollback_targets(NAME) == [BASELINE]  # what served first stays known


def test_two_workers_of_one_run_hold_the_same_reservation() -> None:
    first = leased(EndpointState(ref=ref(UPDATE)), run(Phase.PROMOTING), NAME, BASELINE, NOW)
    assert leased(first, run(Phase.PROMOTING), NAME, BASELINE, NOW + HOUR) == first


def test_a_run_reserves_anew_what_it_holds_for_another_resource_or_with_another_model() -> None:
    first = leased(EndpointState(ref=ref(UPDATE)), run(Phase.PROMOTING), NAME, BASELINE, NOW)
    other = run(Phase.PROMOTING, model=model_ref("other.ilearner"))
    for again in (
        leased(first, run(Phase.PROMOTING), "another", BASELINE, NOW + HOUR),
        leased(first, other, NAME, BASELINE, NOW + HOUR),
    ):
        assert again.endpoint_lease is not None
        assert again.generation == again.endpoint_lease.generation == 2
        assert again.endpoint_lease.at == NOW + HOUR
        assert again.endpoint_lease.in_flight is None  # it was its own


def test_what_serves_already_needs_no_baseline() -> None:
    endpoint_state = promoted(
        EndpointState(ref=ref(UPDATE)), run(Phase.VERIFYING), NAME, Verified("moved", NOW)
    )
    endpoint_state = leased(
        endpoint_state, run(Phase.PROMOTING, run_id="sample-2"), NAME, BASELINE, NOW
    )
    assert endpoint_state.resource(NAME).baseline is None


def test_what_is_known_of_another_resource_stays() -> None:
    endpoint_state = promoted(
        EndpointState(ref=ref(UPDATE)), run(Phase.VERIFYING), "other", Verified("moved", NOW)
    )
    other = endpoint_state.resource("other")
    endpoint_state = leased(endpoint_state, run(Phase.PROMOTING), NAME, BASELINE, NOW)
    endpoint_state = promoted(endpoint_state, run(Phase.VERIFYING), NAME, Verified("moved", NOW))
    endpoint_state = with_hold(
        endpoint_state, NAME, Hold(run_id="sample-2", to="baseline", by="ada", at=NOW)
    )
    assert endpoint_state.resource("other") == other
    assert set(endpoint_state.resources) == {"other", NAME}


def endpoint_lease(run_id: str, in_flight: EndpointLease | None = None) -> EndpointLease:
    return EndpointLease(
        run_id=run_id, resource=NAME, model=MODEL, generation=1, at=NOW, in_flight=in_flight
    )


EARLIER = endpoint_lease("earlier")


@pytest.mark.parametrize(
    ("last", "left"),
    [
        (None, None),
        (endpoint_lease("mine"), None),
        (endpoint_lease("other"), endpoint_lease("other")),
        (endpoint_lease("mine", EARLIER), EARLIER),
        (endpoint_lease("other", EARLIER), EARLIER),
    ],
)
def test_what_was_left_behind_is_the_update_that_may_have_been_sent_last(
    last: EndpointLease | None, left: EndpointLease | None
) -> None:
    endpoint_state = EndpointState(ref=ref(UPDATE), endpoint_lease=last)
    assert in_flight_lease(endpoint_state, "mine") == left
    taken = leased(endpoint_state, run(Phase.PROMOTING, run_id="mine"), "another", None, NOW)
    assert taken.endpoint_lease is not None
    assert taken.endpoint_lease.in_flight == left


def test_only_its_own_run_settles_what_was_left_behind() -> None:
    mine = EndpointState(ref=ref(UPDATE), endpoint_lease=endpoint_lease("mine", EARLIER))
    assert in_flight_resolved(mine, "mine") == EndpointState(
        ref=ref(UPDATE), endpoint_lease=endpoint_lease("mine")
    )
    assert in_flight_resolved(mine, "other") == mine
    for nothing in (
        EndpointState(ref=ref(UPDATE)),
        EndpointState(ref=ref(UPDATE), endpoint_lease=endpoint_lease("mine")),
    ):
        assert in_flight_resolved(nothing, "mine") == nothing


def test_the_ways_back_are_what_serves_then_what_served_before_then_the_baseline() -> None:
    endpoint_state = leased(
        EndpointState(ref=ref(UPDATE)), run(Phase.PROMOTING), NAME, BASELINE, NOW
    )
    models = [model_ref(f"{number}.ilearner") for number in range(3)]
    for model in models:
        endpoint_state = promoted(
            endpoint_state, run(Phase.VERIFYING, model=model), NAME, Verified("moved", NOW)
        )
    known = [ServingState(model=one) for one in reversed(models)]
    assert endpoint_state.rollback_targets(NAME) == [*known, BASELINE]


def test_what_serves_is_the_first_way_back_of_the_next_update() -> None:
    endpoint_state = leased(
        EndpointState(ref=ref(UPDATE)), run(Phase.PROMOTING), NAME, BASELINE, NOW
    )
    endpoint_state = promoted(
        endpoint_state, run(Phase.VERIFYING), NAME, Verified("answers moved", NOW)
    )
    serving = endpoint_state.resource(NAME).serving
    assert serving is not None
    assert (serving.model, serving.run_id, serving.since) == (MODEL, "sample-1", NOW)
    assert serving.manifest == (blob(),)
    assert endpoint_state.endpoint_lease is None
    assert endpoint_state.rollback_targets(NAME) == [ServingState(model=MODEL), BASELINE]
    assert endpoint_state.rollback_targets("another resource") == []


TRAINED = {
    "run_id": "sample-7",
    "cause": "blob training-data/new.csv",
    "manifest": tuple(blob(f"{at}.csv", modified=NOW + at * HOUR) for at in range(7)),
    "verdict": Verdict(passed=True, reason="good", metrics={"AUC": 0.9}),
    "approval": Approval(answer="approved", by="ada", at=NOW),
    "parent": "sample-6",
}
WORKING = Verified("answers moved", NOW + HOUR, answers=good("0.3"), named="models/x.ilearner")


def test_what_serves_is_known_with_its_data_its_numbers_and_who_approved_it() -> None:
    shape = run(Phase.VERIFYING, **TRAINED)
    serving = promoted(EndpointState(ref=ref(UPDATE)), shape, NAME, WORKING).resource(NAME).serving
    assert serving is not None
    assert (serving.run_id, serving.since, serving.verification) == (
        "sample-7",
        NOW + HOUR,
        "answers moved",
    )
    assert (serving.answers, serving.named) == (good("0.3"), "models/x.ilearner")
    assert [one.name for one in serving.manifest] == [f"{at}.csv" for at in (6, 5, 4, 3, 2)]
    assert serving.arrived == 7
    assert [one.name for one in serving.trained_on] == ["6.csv"]
    assert serving.given == 1
    assert (serving.metrics, serving.approved_by) == ({"AUC": 0.9}, "ada")
    assert (serving.trained_by, serving.set_by, serving.first_at) == ("sample-6", None, None)
    assert (serving.repairs, serving.order) == (0, NOW + HOUR)


def test_a_run_that_nobody_judged_or_approved_says_so_of_its_model() -> None:
    rejected = Approval(answer="rejected", by="ada", at=NOW)
    shape = run(Phase.VERIFYING, approval=rejected)
    serving = promoted(EndpointState(ref=ref(UPDATE)), shape, NAME, WORKING).resource(NAME).serving
    assert serving is not None
    assert (serving.metrics, serving.approved_by, serving.trained_by) == ({}, "", "")


def test_a_line_of_the_history_tells_which_model_serves_from_when_on_and_why() -> None:
    endpoint_state = promoted(
        EndpointState(ref=ref(UPDATE)), run(Phase.VERIFYING, **TRAINED), NAME, WORKING
    )
    assert endpoint_state.resource(NAME).history == (
        ServingHistoryEntry(
            at=NOW + HOUR,
            run_id="sample-7",
            trained_by="sample-6",
            model=MODEL.name,
            data=("training-data/6.csv",),
            blobs=1,
            arrived=7,
            data_time=NOW + 6 * HOUR,
            why="blob training-data/new.csv",
            approved_by="ada",
            verification="answers moved",
        ),
    )
    bare = run(Phase.VERIFYING, manifest=(), model=None, origin=Origin.ROLLBACK)
    line = promoted(endpoint_state, bare, NAME, WORKING).resource(NAME).history[-1]
    assert (line.model, line.data_time, line.trained_by) == (None, None, "sample-1")


def test_the_history_keeps_the_newest_two_hundred_lines() -> None:
    endpoint_state = promoted(EndpointState(ref=ref(UPDATE)), run(Phase.VERIFYING), NAME, WORKING)
    known = endpoint_state.resource(NAME)
    lines = tuple(
        known.history[0].model_copy(update={"run_id": str(number)}) for number in range(200)
    )
    known = known.model_copy(update={"history": lines})
    endpoint_state = endpoint_state.model_copy(update={"resources": {NAME: known}})
    history = promoted(endpoint_state, run(Phase.VERIFYING), NAME, WORKING).resource(NAME).history
    assert (len(history), history[0].run_id, history[-1].run_id) == (200, "1", "sample-1")


@pytest.mark.parametrize(("origin", "repairs"), [(Origin.DRIFT, 1), (Origin.ROLLBACK, 0)])
def test_a_model_that_is_set_again_stays_the_one_that_it_was(origin: Origin, repairs: int) -> None:
    endpoint_state = promoted(
        EndpointState(ref=ref(UPDATE)), run(Phase.VERIFYING, **TRAINED), NAME, WORKING
    )
    first = endpoint_state.resource(NAME).serving
    assert first is not None
    newer = run(Phase.VERIFYING, run_id="sample-8", model=model_ref("b"))
    endpoint_state = promoted(endpoint_state, newer, NAME, Verified("moved", NOW + 2 * HOUR))
    repeat = run(Phase.VERIFYING, run_id="again", origin=origin, manifest=())
    again = promoted(endpoint_state, repeat, NAME, Verified("as before", NOW + 3 * HOUR))
    serving = again.resource(NAME).serving
    assert serving == first.model_copy(
        update={
            "since": NOW + 3 * HOUR,
            "verification": "as before",
            "answers": None,
            "named": None,
            "set_by": "again",
            "first_at": NOW + HOUR,
            "repairs": repairs,
        }
    )
    assert serving is not None
    assert serving.order == NOW + HOUR
    assert [one.run_id for one in again.resource(NAME).previous] == ["sample-8"]
    assert again.resource(NAME).newest_data == endpoint_state.resource(NAME).newest_data
    line = again.resource(NAME).history[-1]
    assert (line.run_id, line.trained_by) == ("again", "sample-6")
    twice = promoted(again, repeat, NAME, Verified("as before", NOW + 4 * HOUR))
    now = twice.resource(NAME).serving
    assert now is not None
    assert (now.repairs, now.first_at) == (2 * repairs, NOW + HOUR)


def test_a_model_that_new_data_brings_once_more_is_new_itself() -> None:
    endpoint_state = promoted(EndpointState(ref=ref(UPDATE)), run(Phase.VERIFYING), NAME, WORKING)
    again = promoted(endpoint_state, run(Phase.VERIFYING, run_id="sample-2"), NAME, WORKING)
    serving = again.resource(NAME).serving
    assert serving is not None
    assert (serving.run_id, serving.set_by) == ("sample-2", None)
    assert [one.run_id for one in again.resource(NAME).previous] == ["sample-1"]


def test_a_hold_is_kept_with_its_resource_until_it_is_lifted() -> None:
    hold = Hold(run_id="sample-2", to="baseline", by="ada", at=NOW)
    endpoint_state = with_hold(EndpointState(ref=ref(UPDATE)), NAME, hold)
    assert endpoint_state.resource(NAME).held == hold
    by = Resumed(by="bob", at=NOW)
    lifted = resumed(endpoint_state, NAME, by).resource(NAME)
    assert (lifted.held, lifted.resumed) == (None, by)


def test_the_highest_data_time_never_goes_down() -> None:
    newer = run(Phase.VERIFYING, manifest=(blob(modified=NOW + HOUR),))
    endpoint_state = promoted(EndpointState(ref=ref(UPDATE)), newer, NAME, Verified("moved", NOW))
    endpoint_state = promoted(endpoint_state, run(Phase.VERIFYING), NAME, Verified("moved", NOW))
    assert endpoint_state.resource(NAME).newest_data == NOW + HOUR


def test_the_data_time_of_a_run_is_that_of_its_newest_blob() -> None:
    both = run(Phase.VERIFYING, manifest=(blob(modified=NOW + HOUR), blob("b.csv")))
    assert both.data_time == NOW + HOUR
    assert both.newest is not None
    assert both.newest.modified == NOW + HOUR


def test_five_earlier_models_are_kept_newest_first() -> None:
    endpoint_state = EndpointState(ref=ref(UPDATE))
    for number in range(8):
        shape = run(Phase.VERIFYING, run_id=f"sample-{number}")
        endpoint_state = promoted(
            endpoint_state, shape, NAME, Verified("moved", NOW + timedelta(minutes=number))
        )
    kept = [served.run_id for served in endpoint_state.resource(NAME).previous]
    assert kept == [f"sample-{number}" for number in (6, 5, 4, 3, 2)]


def test_only_its_own_run_gives_a_reservation_back() -> None:
    endpoint_state = leased(
        EndpointState(ref=ref(UPDATE)), run(Phase.PROMOTING), NAME, BASELINE, NOW
    )
    assert released(endpoint_state, "sample-2") == endpoint_state
    assert released(endpoint_state, "sample-1").endpoint_lease is None
    assert released(EndpointState(ref=ref(UPDATE)), "sample-1") == EndpointState(ref=ref(UPDATE))


def test_a_reservation_is_known_by_its_run_and_generation_until_another_one_is_given_back() -> None:
    endpoint_state = leased(
        EndpointState(ref=ref(UPDATE)), run(Phase.PROMOTING), NAME, BASELINE, NOW
    )
    assert endpoint_state.holds("sample-1", 1)
    assert not endpoint_state.holds("sample-1", 2)
    assert not endpoint_state.holds("sample-2", 1)
    endpoint_state = released(endpoint_state, "sample-1")
    assert not endpoint_state.holds("sample-1", 1)
    assert endpoint_state.released == ReleasedLease(run_id="sample-1", generation=1)
    endpoint_state = leased(
        endpoint_state, run(Phase.PROMOTING, run_id="sample-2"), NAME, BASELINE, NOW
    )
    assert endpoint_state.released == ReleasedLease(run_id="sample-1", generation=1)
    endpoint_state = promoted(
        endpoint_state, run(Phase.VERIFYING, run_id="sample-2"), NAME, Verified("moved", NOW)
    )
    assert endpoint_state.released == ReleasedLease(run_id="sample-2", generation=2)


def test_a_run_without_a_model_can_neither_reserve_nor_serve() -> None:
    shape = run(Phase.TRAINED)
    with pytest.raises(ValueError, match="no model"):
        leased(EndpointState(ref=ref(UPDATE)), shape, NAME, None, NOW)
    with pytest.raises(ValueError, match="no model"):
        promoted(EndpointState(ref=ref(UPDATE)), shape, NAME, Verified("moved", NOW))


def test_a_head_survives_being_stored() -> None:
    endpoint_state = leased(
        EndpointState(ref=ref(UPDATE)), run(Phase.PROMOTING), NAME, BASELINE, NOW
    )
    endpoint_state = promoted(endpoint_state, run(Phase.VERIFYING), NAME, Verified("moved", NOW))
    assert EndpointState.model_validate_json(endpoint_state.model_dump_json()) == endpoint_state
    assert endpoint_state.resource("unknown") == Resource()
