"""The model that serves, and the history of an endpoint."""

import pytest

from shared.core.evaluation.gate import Verdict
from shared.core.run.promoted_models import Verified, promoted
from shared.core.run.record import Approval, Origin, Phase
from shared.core.serving.state import EndpointState, ServingHistoryEntry
from tests.unit.samples import HOUR, MODEL, NOW, UPDATE, blob, good, model_ref, ref, run

NAME = "Sample [trained model]"


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


def test_a_run_that_was_not_judged_or_approved_says_so_of_its_model() -> None:
    rejected = Approval(answer="rejected", by="ada", at=NOW)
    shape = run(Phase.VERIFYING, approval=rejected)
    serving = promoted(EndpointState(ref=ref(UPDATE)), shape, NAME, WORKING).resource(NAME).serving
    assert serving is not None
    assert (serving.metrics, serving.approved_by, serving.trained_by) == ({}, "", "")


def test_a_line_of_the_history_says_which_model_serves_from_when_on_and_why() -> None:
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
