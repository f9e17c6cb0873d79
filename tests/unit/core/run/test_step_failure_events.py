"""Failed steps are tried again; a cancel and an endpoint change a run."""

from datetime import timedelta

import pytest

from shared.core.run import control_events
from shared.core.run import job_events as jobs
from shared.core.run import promotion_events as updates
from shared.core.run.commands import Event
from shared.core.run.machine import apply
from shared.core.run.promotion import Step
from shared.core.run.record import Delivery, Phase, Run, StepFailure
from shared.core.serving.probes import NO_PROBES, ProbeEvidence
from tests.unit.core.run.run_events import BEGUN, LATER, last
from tests.unit.samples import HOUR, MODEL, NOW, good, pipeline, promotion, run

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


# Steps that do not work


def delay(shape: Run, at: timedelta, pause: timedelta = MINUTE, **changes: object) -> Run:
    known = {"reason": "busy", "next_check": NOW + at + pause, "patience": HOUR, **changes}
    return apply(shape, control_events.StepFailed(**known), NOW + at)  # type: ignore[arg-type]


def test_the_first_failure_of_a_step_begins_its_step_failure() -> None:
    shape = delay(run(Phase.TRAINING), timedelta())
    assert shape.step_failure == StepFailure(
        since=NOW,
        cause_since=NOW,
        patience=HOUR,
        count=1,
        cause_count=1,
        reason="busy",
        next_check=NOW + MINUTE,
    )


def test_another_way_of_failing_has_a_patience_of_its_own() -> None:
    shape = delay(run(Phase.TRAINING), timedelta())
    shape = delay(shape, MINUTE, reason="slow", patience=2 * HOUR)
    assert shape.step_failure is not None
    assert (shape.step_failure.since, shape.step_failure.cause_since) == (NOW, NOW + MINUTE)
    assert (shape.step_failure.count, shape.step_failure.cause_count) == (2, 1)
    assert (shape.step_failure.reason, shape.step_failure.patience) == ("slow", 2 * HOUR)
    again = delay(shape, 2 * MINUTE, patience=2 * HOUR).step_failure
    assert again is not None
    assert (again.cause_since, again.count, again.cause_count) == (NOW + MINUTE, 3, 2)


def test_the_time_without_tries_is_no_time_of_failing() -> None:
    shape = delay(run(Phase.TRAINING), timedelta())
    late = delay(shape, 10 * MINUTE).step_failure  # a minute was asked for, and one more is usual
    assert late is not None
    assert late.since == late.cause_since == NOW + 8 * MINUTE
    soon = delay(shape, 2 * MINUTE).step_failure
    assert soon is not None
    assert soon.since == soon.cause_since == NOW


def tries(*times: timedelta, **changes: object) -> Run:
    shape = run(Phase.TRAINING)
    for at, following in zip(times, (*times[1:], times[-1] + MINUTE), strict=True):
        shape = delay(shape, at, following - at, **changes)
    return shape


def test_a_step_is_given_up_when_its_patience_is_over_and_not_a_second_before() -> None:
    assert tries(timedelta(), HOUR / 2, HOUR - SECOND).phase is Phase.TRAINING
    parked = tries(timedelta(), HOUR / 2, HOUR)
    assert (parked.phase, parked.parked_in) == (Phase.PARKED, Phase.TRAINING)
    assert parked.reason == last(parked).note == "gave up after 1:00:00: busy"
    assert "retry the run" in str(parked.advice)


def test_one_way_of_failing_is_given_up_though_the_step_has_more_patience() -> None:
    more = {"step_patience": 3 * HOUR}
    assert tries(timedelta(), HOUR / 2, HOUR - SECOND, **more).phase is Phase.TRAINING
    assert tries(timedelta(), HOUR / 2, HOUR, **more).phase is Phase.PARKED


def test_a_step_is_tried_three_times_however_long_that_takes() -> None:
    assert tries(timedelta(), 2 * HOUR).phase is Phase.TRAINING
    assert tries(timedelta(), HOUR, 2 * HOUR).phase is Phase.PARKED


def test_a_step_that_fails_in_changing_ways_is_given_up_by_the_longer_patience() -> None:
    def changing(long: timedelta, at: timedelta) -> Run:
        shape = run(Phase.TRAINING)
        times = [timedelta(), at / 2, at]
        for number, time in enumerate(times):
            following = times[number + 1] if number < 2 else at + MINUTE
            patience = HOUR + number * SECOND
            shape = delay(shape, time, following - time, patience=patience, step_patience=long)
        return shape

    assert changing(3 * HOUR, 3 * HOUR - SECOND).phase is Phase.TRAINING
    assert changing(3 * HOUR, 3 * HOUR).phase is Phase.PARKED
    assert changing(timedelta(), 2 * HOUR).phase is Phase.PARKED


def test_a_pause_between_attempts_is_no_failure() -> None:
    pause = StepFailure(
        since=NOW, cause_since=NOW, patience=HOUR, count=0, reason="pause", next_check=LATER
    )
    shape = delay(run(Phase.RECEIVED, step_failure=pause), HOUR).step_failure
    assert shape is not None
    assert (shape.since, shape.count) == (LATER, 1)


def test_a_step_that_an_operator_has_to_help_waits_with_what_to_do() -> None:
    parked = apply(
        run(Phase.TRAINING), control_events.StepBlocked("wrong key", "correct it"), LATER
    )
    assert (parked.phase, parked.parked_in) == (Phase.PARKED, Phase.TRAINING)
    assert (parked.reason, parked.advice) == ("wrong key", "correct it")
    assert last(parked).note == "wrong key"


# Cancelling


def test_a_job_that_ends_while_its_run_is_cancelled_is_the_end_of_both() -> None:
    config = pipeline(training__attempts=2)
    shape = run(Phase.TRAINING, config=config, cancelling=True)
    for over in (jobs.JobFailed("bad"), jobs.JobStopped("cancelled")):
        ended = apply(shape, over, LATER)
        assert (ended.phase, ended.attempt) == (Phase.CANCELLED, 1)
    last_one = run(Phase.TRAINING, config=config, attempt=2)
    assert apply(last_one, jobs.JobFailed("bad"), LATER).phase is Phase.FAILED
    assert apply(last_one, jobs.JobStopped("late"), LATER).phase is Phase.TIMED_OUT


def test_an_update_that_changed_nothing_and_has_no_rollback_target_ends_its_run() -> None:
    event = updates.FoundUnchanged("same", can_roll_back=False)
    ended = apply(run(Phase.VERIFYING), event, LATER)
    assert (ended.phase, ended.reason, last(ended).note) == (Phase.UNCHANGED, "same", "same")


def test_a_cancel_is_marked_and_the_run_continues_to_stop_its_job() -> None:
    shape = apply(run(Phase.TRAINING), control_events.CancelRequested(), LATER)
    assert (shape.phase, shape.cancelling) == (Phase.TRAINING, True)
    assert last(shape).note == "cancel requested by an operator"
    for step in (Phase.CREATED, Phase.TRAINING, Phase.ROLLING_OUT):
        parked = apply(run(step), control_events.StepBlocked("no", "do"), NOW)
        again = apply(parked, control_events.CancelRequested(), LATER)
        assert (again.phase, again.cancelling) == (step, True)
        assert (again.parked_in, again.reason, again.advice) == (None, None, None)


def test_a_parked_run_with_nothing_to_stop_ends_with_what_it_was_parked_for() -> None:
    parked = apply(run(Phase.TRAINED), control_events.StepBlocked("no model", "do"), NOW)
    ended = apply(parked, control_events.CancelRequested(), LATER)
    assert (ended.phase, ended.cancelling, ended.reason) == (Phase.CANCELLED, True, "no model")
    assert last(ended).note == "cancelled by an operator"


def test_a_cancelled_roll_out_checks_once_more_what_waits_for_an_operator() -> None:
    parked = Delivery(endpoint="a", run_id="a", outcome=Phase.PARKED)
    shape = run(Phase.ROLLING_OUT, deliveries=(parked, BEGUN[0]))
    again = apply(shape, control_events.CancelRequested(), LATER)
    assert again.deliveries == (parked.model_copy(update={"outcome": None}), BEGUN[0])


@pytest.mark.parametrize(
    ("job", "started", "phase"),
    [(None, None, Phase.WAITING), ("j1", None, Phase.CREATED), ("j1", NOW, Phase.TRAINING)],
)
def test_a_waiting_run_that_is_cancelled_continues_with_the_job_that_it_has(
    job: str | None, started: object, phase: Phase
) -> None:
    shape = run(Phase.WAITING, job=job, started_at=started)
    assert apply(shape, control_events.CancelRequested(), LATER).phase is phase


# The endpoint


SENT = promotion(
    sent_at=NOW,
    certain=False,
    probe_series=NO_PROBES.after(ProbeEvidence.FOR, NOW, HOUR),
    operation="o1",
    resent=2,
    ever_sent=True,
    after_rollback=None,
)


def test_an_update_that_was_left_behind_is_resolved_before_our_own() -> None:
    shape = apply(run(Phase.PROMOTING), updates.InFlightUpdateFound(promotion(sent_at=None)), LATER)
    assert shape.phase is Phase.ROLLING_BACK
    assert shape.promotion == promotion(sent_at=None, after_rollback="start")
    assert "left in flight" in last(shape).note


@pytest.mark.parametrize("phase", [Phase.PROMOTING, Phase.ROLLING_BACK])
@pytest.mark.parametrize("certain", [True, False])
def test_what_was_sent_is_known_by_its_time_and_its_operation(
    phase: Phase, *, certain: bool
) -> None:
    before = promotion(
        sent_at=None, resent=2, probe_series=NO_PROBES.after(ProbeEvidence.FOR, NOW, HOUR)
    )
    event = updates.UpdateSent(certain=certain, operation="o2")
    sent = apply(run(phase, promotion=before), event, LATER)
    assert sent.phase is (Phase.ROLLING_BACK if phase is Phase.ROLLING_BACK else Phase.VERIFYING)
    changes: dict[str, object] = {
        "sent_at": LATER,
        "certain": certain,
        "operation": "o2",
        "ever_sent": True,
    }
    if phase is not Phase.ROLLING_BACK:
        changes["steps"] = (Step(share=100, sent_at=LATER),)
    assert sent.promotion == before.model_copy(update={**changes, "probe_series": NO_PROBES})


@pytest.mark.parametrize("phase", [Phase.VERIFYING, Phase.ROLLING_BACK])
def test_an_update_that_is_not_to_be_seen_is_sent_again(phase: Phase) -> None:
    again = apply(run(phase, promotion=SENT), updates.UpdateLost(), LATER)
    assert again.phase is (Phase.ROLLING_BACK if phase is Phase.ROLLING_BACK else Phase.PROMOTING)
    assert again.promotion is not None
    assert (again.promotion.sent_at, again.promotion.operation) == (None, None)
    assert (again.promotion.probe_series, again.promotion.resent) == (NO_PROBES, 3)
    assert "sending it again" in last(again).note


def test_a_model_that_serves_is_kept_with_its_verification_and_the_last_probe() -> None:
    probe_series = NO_PROBES.after(ProbeEvidence.FOR, NOW, HOUR)
    live = apply(
        run(Phase.VERIFYING), updates.VerifiedLive("moved", good("1"), probe_series), LATER
    )
    assert live.phase is Phase.PROMOTED
    assert live.promotion is not None
    assert (live.promotion.verification, live.promotion.probe_series) == (
        "moved",
        probe_series.showing(good("1")),
    )
    assert last(live).note == "moved"


@pytest.mark.parametrize(
    ("event", "end"),
    [
        (updates.FoundUnchanged("same", can_roll_back=True), "unchanged"),
        (updates.FoundBroken("same"), "rolled_back"),
    ],
)
def test_an_endpoint_is_rolled_back_with_the_reason(event: Event, end: str) -> None:
    rolled = apply(run(Phase.VERIFYING, promotion=SENT), event, LATER)
    assert (rolled.phase, rolled.reason, last(rolled).note) == (
        Phase.ROLLING_BACK,
        "same",
        "same",
    )
    assert rolled.promotion is not None
    assert (rolled.promotion.after_rollback, rolled.promotion.sent_at) == (end, None)
    assert (rolled.promotion.resent, rolled.promotion.probe_series) == (0, NO_PROBES)


@pytest.mark.parametrize(
    ("rollback", "parent", "phase", "model"),
    [
        ("judged", None, Phase.JUDGED, MODEL),
        ("trained", None, Phase.TRAINED, None),
        ("start", None, Phase.PROMOTING, MODEL),
        (None, None, Phase.PROMOTING, MODEL),
        ("judged", "sample-0", Phase.ROLLED_BACK, MODEL),
        ("trained", "sample-0", Phase.ROLLED_BACK, MODEL),
        ("rolled_back", None, Phase.ROLLED_BACK, MODEL),
        ("unchanged", None, Phase.UNCHANGED, MODEL),
    ],
)
def test_a_run_whose_old_model_serves_again_goes_where_it_was_to_go(
    rollback: str | None, parent: str | None, phase: Phase, model: object
) -> None:
    shape = run(Phase.ROLLING_BACK, promotion=promotion(after_rollback=rollback), parent=parent)
    over = apply(shape, updates.RolledBack("as before"), LATER)
    assert (over.phase, over.model, last(over).note) == (phase, model, "as before")
    if phase.ended:
        assert over.promotion is not None
        assert over.promotion.verification == "as before"
    else:
        assert over.promotion is None


def test_a_lease_that_was_lost_is_made_again() -> None:
    again = apply(run(Phase.VERIFYING), updates.EndpointLeaseLost(), LATER)
    assert (again.phase, again.promotion) == (Phase.PROMOTING, None)
    assert "acquiring its lease again" in last(again).note
