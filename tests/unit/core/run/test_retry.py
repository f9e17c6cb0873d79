"""A retried run continues where it stopped, with parts of the present configuration."""

from typing import Any

import pytest

from shared.core.config.pipeline import Pipeline
from shared.core.run.record import Approval, Delivery, Phase, Run
from shared.core.run.retry import RedoRequested, RetryRequested, ends_by_rollback, withdrawn
from shared.core.serving.probes import NO_PROBES, ProbeEvidence
from shared.errors import InvalidTransitionError
from tests.unit.samples import HOUR, MODEL, NOW, UPDATE, pipeline, promotion, run, tree

LATER = NOW + HOUR
ASKS = {"first_model": "allow", "approval": "required"}
ENDPOINT: dict[str, Any] = tree()["endpoints"][0]
BY_OPERATOR = "retried by an operator"
CHANGED = "the gate, or the model that is wanted, has changed since it was judged"


def endpoint(**changes: Any) -> dict[str, Any]:
    return {**ENDPOINT, **changes}


def wanting(model: str | None, **changes: Any) -> Pipeline:
    return pipeline(endpoints=[endpoint(model=model)], **changes)


def parked(phase: Phase, **changes: Any) -> Run:
    shape = run(phase, reason="no", advice="do", **changes)
    return shape.model_copy(update={"phase": Phase.PARKED, "parked_in": phase})


def retried(shape: Run, config: Pipeline | None = None, **changes: Any) -> Run:
    return RetryRequested(config, **changes).fold(shape, LATER)


SENT = promotion(
    sent_at=NOW,
    ever_sent=True,
    resent=3,
    operation="o1",
    certain=False,
    probe_series=NO_PROBES.after(ProbeEvidence.FOR, NOW, HOUR),
    after_rollback=None,
)


def test_a_parked_run_that_does_not_know_where_it_was_is_not_retried() -> None:
    lost = parked(Phase.TRAINING).model_copy(update={"parked_in": None})
    with pytest.raises(
        InvalidTransitionError, match="sample-1: parked without a phase to return to"
    ):
        retried(lost)


def test_parameters_are_corrected_only_before_there_is_a_job() -> None:
    corrected = pipeline(training__parameters={"a": "2"})
    given: dict[str, Any] = {
        "config": pipeline(training__parameters={"a": "1"}),
        "parameters": {"a": "1"},
    }
    assert retried(parked(Phase.RECEIVED, **given), corrected).parameters == {"a": "2"}
    assert retried(parked(Phase.RECEIVED, **given)).parameters == {"a": "1"}
    assert retried(parked(Phase.CREATED, **given), corrected).parameters == {"a": "1"}


@pytest.mark.parametrize(
    ("now", "phase", "refused"),
    [
        (wanting("output1"), Phase.VERIFYING, False),
        (wanting("output1", gate=ASKS), Phase.VERIFYING, True),
        (wanting("other"), Phase.VERIFYING, True),
        (wanting("other"), Phase.ROLLING_BACK, False),
    ],
)
def test_a_delivery_is_not_retried_where_its_model_is_to_be_judged_first(
    now: Pipeline, phase: Phase, *, refused: bool
) -> None:
    known = promotion(ever_sent=True, after_rollback="rolled_back")
    child = parked(phase, parent="sample-0", config=wanting("output1"), promotion=known)
    if refused:
        with pytest.raises(InvalidTransitionError, match="retry run sample-0 instead"):
            retried(child, now)
    else:
        assert retried(child, now).phase in (Phase.PROMOTING, Phase.ROLLING_BACK)
    assert retried(child).phase in (Phase.PROMOTING, Phase.ROLLING_BACK)


def test_a_model_is_withdrawn_when_its_gate_or_the_model_that_is_wanted_changes() -> None:
    child = run(Phase.PROMOTING, config=wanting("output1"))
    was = wanting("output1")
    assert not withdrawn(child, was, wanting("output1", training__timeout="5h"))
    assert withdrawn(child, was, wanting("output1", gate=ASKS))
    assert withdrawn(child, was, wanting("other"))


@pytest.mark.parametrize(
    ("rollback", "parent", "ends"),
    [
        ("rolled_back", None, True),
        ("unchanged", None, True),
        ("start", None, False),
        ("judged", None, False),
        ("trained", None, False),
        ("judged", "sample-0", True),
        ("trained", "sample-0", True),
        ("rolled_back", "sample-0", True),
        ("start", "sample-0", False),
        (None, None, False),
    ],
)
def test_a_run_ends_with_the_old_model_unless_something_is_done_again_by_it(
    rollback: str | None, parent: str | None, *, ends: bool
) -> None:
    shape = run(Phase.ROLLING_BACK, promotion=promotion(after_rollback=rollback), parent=parent)
    assert ends_by_rollback(shape) is ends
    assert not ends_by_rollback(run(Phase.PROMOTING, promotion=None))


def test_a_retry_of_a_roll_out_begins_its_failed_deliveries_again() -> None:
    failed = Delivery(endpoint="production", run_id="x", outcome=Phase.ROLLED_BACK)
    waits = Delivery(endpoint="production", run_id="x", outcome=Phase.PARKED)
    given: dict[str, Any] = {"models": {"production": MODEL}}
    (again,) = retried(parked(Phase.ROLLING_OUT, deliveries=(failed,), **given)).deliveries
    assert (again.outcome, again.tries) == (None, 2)
    shape = parked(Phase.ROLLING_OUT, deliveries=(failed,), **given)
    (now,) = retried(shape, deliveries=(waits,)).deliveries
    assert (now.outcome, now.tries, now.run_id != "x") == (None, 1, True)
    tightened = retried(shape, pipeline(gate=ASKS), deliveries=(waits,))
    assert tightened.deliveries[0].tries == 2  # what was said of the model counts no more
    assert retried(parked(Phase.ROLLING_OUT, **given), deliveries=(waits,)).deliveries == ()


def test_a_job_keeps_its_training_and_what_comes_after_it_may_change() -> None:
    now = pipeline(
        training__timeout="5h",
        gate=ASKS,
        roll_out={"first": 2, "then": 2},
        endpoints=[endpoint(api_key="${OTHER}")],
        pause_after=3,
    )
    was = parked(Phase.TRAINING).config
    config = retried(parked(Phase.TRAINING), now).config
    assert config == was.model_copy(
        update={"gate": now.gate, "roll_out": now.roll_out, "endpoints": now.endpoints}
    )
    assert retried(parked(Phase.RECEIVED), now).config == now


def test_an_endpoint_that_may_have_our_update_is_resolved_where_it_is() -> None:
    elsewhere = pipeline(
        gate=ASKS, roll_out={"first": 2, "then": 2}, endpoints=[endpoint(update=UPDATE + "2")]
    )
    shape = parked(Phase.VERIFYING, promotion=SENT)
    config = retried(shape, elsewhere).config
    assert config == shape.config.model_copy(
        update={"gate": elsewhere.gate, "roll_out": elsewhere.roll_out}
    )
    unsent = parked(Phase.PROMOTING, promotion=promotion(sent_at=None))
    assert retried(unsent, elsewhere).config.endpoints == elsewhere.endpoints


@pytest.mark.parametrize("parent", [None, "sample-0"])
def test_which_output_was_wanted_is_moot_once_a_model_is_rolled_back_or_delivered(
    parent: str | None,
) -> None:
    known = promotion(ever_sent=True, after_rollback="rolled_back")
    shape = parked(
        Phase.ROLLING_BACK, promotion=known, config=wanting("output1"), parent=parent, model=MODEL
    )
    now = pipeline(gate=ASKS, endpoints=[endpoint(model="other", api_key="${OTHER}")])
    config = retried(shape, now).config
    assert config.gate == shape.config.gate
    assert [(one.model, getattr(one, "api_key", None)) for one in config.endpoints] == [
        ("output1", "${OTHER}")
    ]


YES = Approval(answer="approved", by="ada", at=NOW)


@pytest.mark.parametrize("phase", [Phase.JUDGED, Phase.PROMOTING])
def test_a_model_is_judged_again_by_another_gate_and_nothing_said_of_it_counts(
    phase: Phase,
) -> None:
    unsent = promotion(sent_at=None) if phase is Phase.PROMOTING else None
    shape = parked(phase, approval=YES, awaiting_since=NOW, model=MODEL, promotion=unsent)
    again = retried(shape, pipeline(gate=ASKS))
    assert (again.phase, again.model, again.promotion) == (Phase.JUDGED, MODEL, None)
    assert (again.verdict, again.approval, again.awaiting_since) == (None, None, None)
    assert (again.parked_in, again.reason, again.advice) == (None, None, None)
    assert again.history[-1].note == f"{BY_OPERATOR}; by the present configuration"
    assert again.history[-1].at == LATER


def test_a_model_that_may_serve_is_rolled_back_before_it_is_judged_again() -> None:
    again = retried(parked(Phase.VERIFYING, approval=YES, promotion=SENT), pipeline(gate=ASKS))
    assert (again.phase, again.approval) == (Phase.ROLLING_BACK, None)
    assert again.promotion == SENT.model_copy(
        update={
            "sent_at": None,
            "operation": None,
            "probe_series": NO_PROBES,
            "certain": True,
            "resent": 0,
            "after_rollback": "judged",
        }
    )
    assert (
        again.history[-1].note == f"{BY_OPERATOR}; a rollback to the model from before comes first"
    )


@pytest.mark.parametrize(
    ("job", "was", "now", "phase", "model"),
    [
        ("j1", wanting("a"), wanting("b"), Phase.TRAINED, None),
        ("j1", wanting("a"), wanting("a"), Phase.PROMOTING, MODEL),
        (None, wanting("a"), wanting("b"), Phase.PROMOTING, MODEL),
        (None, wanting("a"), pipeline(endpoints=[]), Phase.TRAINED, MODEL),
        ("j1", wanting("a"), pipeline(endpoints=[]), Phase.TRAINED, None),
    ],
)
def test_the_job_is_asked_once_more_where_another_of_its_outputs_is_wanted(
    job: str | None, was: Pipeline, now: Pipeline, phase: Phase, model: object
) -> None:
    shape = parked(Phase.PROMOTING, job=job, config=was, model=MODEL, promotion=None)
    again = retried(shape, now)
    assert (again.phase, again.model) == (phase, model)


def test_models_of_several_endpoints_are_collected_again() -> None:
    shape = parked(Phase.ROLLING_OUT, config=wanting("a"), models={"production": MODEL})
    again = retried(shape, wanting("b"))
    assert (again.phase, again.models) == (Phase.TRAINED, {})
    assert retried(shape, wanting("a")).phase is Phase.ROLLING_OUT
    without = parked(Phase.JUDGED, model=None)
    assert retried(without, wanting("b")).phase is Phase.JUDGED


@pytest.mark.parametrize("phase", [Phase.RECEIVED, Phase.CREATED, Phase.TRAINING, Phase.TRAINED])
@pytest.mark.parametrize("when_busy", ["parallel", "queue"])
def test_a_run_waits_for_a_slot_again_where_it_needs_one(phase: Phase, when_busy: str) -> None:
    shape = parked(phase, config=pipeline(when_busy=when_busy))
    again = retried(shape)
    waits = when_busy == "queue" and phase is not Phase.TRAINED
    assert again.phase is (Phase.WAITING if waits else phase)
    assert again.history[-1].note == BY_OPERATOR
    assert (again.parked_in, again.reason, again.advice) == (None, None, None)


def test_an_update_is_sent_again_with_probes_of_its_own() -> None:
    again = retried(parked(Phase.VERIFYING, promotion=SENT))
    assert again.phase is Phase.PROMOTING
    assert again.promotion == SENT.model_copy(
        update={"sent_at": None, "operation": None, "probe_series": NO_PROBES, "certain": True}
    )


def test_another_endpoint_is_leased_again_where_nothing_was_sent_to_the_first() -> None:
    for phase in (Phase.PROMOTING, Phase.ROLLING_BACK):
        unsent = promotion(sent_at=None, after_rollback="start")
        shape = parked(phase, promotion=unsent)
        again = retried(shape, pipeline(endpoints=[endpoint(resource="Other")]))
        assert (again.phase, again.promotion) == (Phase.PROMOTING, None)
        same = retried(shape, pipeline(endpoints=[endpoint(api_key="${OTHER}")]))
        assert same.phase is phase
        assert same.promotion is not None


# A delivery whose model is to be judged again first


def test_a_delivery_that_was_never_sent_is_over_when_its_model_is_judged_again() -> None:
    for known in (None, promotion(sent_at=None)):
        over = RedoRequested(None).fold(parked(Phase.PROMOTING, promotion=known), LATER)
        assert (over.phase, over.reason, over.parked_in) == (Phase.CANCELLED, CHANGED, None)
        assert over.history[-1].note == CHANGED


def test_a_delivery_that_may_serve_is_rolled_back_by_what_is_configured_for_its_endpoint() -> None:
    shape = parked(Phase.VERIFYING, promotion=SENT, config=wanting("output1"))
    now = pipeline(endpoints=[endpoint(model="other", api_key="${OTHER}")])
    rollback = RedoRequested(now).fold(shape, LATER)
    assert (rollback.phase, rollback.reason, rollback.parked_in) == (
        Phase.ROLLING_BACK,
        CHANGED,
        None,
    )
    assert rollback.history[-1].note == CHANGED
    assert [(one.model, getattr(one, "api_key", None)) for one in rollback.config.endpoints] == [
        ("output1", "${OTHER}")
    ]
    assert rollback.promotion is not None
    assert (rollback.promotion.after_rollback, rollback.promotion.resent) == ("judged", 0)
    assert (rollback.promotion.sent_at, rollback.promotion.probe_series) == (None, NO_PROBES)
    for elsewhere in (None, pipeline(endpoints=[endpoint(update=UPDATE + "2")])):
        kept = RedoRequested(elsewhere).fold(shape, LATER).config
        assert kept.endpoints == shape.config.endpoints


def test_a_delivery_that_ends_anyway_continues_to_its_own_end() -> None:
    known = promotion(ever_sent=True, after_rollback="unchanged", resent=2)
    rollback = RedoRequested(None).fold(parked(Phase.ROLLING_BACK, promotion=known), LATER)
    assert (rollback.phase, rollback.reason) == (Phase.ROLLING_BACK, "no")
    assert rollback.promotion is not None
    assert (rollback.promotion.after_rollback, rollback.promotion.resent) == ("unchanged", 0)
