"""The endpoint state: its lease, the models that served, and rollback targets."""

from datetime import timedelta

import pytest

from shared.core.run.leases import in_flight_lease, in_flight_resolved, leased
from shared.core.run.promoted_models import Verified, promoted
from shared.core.run.record import Phase
from shared.core.serving.operator_changes import resumed, with_hold
from shared.core.serving.references import ServingState
from shared.core.serving.state import (
    EndpointLease,
    EndpointState,
    Hold,
    ReleasedLease,
    Resource,
    Resumed,
    released,
)
from tests.unit.samples import HOUR, MODEL, NOW, UPDATE, blob, model_ref, ref, run

NAME = "Sample [trained model]"


BASELINE = ServingState(model=model_ref("baselines/first.ilearner"))


def test_two_pipelines_on_one_endpoint_share_its_endpoint_state() -> None:
    host, _, path = UPDATE.removeprefix("https://").partition("/")
    same = [UPDATE, f"{UPDATE}/", f"{UPDATE}?x=1", f"https://{host.upper()}/{path}"]
    same += [UPDATE.replace("production", other) for other in ("Production", "pro%64uction")]
    same += [UPDATE.replace("/w1/", "/W1/")]
    assert len({ref(url).id for url in same}) == 1


def test_an_endpoint_state_is_found_under_the_same_id_in_every_release() -> None:
    assert ref(UPDATE).id == "5bf5d7bc2a88b9b8be0c"


def test_endpoints_of_different_names_have_endpoint_states_of_their_own() -> None:
    assert ref(UPDATE).id != ref(UPDATE + "2").id


def test_a_lease_keeps_the_baseline_and_counts_up() -> None:
    first = leased(EndpointState(ref=ref(UPDATE)), run(Phase.PROMOTING), NAME, BASELINE, NOW)
    assert first.endpoint_lease is not None
    assert (first.endpoint_lease.run_id, first.endpoint_lease.model) == ("sample-1", MODEL)
    assert first.generation == first.endpoint_lease.generation == 1
    assert first.rollback_targets(NAME) == [BASELINE]
    other = run(Phase.PROMOTING, run_id="sample-2")
    second = leased(first, other, NAME, ServingState(), NOW + HOUR)
    assert second.generation == 2
    assert second.rollback_targets(NAME) == [BASELINE]  # what served first stays known


def test_two_workers_of_one_run_hold_the_same_lease() -> None:
    first = leased(EndpointState(ref=ref(UPDATE)), run(Phase.PROMOTING), NAME, BASELINE, NOW)
    assert leased(first, run(Phase.PROMOTING), NAME, BASELINE, NOW + HOUR) == first


def test_a_run_leases_again_what_it_holds_for_another_resource_or_with_another_model() -> None:
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


def test_only_its_own_run_resolves_what_was_left_behind() -> None:
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


def test_the_rollback_targets_are_what_serves_then_what_served_before_then_the_baseline() -> None:
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


def test_what_serves_is_the_first_rollback_target_of_the_next_update() -> None:
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


def test_only_its_own_run_releases_a_lease() -> None:
    endpoint_state = leased(
        EndpointState(ref=ref(UPDATE)), run(Phase.PROMOTING), NAME, BASELINE, NOW
    )
    assert released(endpoint_state, "sample-2") == endpoint_state
    assert released(endpoint_state, "sample-1").endpoint_lease is None
    assert released(EndpointState(ref=ref(UPDATE)), "sample-1") == EndpointState(ref=ref(UPDATE))


def test_a_lease_is_known_by_its_run_and_generation_until_another_one_is_requeued() -> None:
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


def test_a_run_without_a_model_can_neither_lease_nor_serve() -> None:
    shape = run(Phase.TRAINED)
    with pytest.raises(ValueError, match="no model"):
        leased(EndpointState(ref=ref(UPDATE)), shape, NAME, None, NOW)
    with pytest.raises(ValueError, match="no model"):
        promoted(EndpointState(ref=ref(UPDATE)), shape, NAME, Verified("moved", NOW))


def test_an_endpoint_state_survives_being_stored() -> None:
    endpoint_state = leased(
        EndpointState(ref=ref(UPDATE)), run(Phase.PROMOTING), NAME, BASELINE, NOW
    )
    endpoint_state = promoted(endpoint_state, run(Phase.VERIFYING), NAME, Verified("moved", NOW))
    assert EndpointState.model_validate_json(endpoint_state.model_dump_json()) == endpoint_state
    assert endpoint_state.resource("unknown") == Resource()
