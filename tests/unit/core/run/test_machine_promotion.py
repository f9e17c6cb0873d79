"""The phases of a run in its promotion and its rollback."""

from typing import Any

import pytest

from shared.core.config.pipeline import Pipeline
from shared.core.run import control_events
from shared.core.run import promotion_events as updates
from shared.core.run.commands import Command
from shared.core.run.machine import apply, next_command
from shared.core.run.record import Phase
from shared.core.run.retry import RetryRequested
from shared.core.serving.probes import NO_PROBES, ProbeEvidence
from tests.unit.samples import (
    HOUR,
    MODEL,
    NOW,
    UPDATE,
    good,
    pipeline,
    promotion,
    run,
    tree,
)


def elsewhere(**changes: Any) -> Pipeline:
    (endpoint,) = tree()["endpoints"]
    return pipeline(endpoints=[{**endpoint, **changes}])


ELSEWHERE = [elsewhere(update=UPDATE.replace("production", "other")), elsewhere(resource="Other")]


@pytest.mark.parametrize("corrected", ELSEWHERE, ids=["another URL", "another resource"])
@pytest.mark.parametrize("phase", [Phase.PROMOTING, Phase.VERIFYING, Phase.ROLLING_BACK])
def test_an_endpoint_that_was_sent_an_update_is_resolved_before_another_is_taken(
    phase: Phase, corrected: Pipeline
) -> None:
    sent = promotion(ever_sent=True)
    parked = apply(run(phase, promotion=sent), control_events.StepBlocked("no", "do"), NOW)
    again = apply(parked, RetryRequested(corrected), NOW)
    assert again.config == parked.config
    assert again.promotion is not None


@pytest.mark.parametrize("corrected", ELSEWHERE, ids=["another URL", "another resource"])
def test_a_corrected_endpoint_is_leased_again_when_nothing_was_sent_to_the_wrong_one(
    corrected: Pipeline,
) -> None:
    unsent = run(Phase.PROMOTING, promotion=promotion(sent_at=None))
    parked = apply(unsent, control_events.StepBlocked("no", "do"), NOW)
    again = apply(parked, RetryRequested(corrected), NOW)
    assert again.config.endpoints == corrected.endpoints
    assert (again.phase, again.promotion) == (Phase.PROMOTING, None)


def test_other_corrections_of_the_endpoint_are_taken_at_any_time() -> None:
    corrected = elsewhere(api_key="${OTHER_KEY}")
    sent = run(Phase.VERIFYING, promotion=promotion(ever_sent=True))
    parked = apply(sent, control_events.StepBlocked("no", "do"), NOW)
    again = apply(parked, RetryRequested(corrected), NOW)
    assert again.config.endpoints == corrected.endpoints
    assert again.promotion is not None


def test_a_confirmed_or_possible_update_is_remembered_for_good() -> None:
    unsent = run(Phase.PROMOTING, promotion=promotion(sent_at=None))
    for certain in (True, False):
        shape = apply(unsent, updates.UpdateSent(certain=certain), NOW)
        shape = apply(
            apply(shape, updates.UpdateLost(), NOW), control_events.StepBlocked("no", "do"), NOW
        )
        assert shape.promotion is not None
        assert shape.promotion.ever_sent


@pytest.mark.parametrize("phase", [Phase.PROMOTING, Phase.VERIFYING])
def test_a_run_that_lost_its_lease_starts_its_promotion_over(phase: Phase) -> None:
    again = apply(run(phase), updates.EndpointLeaseLost(), NOW)
    assert (again.phase, again.promotion, again.model) == (Phase.PROMOTING, None, MODEL)
    assert next_command(again, NOW) is Command.LEASE_ENDPOINT


def test_an_unchanged_endpoint_is_first_rolled_back_to_its_old_model() -> None:
    rollback = apply(run(Phase.VERIFYING), updates.FoundUnchanged("same", can_roll_back=True), NOW)
    assert rollback.phase is Phase.ROLLING_BACK
    assert next_command(rollback, NOW) is Command.ROLL_BACK_ENDPOINT
    ended = apply(rollback, updates.RolledBack("as before"), NOW)
    assert (ended.phase, ended.reason) == (Phase.UNCHANGED, "same")


def test_the_rollback_is_sent_again_as_often_as_an_update() -> None:
    sent = {"operation": "o1", "ever_sent": True, "resent": 3}
    tired = run(Phase.VERIFYING, promotion=promotion(**sent))
    for event in (
        updates.FoundUnchanged("same", can_roll_back=True),
        updates.FoundBroken("missing feature(s)"),
    ):
        rollback = apply(tired, event, NOW).promotion
        assert rollback is not None
        assert (rollback.resent, rollback.operation, rollback.ever_sent) == (0, None, True)


def test_an_unchanged_endpoint_with_nothing_to_roll_back_to_ends_the_run() -> None:
    ended = apply(run(Phase.VERIFYING), updates.FoundUnchanged("same", can_roll_back=False), NOW)
    assert (ended.phase, ended.reason) == (Phase.UNCHANGED, "same")


def test_a_model_that_broke_ends_its_run_rolled_back_once_the_old_one_serves() -> None:
    rollback = apply(run(Phase.VERIFYING), updates.FoundBroken("missing feature"), NOW)
    ended = apply(rollback, updates.RolledBack("as before"), NOW)
    assert (ended.phase, ended.reason) == (Phase.ROLLED_BACK, "missing feature")


def test_a_check_is_counted_and_remembered_until_the_next_update() -> None:
    probe_series = NO_PROBES.after(ProbeEvidence.FOR, NOW, HOUR)
    seen = apply(run(Phase.VERIFYING), updates.NotYetLive(good("1"), probe_series), NOW + HOUR)
    assert seen.promotion is not None
    assert seen.promotion.probe_series == probe_series.showing(good("1"))
    rollback = apply(seen, updates.FoundBroken("missing feature"), NOW + HOUR)
    assert rollback.promotion is not None
    assert rollback.promotion.probe_series == NO_PROBES
    again = apply(seen, updates.UpdateLost(), NOW + HOUR)
    assert again.promotion is not None
    assert again.promotion.probe_series == NO_PROBES


def test_a_return_at_the_start_begins_the_promotion_again() -> None:
    shape = run(Phase.ROLLING_BACK, promotion=promotion(after_rollback="start"))
    again = apply(shape, updates.RolledBack("as before"), NOW)
    assert (again.phase, again.promotion) == (Phase.PROMOTING, None)
