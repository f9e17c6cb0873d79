"""An update is sent by the run that has the endpoint."""

from typing import Any

import pytest

from shared.core.config.studio_types import blob_of
from shared.core.run.control_events import Superseded
from shared.core.run.promotion_events import (
    EndpointLeaseLost,
    RolledBack,
    UpdateSent,
)
from shared.core.run.record import Origin, Phase
from shared.core.serving.references import ServingState
from shared.core.serving.state import ReleasedLease
from shared.errors import OutcomeUnknownError, PermanentError
from tests.fakes.world import MODELS
from tests.unit.execution.promotion_worlds import Step
from tests.unit.samples import promotion, ref

# Sending


def test_an_update_gives_the_runs_model_and_keeps_the_services_name_for_it() -> None:
    step = Step()
    assert step.steps.update(step.run) == UpdateSent(operation="op")
    assert step.endpoint.given == [step.run.target_model]
    assert step.endpoint.built_for == [step.world.pipeline.endpoints[0]]


def test_an_update_without_an_answer_is_searched_for_where_a_check_can_show_it() -> None:
    step = Step()
    step.endpoint.refuses = OutcomeUnknownError("no answer")
    assert step.steps.update(step.run) == UpdateSent(certain=False, service_message="no answer")
    blind = Step(config={"endpoint": {"verify": None}})
    blind.endpoint.refuses = OutcomeUnknownError("no answer")
    shows = blind.world.pipeline.endpoints[0].shows
    assert blind.steps.update(blind.run) == (
        UpdateSent(certain=False, service_message="no answer") if shows else None
    )


def test_a_model_that_is_gone_or_another_since_it_was_judged_is_not_sent() -> None:
    step = Step()
    step.model()  # written again: the same bytes
    step.steps.update(step.run)
    step.world.blobs.put(MODELS, blob_of(step.run.model).name, b"other")  # type: ignore[arg-type]
    with pytest.raises(PermanentError, match="is changed since it was judged"):
        step.steps.update(step.run)
    step.world.blobs.remove(MODELS, blob_of(step.run.model).name)  # type: ignore[arg-type]
    with pytest.raises(PermanentError, match="is gone since it was judged"):
        step.steps.update(step.run)
    assert len(step.endpoint.given) == 1


def test_only_a_run_that_sets_a_model_again_may_bring_none() -> None:
    step = Step(model=None)
    with pytest.raises(PermanentError, match="has no model to promote"):
        step.steps.update(step.run)
    assert step.endpoint.given == []
    rollback = step.run.model_copy(update={"origin": Origin.ROLLBACK})
    assert step.steps.update(rollback) == UpdateSent(operation="op")
    assert step.endpoint.given == [ServingState()]


def test_a_run_without_an_endpoint_or_a_promotion_is_reported_as_such() -> None:
    step = Step()
    bare = step.run.model_copy(
        update={"config": step.run.config.model_copy(update={"endpoints": ()})}
    )
    with pytest.raises(PermanentError, match="has no endpoint to give a model to"):
        step.steps.update(bare)
    without = step.run.model_copy(update={"promotion": None})
    with pytest.raises(PermanentError, match="in phase promoting without a promotion"):
        step.steps.update(without)


# Whose endpoint it is


@pytest.mark.parametrize("phase", [Phase.PROMOTING, Phase.VERIFYING, Phase.ROLLING_BACK])
def test_a_run_whose_endpoint_another_one_has_sends_nothing(phase: Phase) -> None:
    step = Step(phase)
    step.acquire_lease(step.run.model_copy(update={"run_id": "sample-9"}))
    taken = Superseded("another run has taken production over, and resolves it")
    for act in (step.steps.update, step.checks.check, step.steps.roll_back):
        event = act(step.run)
        assert event == (taken if phase is Phase.ROLLING_BACK else EndpointLeaseLost())
    assert step.endpoint.given == []
    assert step.endpoint.asked == []


def test_a_lease_is_ours_by_run_and_generation() -> None:
    step = Step(promotion={"generation": 2})
    step.acquire_lease(step.run.model_copy(update={"promotion": promotion(generation=1)}))
    assert step.steps.update(step.run) == EndpointLeaseLost()
    del step.world.documents.rows[f"endpoints/{ref(step.url).id}"]
    assert step.steps.update(step.run) == EndpointLeaseLost()


@pytest.mark.parametrize(
    ("released", "leased", "ours"),
    [
        (("sample-1", 1), False, True),
        (("sample-1", 2), False, False),
        (("sample-2", 1), False, False),
        (("sample-1", 1), True, False),
    ],
)
def test_what_was_requeued_ahead_of_a_crash_is_known_again(
    released: tuple[str, int], *, leased: bool, ours: bool
) -> None:
    for phase in (Phase.VERIFYING, Phase.PROMOTING):
        step = Step(phase)
        last = ReleasedLease(run_id=released[0], generation=released[1])
        if leased:
            step.acquire_lease(step.run.model_copy(update={"run_id": "sample-9"}), released=last)
        else:
            step.put_endpoint_state(released=last)
        event = step.checks.check(step.run)
        lost = isinstance(event, EndpointLeaseLost)
        assert lost is not (ours and phase is Phase.VERIFYING)


@pytest.mark.parametrize("to", ["judged", "trained", "start", "rolled_back", "unchanged"])
@pytest.mark.parametrize("parent", [None, "sample-9"])
def test_a_return_that_another_run_took_over_continues_to_what_is_done_again(
    to: Any, parent: str | None
) -> None:
    step = Step(Phase.ROLLING_BACK, promotion={"after_rollback": to}, parent=parent)
    step.acquire_lease(step.run.model_copy(update={"run_id": "sample-8"}))
    anew = parent is None and to in ("judged", "trained")
    event = step.checks.check(step.run)
    assert isinstance(event, RolledBack if anew else Superseded)
