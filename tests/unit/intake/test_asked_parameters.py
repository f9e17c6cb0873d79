"""A parameter of an operator's request that the service refuses: the advice can be followed."""

import pytest

from shared.core.run.manual_request import ManualRequest
from shared.core.run.parameters import asked_over, corrected_parameters
from shared.core.run.record import Phase, Run
from shared.providers.studio.errors import Refusal
from shared.providers.studio.refused_parameters import refused_parameters
from tests.unit.samples import pipeline, run
from tests.unit.worlds import Observed, refused

CONFIG = pipeline(training__parameters={"Seed": 1})


def asked(**parameters: object) -> Run:
    return run(Phase.RECEIVED, config=CONFIG, parameters={"Seed": 1, **parameters})


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (asked(), ()),
        (asked(Colour="red"), ("Colour",)),
        (asked(Seed=2), ("Seed",)),
        (asked(Seed=True), ("Seed",)),
        (asked(Seed="1"), ("Seed",)),
    ],
)
def test_what_a_request_set_is_distinguished_from_what_the_file_says(
    shape: Run, expected: tuple[str, ...]
) -> None:
    assert tuple(asked_over(shape)) == expected


@pytest.mark.parametrize(
    ("codes", "words", "expected"),
    [
        (("BadArgument", "UnexpectedParameter"), "no parameter(s) named Colour.", ("Colour",)),
        (("UserParameterInvalid",), "Colour must be a number (parameter)", ("Colour",)),
        (("UnexpectedParameter",), "not said which", ("Seed", "Colour")),
        (("UnexpectedParameter",), "no parameter Seed", ("Seed",)),
        (("UnexpectedParameter",), "no parameter Colours", ("Seed", "Colour")),
        (("MissingRequiredGlobalParameters",), "Required parameter(s) missing: Date", None),
        (("InvalidInputNames",), "Colour", None),
    ],
)
def test_a_refusal_names_the_parameters_that_it_is_about(
    codes: tuple[str, ...], words: str, expected: tuple[str, ...] | None
) -> None:
    refusal = Refusal(400, codes[0], codes[1:], words)
    found = refused_parameters(refusal, "create job", ("Seed", "Colour"))
    assert (found.names if found else None) == expected


def test_a_request_for_the_same_number_in_another_type_is_kept_when_the_file_is_corrected() -> None:
    was = pipeline(training__parameters={"flag": True, "n": 1, "m": 1})
    request = {"flag": 1, "n": 1.0, "m": 1}
    shape = run(Phase.RECEIVED, config=was, parameters=request)
    assert asked_over(shape) == {"flag": 1, "n": 1.0}
    now = pipeline(training__parameters={"flag": False, "n": 2, "m": 2})
    kept = corrected_parameters(now, shape)
    assert [(type(one), one) for one in kept.values()] == [(int, 1), (float, 1.0), (int, 2)]


def test_a_refused_parameter_of_a_request_is_named_with_advice_that_helps() -> None:
    world = Observed()
    request = ManualRequest(None, {"Colour": "red"})
    world.upload()
    begun = world.app.requests.requested(world.pipeline, "one", request)
    parked = world.now_of(begun)
    assert parked.phase is Phase.PARKED
    reason, advice = parked.reason or "", parked.advice or ""
    assert "the parameter 'Colour' of the request for this run cannot be used" in reason
    assert "UnexpectedParameter" in reason
    assert "remove the parameter from training.parameters" not in reason
    assert "cancel this run, and start another one without 'Colour'" in advice
    assert "POST /api/pipelines/sample/runs" in advice
    assert "training.parameters in pipelines.yaml" in advice
    # As it says: another one without it continues.
    world.run_operations.cancel(begun.run_id)
    other = world.app.requests.requested(world.pipeline, "two", ManualRequest())
    assert world.until_idle(other).phase.ended
    assert world.now_of(other).job is not None


def test_a_parameter_of_the_file_keeps_its_own_advice() -> None:
    world = Observed(config={"training": {"parameters": {"Colour": "red"}}})
    parked = world.now_of(world.start())
    assert parked.phase is Phase.PARKED
    assert "training.parameters" in (parked.advice or "")
    assert "of the request" not in (parked.reason or "")


def test_another_refusal_of_a_run_with_parameters_keeps_its_own_advice() -> None:
    world = Observed()
    world.script("POST", "/jobs", refused(400, "BadArgument", "no such input"))
    world.upload()
    request = ManualRequest(None, {"Colour": "red"})
    parked = world.now_of(world.app.requests.requested(world.pipeline, "one", request))
    assert parked.phase is Phase.PARKED
    assert "of the request" not in (parked.reason or "")
