from datetime import timedelta

import pytest

from shared.core.head import Head, Proven, Released, Resource, head_id, promoted, released, reserved
from shared.core.run import Phase, WayBack
from tests.unit.samples import HOUR, MODEL, NOW, UPDATE, blob, run

NAME = "Sample [trained model]"
BASELINE = WayBack(model=blob("baselines/first.ilearner", container="models"))


def test_two_pipelines_on_one_endpoint_share_its_head() -> None:
    host, _, path = UPDATE.removeprefix("https://").partition("/")
    same = [UPDATE, f"{UPDATE}/", f"{UPDATE}?x=1", f"https://{host.upper()}/{path}"]
    same += [UPDATE.replace("production", other) for other in ("Production", "pro%64uction")]
    same += [UPDATE.replace("/w1/", "/W1/")]
    assert len({head_id(url) for url in same}) == 1


def test_endpoints_of_different_names_have_heads_of_their_own() -> None:
    assert head_id(UPDATE) != head_id(UPDATE + "2")


def test_a_reservation_keeps_the_baseline_and_counts_up() -> None:
    first = reserved(Head(update=UPDATE), run(Phase.PROMOTING), NAME, BASELINE, NOW)
    assert first.reservation is not None
    assert (first.reservation.run_id, first.reservation.model) == ("sample-1", MODEL)
    assert first.generation == first.reservation.generation == 1
    assert first.ways_back(NAME) == [BASELINE]
    other = run(Phase.PROMOTING, run_id="sample-2")
    second = reserved(first, other, NAME, WayBack(), NOW + HOUR)
    assert second.generation == 2
    assert second.ways_back(NAME) == [BASELINE]  # what served first stays known


def test_two_workers_of_one_run_hold_the_same_reservation() -> None:
    first = reserved(Head(update=UPDATE), run(Phase.PROMOTING), NAME, BASELINE, NOW)
    assert reserved(first, run(Phase.PROMOTING), NAME, BASELINE, NOW + HOUR) == first


def test_the_ways_back_are_what_serves_then_what_served_before_then_the_baseline() -> None:
    head = reserved(Head(update=UPDATE), run(Phase.PROMOTING), NAME, BASELINE, NOW)
    models = [blob(f"{number}.ilearner", container="models") for number in range(3)]
    for model in models:
        head = promoted(head, run(Phase.VERIFYING, model=model), NAME, Proven("moved", NOW))
    assert head.ways_back(NAME) == [*(WayBack(model=one) for one in reversed(models)), BASELINE]


def test_what_serves_is_the_first_way_back_of_the_next_update() -> None:
    head = reserved(Head(update=UPDATE), run(Phase.PROMOTING), NAME, BASELINE, NOW)
    head = promoted(head, run(Phase.VERIFYING), NAME, Proven("answers moved", NOW))
    serving = head.resource(NAME).serving
    assert serving is not None
    assert (serving.model, serving.run_id, serving.since) == (MODEL, "sample-1", NOW)
    assert serving.manifest == (blob(),)
    assert head.reservation is None
    assert head.ways_back(NAME) == [WayBack(model=MODEL), BASELINE]
    assert head.ways_back("another resource") == []


def test_the_highest_data_time_never_goes_down() -> None:
    newer = run(Phase.VERIFYING, manifest=(blob(modified=NOW + HOUR),))
    head = promoted(Head(update=UPDATE), newer, NAME, Proven("moved", NOW))
    head = promoted(head, run(Phase.VERIFYING), NAME, Proven("moved", NOW))
    assert head.resource(NAME).newest_data == NOW + HOUR


def test_the_data_time_of_a_run_is_that_of_its_newest_blob() -> None:
    both = run(Phase.VERIFYING, manifest=(blob(modified=NOW + HOUR), blob("b.csv")))
    assert both.data_time == NOW + HOUR
    assert both.newest is not None
    assert both.newest.modified == NOW + HOUR


def test_five_earlier_models_are_kept_newest_first() -> None:
    head = Head(update=UPDATE)
    for number in range(8):
        shape = run(Phase.VERIFYING, run_id=f"sample-{number}")
        head = promoted(head, shape, NAME, Proven("moved", NOW + timedelta(minutes=number)))
    kept = [served.run_id for served in head.resource(NAME).previous]
    assert kept == [f"sample-{number}" for number in (6, 5, 4, 3, 2)]


def test_only_its_own_run_gives_a_reservation_back() -> None:
    head = reserved(Head(update=UPDATE), run(Phase.PROMOTING), NAME, BASELINE, NOW)
    assert released(head, "sample-2") == head
    assert released(head, "sample-1").reservation is None
    assert released(Head(update=UPDATE), "sample-1") == Head(update=UPDATE)


def test_a_reservation_is_known_by_its_run_and_generation_until_another_one_is_given_back() -> None:
    head = reserved(Head(update=UPDATE), run(Phase.PROMOTING), NAME, BASELINE, NOW)
    assert head.holds("sample-1", 1)
    assert not head.holds("sample-1", 2)
    assert not head.holds("sample-2", 1)
    head = released(head, "sample-1")
    assert not head.holds("sample-1", 1)
    assert head.released == Released(run_id="sample-1", generation=1)
    head = reserved(head, run(Phase.PROMOTING, run_id="sample-2"), NAME, BASELINE, NOW)
    assert head.released == Released(run_id="sample-1", generation=1)
    head = promoted(head, run(Phase.VERIFYING, run_id="sample-2"), NAME, Proven("moved", NOW))
    assert head.released == Released(run_id="sample-2", generation=2)


def test_a_run_without_a_model_can_neither_reserve_nor_serve() -> None:
    shape = run(Phase.TRAINED)
    with pytest.raises(ValueError, match="no model"):
        reserved(Head(update=UPDATE), shape, NAME, None, NOW)
    with pytest.raises(ValueError, match="no model"):
        promoted(Head(update=UPDATE), shape, NAME, Proven("moved", NOW))


def test_a_head_survives_being_stored() -> None:
    head = reserved(Head(update=UPDATE), run(Phase.PROMOTING), NAME, BASELINE, NOW)
    head = promoted(head, run(Phase.VERIFYING), NAME, Proven("moved", NOW))
    assert Head.model_validate_json(head.model_dump_json()) == head
    assert head.resource("unknown") == Resource()
