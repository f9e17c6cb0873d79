"""Which answers of an endpoint are drift, and which decide nothing."""

import json

import pytest

from shared.core.serving.drift import DriftCheck, confirmed, drift_finding
from shared.core.serving.probes import EndpointCheck, UpdateProgress
from shared.core.serving.state import ServedModel
from shared.providers.http.client import Answer
from tests.fakes.clock import START
from tests.unit.maintenance.drifted_worlds import HOUR, MINUTE, live, pass_time, repairs
from tests.unit.samples import BROKEN, REFUSED, SILENT, good, ref
from tests.unit.worlds import Observed, refused


def test_one_odd_probe_is_not_taken_for_drift() -> None:
    world, _ = live()
    world.clock.move(HOUR)
    broken = refused(400, "LibraryExecutionError", "missing feature(s): 'hello'")
    world.script("POST", "/execute", broken, times=1)
    pass_time(world)
    assert not repairs(world)


@pytest.mark.parametrize(
    ("check", "decided"),
    [
        (EndpointCheck(UpdateProgress.NOT_REPORTED, good("1")), True),
        (EndpointCheck(UpdateProgress.NOT_REPORTED, None), True),
        (EndpointCheck(UpdateProgress.NOT_REPORTED, SILENT), False),
        (EndpointCheck(UpdateProgress.NOT_REPORTED, REFUSED), False),
        (EndpointCheck(UpdateProgress.PENDING, good("2")), False),
    ],
)
def test_a_check_without_good_answers_says_nothing_of_drift(
    check: EndpointCheck, *, decided: bool
) -> None:
    served = ServedModel(run_id="r", since=START, verification="", manifest=(), answers=good("1"))
    seen = drift_finding(served, check)
    assert (seen.drift, seen.drift_kind, seen.decided) == ("", None, decided)
    assert seen.answers == (None if check.progress is UpdateProgress.PENDING else check.probe)


def test_an_endpoint_that_does_not_answer_has_not_drifted() -> None:
    world, _ = live()
    world.clock.move(HOUR)
    world.script("POST", "/execute", refused(503, "ServiceUnavailable", "busy"), times=None)
    pass_time(world, 3)
    assert not repairs(world)


def test_a_probe_that_is_refused_says_nothing_about_the_model() -> None:
    world, _ = live()
    world.clock.move(HOUR)
    world.script("POST", "/execute", Answer(404, {}, b"gone"), times=None)
    pass_time(world, 3)
    assert not repairs(world)


MISSING = refused(400, "LibraryExecutionError", "missing feature(s): 'hello'")
LOADING = refused(400, "ModuleLoadFailed", "the module cannot be loaded")


def odd_probes(*answers: Answer) -> Observed:
    """Return a world whose endpoint answered these to two probes in a row, an hour on."""
    world, _ = live()
    world.clock.move(HOUR)
    left = list(answers)

    def scripted(method: str, path: str) -> Answer | None:
        return left.pop(0) if left and method == "POST" and path.endswith("/execute") else None

    world.http.answers.append(scripted)
    for _ in range(len(answers)):
        world.clock.move(MINUTE)
        world.app.poll.drift.check(world.clock.now() + MINUTE)
    assert not left
    return world


def scored(*scores: str) -> Answer:
    rows = [[score, score] for score in scores]
    value = {"ColumnNames": ["Scored Labels", "Scored Probabilities"], "Values": rows}
    return Answer(200, {}, json.dumps({"Results": {"output1": {"value": value}}}).encode())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (MISSING, LOADING),
        (MISSING, scored("7", "8")),
        (scored("7", "8"), MISSING),
        (scored("7", "8"), scored("8", "9")),
    ],
    ids=["two errors", "error and answers", "answers and error", "two answers"],
)
def test_two_different_oddities_are_no_drift(one: Answer, other: Answer) -> None:
    assert not repairs(odd_probes(one, other))
    assert not repairs(odd_probes(one, other, one, other))
    assert len(repairs(odd_probes(one, other, other))) == 1


@pytest.mark.parametrize("drift_kind", [MISSING, scored("7", "8")], ids=["error", "answers"])
def test_the_same_oddity_twice_is_drift(drift_kind: Answer) -> None:
    assert len(repairs(odd_probes(drift_kind, drift_kind))) == 1


def test_an_error_that_names_its_request_is_the_same_error() -> None:
    first, second = (
        refused(400, "LibraryExecutionError", f"missing feature(s): 'hello' (request {request})")
        for request in ("0af7651916cd43dd", "b7ad6b7169203331")
    )
    assert len(repairs(odd_probes(first, second))) == 1


@pytest.mark.parametrize(
    ("names", "drifted"), [(("a", "b"), False), (("a", "a"), True)], ids=["two", "the same"]
)
def test_an_endpoint_that_names_two_other_models_in_turn_is_in_the_middle_of_a_change(
    names: tuple[str, str], *, drifted: bool
) -> None:
    served = ServedModel(
        run_id="r",
        since=START,
        verification="",
        manifest=(),
        answers=good("1"),
        named="models/mine",
    )
    checks = [
        drift_finding(
            served,
            EndpointCheck(UpdateProgress.NOT_REPORTED, good("1"), configured=f"models/{name}"),
        )
        for name in names
    ]
    drift_check = DriftCheck(
        ref=ref("u"), resource="", pipeline="p", endpoint="e", next_check=START
    )
    first, second = checks
    suspected = {"suspicion": first.drift, "drift_kind": first.drift_kind, "suspect": first.answers}
    assert confirmed(drift_check.model_copy(update=suspected), second) is drifted
    broken = drift_finding(
        served, EndpointCheck(UpdateProgress.NOT_REPORTED, BROKEN, configured="models/mine")
    )
    assert not confirmed(drift_check.model_copy(update=suspected), broken)
    otherwise = drift_finding(
        served, EndpointCheck(UpdateProgress.NOT_REPORTED, good("1"), configured="models/mine")
    )
    assert not otherwise.drift
    moved = drift_finding(
        served, EndpointCheck(UpdateProgress.NOT_REPORTED, good("2"), configured="models/mine")
    )
    both = drift_finding(
        served, EndpointCheck(UpdateProgress.NOT_REPORTED, good("2"), configured="models/a")
    )
    known = {"suspicion": both.drift, "drift_kind": both.drift_kind, "suspect": both.answers}
    assert not confirmed(drift_check.model_copy(update=known), moved)
