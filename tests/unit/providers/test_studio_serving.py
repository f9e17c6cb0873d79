"""Studio's endpoints hold one model: one step, and no candidate next to the live model."""

import pytest

from shared.core.config.studio_types import blob_of
from shared.core.serving.probes import UpdateProgress
from shared.core.serving.references import Candidate, ModelRef, ServingState, Shift
from shared.errors import PermanentError
from shared.ports.serving import Plan
from tests.fakes.world import MODELS, ROWS
from tests.unit.samples import MODEL
from tests.unit.scripted_steps import Scripted


def test_a_promotion_is_one_step_and_nothing_is_staged() -> None:
    step = Scripted()
    serving = step.serving
    assert serving.plan == Plan(stages=False, shares=(100,))
    candidate = serving.candidate(step.model(), "sample-1")
    serving.stage(candidate)
    assert serving.candidate_state(candidate).progress is UpdateProgress.DONE
    assert serving.discard(candidate)
    assert step.endpoint.given == []
    serving.shift(Shift(candidate=candidate, share=100))
    assert step.endpoint.given == [candidate.state]


@pytest.mark.parametrize("share", [0, 10, 99])
def test_a_part_of_the_requests_is_refused_and_nothing_is_sent(share: int) -> None:
    step = Scripted()
    candidate = step.serving.candidate(step.model(), "sample-1")
    with pytest.raises(PermanentError, match="it gets all requests"):
        step.serving.shift(Shift(candidate=candidate, share=share))
    assert step.endpoint.given == []


def test_there_is_no_candidate_to_score() -> None:
    step = Scripted()
    with pytest.raises(PermanentError, match="cannot score with a model other than its own"):
        step.serving.score(ROWS, Candidate(name="x", state=ServingState(model=MODEL)))


def test_what_changed_since_it_was_recorded_is_given_to_no_service() -> None:
    step = Scripted()
    state = ServingState(model=step.model())
    step.world.blobs.put(MODELS, blob_of(step.model()).name, b"other")
    assert not step.serving.restorable(state)
    with pytest.raises(PermanentError, match="is changed since it was judged"):
        step.serving.restore(state)
    assert step.endpoint.given == []


def test_the_model_of_another_provider_is_no_blob() -> None:
    foreign = ModelRef(provider="azureml", name="census/1", digest="x", reference={"id": "y"})
    with pytest.raises(ValueError, match="is a model of azureml"):
        blob_of(foreign)
