from datetime import timedelta

import pytest

from shared.core.evaluation.gate import Verdict
from shared.core.run.record import Approval, Origin, Phase, WayBack
from shared.core.serving.state import (
    Head,
    Held,
    Line,
    Proven,
    Released,
    Reservation,
    Resource,
    Resumed,
    head_id,
    held,
    left_behind,
    promoted,
    released,
    reserved,
    resumed,
    settled,
)
from tests.unit.samples import HOUR, MODEL, NOW, UPDATE, blob, good, run

NAME = "Sample [trained model]"
BASELINE = WayBack(model=blob("baselines/first.ilearner", container="models"))


def test_two_pipelines_on_one_endpoint_share_its_head() -> None:
    host, _, path = UPDATE.removeprefix("https://").partition("/")
    same = [UPDATE, f"{UPDATE}/", f"{UPDATE}?x=1", f"https://{host.upper()}/{path}"]
    same += [UPDATE.replace("production", other) for other in ("Production", "pro%64uction")]
    same += [UPDATE.replace("/w1/", "/W1/")]
    assert len({head_id(url) for url in same}) == 1


def test_a_head_is_found_under_the_same_id_in_every_release() -> None:
    assert head_id(UPDATE) == "8572eccc3a0e6cbedeab"


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


def test_a_run_reserves_anew_what_it_holds_for_another_resource_or_with_another_model() -> None:
    first = reserved(Head(update=UPDATE), run(Phase.PROMOTING), NAME, BASELINE, NOW)
    other = run(Phase.PROMOTING, model=blob("other.ilearner", container="models"))
    for again in (
        reserved(first, run(Phase.PROMOTING), "another", BASELINE, NOW + HOUR),
        reserved(first, other, NAME, BASELINE, NOW + HOUR),
    ):
        assert again.reservation is not None
        assert again.generation == again.reservation.generation == 2
        assert again.reservation.at == NOW + HOUR
        assert again.reservation.unsettled is None  # it was its own


def test_what_serves_already_needs_no_baseline() -> None:
    head = promoted(Head(update=UPDATE), run(Phase.VERIFYING), NAME, Proven("moved", NOW))
    head = reserved(head, run(Phase.PROMOTING, run_id="sample-2"), NAME, BASELINE, NOW)
    assert head.resource(NAME).baseline is None


def test_what_is_known_of_another_resource_stays() -> None:
    head = promoted(Head(update=UPDATE), run(Phase.VERIFYING), "other", Proven("moved", NOW))
    other = head.resource("other")
    head = reserved(head, run(Phase.PROMOTING), NAME, BASELINE, NOW)
    head = promoted(head, run(Phase.VERIFYING), NAME, Proven("moved", NOW))
    head = held(head, NAME, Held(run_id="sample-2", to="baseline", by="ada", at=NOW))
    assert head.resource("other") == other
    assert set(head.resources) == {"other", NAME}


def reservation(run_id: str, unsettled: Reservation | None = None) -> Reservation:
    return Reservation(
        run_id=run_id, resource=NAME, model=MODEL, generation=1, at=NOW, unsettled=unsettled
    )


EARLIER = reservation("earlier")


@pytest.mark.parametrize(
    ("last", "left"),
    [
        (None, None),
        (reservation("mine"), None),
        (reservation("other"), reservation("other")),
        (reservation("mine", EARLIER), EARLIER),
        (reservation("other", EARLIER), EARLIER),
    ],
)
def test_what_was_left_behind_is_the_update_that_may_have_been_sent_last(
    last: Reservation | None, left: Reservation | None
) -> None:
    head = Head(update=UPDATE, reservation=last)
    assert left_behind(head, "mine") == left
    taken = reserved(head, run(Phase.PROMOTING, run_id="mine"), "another", None, NOW)
    assert taken.reservation is not None
    assert taken.reservation.unsettled == left


def test_only_its_own_run_settles_what_was_left_behind() -> None:
    mine = Head(update=UPDATE, reservation=reservation("mine", EARLIER))
    assert settled(mine, "mine") == Head(update=UPDATE, reservation=reservation("mine"))
    assert settled(mine, "other") == mine
    for nothing in (Head(update=UPDATE), Head(update=UPDATE, reservation=reservation("mine"))):
        assert settled(nothing, "mine") == nothing


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


TRAINED = {
    "run_id": "sample-7",
    "cause": "blob training-data/new.csv",
    "manifest": tuple(blob(f"{at}.csv", modified=NOW + at * HOUR) for at in range(7)),
    "verdict": Verdict(passed=True, reason="good", metrics={"AUC": 0.9}),
    "approval": Approval(answer="approved", by="ada", at=NOW),
    "parent": "sample-6",
}
PROVEN = Proven("answers moved", NOW + HOUR, answers=good("0.3"), named="models/x.ilearner")


def test_what_serves_is_known_with_its_data_its_numbers_and_who_approved_it() -> None:
    shape = run(Phase.VERIFYING, **TRAINED)
    serving = promoted(Head(update=UPDATE), shape, NAME, PROVEN).resource(NAME).serving
    assert serving is not None
    assert (serving.run_id, serving.since, serving.proof) == (
        "sample-7",
        NOW + HOUR,
        "answers moved",
    )
    assert (serving.answers, serving.named) == (good("0.3"), "models/x.ilearner")
    assert [one.name for one in serving.manifest] == [f"{at}.csv" for at in (6, 5, 4, 3, 2)]
    assert serving.landed == 7
    assert [one.name for one in serving.trained_on] == ["6.csv"]
    assert serving.given == 1
    assert (serving.metrics, serving.approved_by) == ({"AUC": 0.9}, "ada")
    assert (serving.trained_by, serving.set_by, serving.first_at) == ("sample-6", None, None)
    assert (serving.drifts, serving.order) == (0, NOW + HOUR)


def test_a_run_that_nobody_judged_or_approved_says_so_of_its_model() -> None:
    rejected = Approval(answer="rejected", by="ada", at=NOW)
    shape = run(Phase.VERIFYING, approval=rejected)
    serving = promoted(Head(update=UPDATE), shape, NAME, PROVEN).resource(NAME).serving
    assert serving is not None
    assert (serving.metrics, serving.approved_by, serving.trained_by) == ({}, "", "")


def test_a_line_of_the_history_tells_which_model_serves_from_when_on_and_why() -> None:
    head = promoted(Head(update=UPDATE), run(Phase.VERIFYING, **TRAINED), NAME, PROVEN)
    assert head.resource(NAME).history == (
        Line(
            at=NOW + HOUR,
            run_id="sample-7",
            trained_by="sample-6",
            model=MODEL.path,
            data=("training-data/6.csv",),
            blobs=1,
            landed=7,
            data_time=NOW + 6 * HOUR,
            why="blob training-data/new.csv",
            approved_by="ada",
            proof="answers moved",
        ),
    )
    bare = run(Phase.VERIFYING, manifest=(), model=None, origin=Origin.ROLLBACK)
    line = promoted(head, bare, NAME, PROVEN).resource(NAME).history[-1]
    assert (line.model, line.data_time, line.trained_by) == (None, None, "sample-1")


def test_the_history_keeps_the_newest_two_hundred_lines() -> None:
    head = promoted(Head(update=UPDATE), run(Phase.VERIFYING), NAME, PROVEN)
    known = head.resource(NAME)
    lines = tuple(
        known.history[0].model_copy(update={"run_id": str(number)}) for number in range(200)
    )
    known = known.model_copy(update={"history": lines})
    head = head.model_copy(update={"resources": {NAME: known}})
    history = promoted(head, run(Phase.VERIFYING), NAME, PROVEN).resource(NAME).history
    assert (len(history), history[0].run_id, history[-1].run_id) == (200, "1", "sample-1")


@pytest.mark.parametrize(("origin", "drifts"), [(Origin.DRIFT, 1), (Origin.ROLLBACK, 0)])
def test_a_model_that_is_set_again_stays_the_one_that_it_was(origin: Origin, drifts: int) -> None:
    head = promoted(Head(update=UPDATE), run(Phase.VERIFYING, **TRAINED), NAME, PROVEN)
    first = head.resource(NAME).serving
    assert first is not None
    newer = run(Phase.VERIFYING, run_id="sample-8", model=blob("b", container="models"))
    head = promoted(head, newer, NAME, Proven("moved", NOW + 2 * HOUR))
    repeat = run(Phase.VERIFYING, run_id="again", origin=origin, manifest=())
    again = promoted(head, repeat, NAME, Proven("as before", NOW + 3 * HOUR))
    serving = again.resource(NAME).serving
    assert serving == first.model_copy(
        update={
            "since": NOW + 3 * HOUR,
            "proof": "as before",
            "answers": None,
            "named": None,
            "set_by": "again",
            "first_at": NOW + HOUR,
            "drifts": drifts,
        }
    )
    assert serving is not None
    assert serving.order == NOW + HOUR
    assert [one.run_id for one in again.resource(NAME).previous] == ["sample-8"]
    assert again.resource(NAME).newest_data == head.resource(NAME).newest_data
    line = again.resource(NAME).history[-1]
    assert (line.run_id, line.trained_by) == ("again", "sample-6")
    twice = promoted(again, repeat, NAME, Proven("as before", NOW + 4 * HOUR))
    now = twice.resource(NAME).serving
    assert now is not None
    assert (now.drifts, now.first_at) == (2 * drifts, NOW + HOUR)


def test_a_model_that_new_data_brings_once_more_is_new_itself() -> None:
    head = promoted(Head(update=UPDATE), run(Phase.VERIFYING), NAME, PROVEN)
    again = promoted(head, run(Phase.VERIFYING, run_id="sample-2"), NAME, PROVEN)
    serving = again.resource(NAME).serving
    assert serving is not None
    assert (serving.run_id, serving.set_by) == ("sample-2", None)
    assert [one.run_id for one in again.resource(NAME).previous] == ["sample-1"]


def test_a_hold_is_kept_with_its_resource_until_it_is_lifted() -> None:
    hold = Held(run_id="sample-2", to="baseline", by="ada", at=NOW)
    head = held(Head(update=UPDATE), NAME, hold)
    assert head.resource(NAME).held == hold
    by = Resumed(by="bob", at=NOW)
    lifted = resumed(head, NAME, by).resource(NAME)
    assert (lifted.held, lifted.resumed) == (None, by)


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
