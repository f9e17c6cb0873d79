"""Verification at an endpoint whose answers name who gave them, and which shows its traffic."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.core.serving.probes import NO_PROBES, EndpointCheck, ProbeAnswers, UpdateProgress
from shared.core.serving.traffic import TrafficMap
from shared.core.serving.verification_case import VerificationCase
from tests.unit.core.serving.checked_endpoints import (
    AFTER,
    BEFORE,
    EVERY,
    OTHER,
    TARGET,
    WITHIN,
    B,
    L,
    Probed,
    U,
    W,
)
from tests.unit.samples import BROKEN, NOW, SILENT

NEW, OLD = "m-1", "blue"
NOW_NEW = TrafficMap.of({NEW: 100})
MINUTE = timedelta(minutes=1)


def by(who: str, answers: ProbeAnswers) -> ProbeAnswers:
    return answers.evolve(answered_by=who)


def done(answers: ProbeAnswers | None) -> EndpointCheck:
    return EndpointCheck(UpdateProgress.DONE, answers, TARGET, traffic=NOW_NEW)


def named(*serves: str, pinned: bool = False, before: ProbeAnswers | None = None) -> Probed:
    before = by(OLD, BEFORE) if before is None else before
    known = VerificationCase(
        TARGET,
        before,
        NO_PROBES,
        WITHIN,
        EVERY,
        at=NOW,
        serves=frozenset(serves),
        pinned=pinned,
    )
    return Probed(replace(known, pending_within=30 * MINUTE))


def rolling_back(*serves: str, before: ProbeAnswers | None = None) -> Probed:
    probed = named(*serves, before=before)
    probed.rolling_back = True
    return probed


def test_a_model_is_live_once_two_answers_in_a_row_name_its_deployment() -> None:
    endpoint = named(NEW)
    assert endpoint.check(done(by(NEW, AFTER))) is W
    assert endpoint.check(done(by(NEW, AFTER))) is L


def test_equal_scores_of_another_deployment_are_not_unchanged() -> None:
    endpoint = named(NEW)
    assert endpoint.probe_series(*[done(by(NEW, BEFORE))] * 2) is L
    assert "in a row" in endpoint.judged.why


def test_answers_of_the_deployment_from_before_between_them_begin_the_count_again() -> None:
    endpoint = named(NEW)
    seen = [by(NEW, AFTER), by(OLD, BEFORE), by(NEW, AFTER)]
    assert [endpoint.check(done(one)) for one in seen] == [W, W, W]
    assert endpoint.check(done(by(NEW, AFTER))) is L


@pytest.mark.parametrize("between", [SILENT, BROKEN])
def test_a_probe_without_a_good_answer_between_them_begins_the_count_again(
    between: ProbeAnswers,
) -> None:
    endpoint = named(NEW)
    for one in (by(NEW, AFTER), between, by(NEW, AFTER)):
        assert endpoint.check(done(one)) is W
    assert endpoint.check(done(by(NEW, AFTER))) is L


def test_another_deployment_that_answers_for_too_long_means_unchanged() -> None:
    endpoint = named(NEW)
    verdicts = [endpoint.check(done(by(OLD, BEFORE))) for _ in range(7)]
    assert verdicts == [W] * 6 + [U]
    assert "deployment blue answers" in endpoint.judged.why


def test_answers_that_name_nobody_are_compared_as_usual() -> None:
    endpoint = named(NEW)
    assert endpoint.check(done(AFTER)) is W
    assert endpoint.check(done(AFTER)) is L
    assert "answers changed" in endpoint.judged.why


def test_answers_that_vary_are_not_kept_to_compare_with() -> None:
    endpoint = named(NEW)
    assert endpoint.probe_series(done(by(NEW, AFTER)), done(by(NEW, OTHER))) is L
    assert not endpoint.judged.steady


def test_a_candidate_that_is_asked_by_its_name_needs_one_good_answer() -> None:
    assert named(NEW, OLD, pinned=True).check(done(by(NEW, AFTER))) is L
    assert named(NEW, OLD, pinned=True).check(done(AFTER)) is L
    assert named(NEW, OLD, pinned=True).check(done(SILENT)) is W


def test_a_broken_candidate_that_is_asked_by_its_name_is_broken() -> None:
    endpoint = named(NEW, OLD, pinned=True)
    assert endpoint.probe_series(*[done(by(NEW, BROKEN))] * 7) is B


def test_an_update_may_be_under_way_for_half_an_hour_however_short_within_is() -> None:
    endpoint = named(NEW)
    pending = EndpointCheck(UpdateProgress.PENDING, None, traffic=NOW_NEW)
    assert endpoint.probe_series(*[pending] * 60) is W
    assert endpoint.check(pending) is B
    assert "has not come to an end" in endpoint.judged.why


def test_the_time_under_way_is_not_held_against_the_probes_after_it() -> None:
    endpoint = named(NEW)
    pending = EndpointCheck(UpdateProgress.PENDING, None, traffic=NOW_NEW)
    assert endpoint.probe_series(*[pending] * 50) is W
    assert endpoint.check(done(by(NEW, AFTER))) is W
    assert endpoint.check(done(by(NEW, AFTER))) is L


def test_a_rollback_is_verified_by_two_answers_of_a_deployment_that_is_to_serve() -> None:
    endpoint = rolling_back(OLD)
    assert endpoint.check(done(by(NEW, BEFORE))) is W
    assert endpoint.check(done(by(OLD, BEFORE))) is W
    assert endpoint.check(done(by(OLD, BEFORE))) is L


def test_a_rollback_to_several_deployments_is_verified_by_any_of_them() -> None:
    endpoint = rolling_back(OLD, "green")
    assert endpoint.check(done(by("green", OTHER))) is W
    assert endpoint.check(done(by("green", OTHER))) is L


def test_a_rollback_whose_deployment_answers_otherwise_than_before_is_not_verified() -> None:
    endpoint = rolling_back(OLD)
    assert endpoint.probe_series(*[done(by(OLD, OTHER))] * 7) is B


def test_a_rollback_that_has_no_effect_is_waited_for_and_then_failed() -> None:
    endpoint = rolling_back(OLD)
    endpoint.case = replace(endpoint.case, unapplied="its traffic is still m-1 100 %")
    good = done(by(OLD, BEFORE))
    assert [endpoint.check(good) for _ in range(7)] == [W] * 6 + [B]
    assert "still" in endpoint.judged.why


def test_an_update_without_effect_is_unchanged_with_any_answer_to_the_probe() -> None:
    endpoint = named(NEW, OLD, pinned=True)
    endpoint.case = replace(endpoint.case, unapplied="its traffic is still blue 100 %")
    good = done(by(NEW, AFTER))
    assert [endpoint.check(good) for _ in range(7)] == [W] * 6 + [U]
