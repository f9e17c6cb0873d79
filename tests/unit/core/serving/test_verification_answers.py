"""Verdicts on answers to the probe, read-backs and ended updates."""

from dataclasses import replace
from itertools import count, product

import pytest

from shared.core.serving.probes import (
    NO_PROBES,
    EndpointCheck,
    ProbeAnswers,
    ProbeOutcome,
    ProbeSeries,
    UpdateProgress,
)
from shared.core.serving.verification_case import VerificationCase, VerificationResult
from tests.unit.core.serving.checked_endpoints import (
    AFTER,
    BEFORE,
    DONE,
    ENOUGH,
    EVERY,
    KINDS,
    OTHER,
    PENDING,
    TARGET,
    B,
    L,
    Probed,
    U,
    W,
    case,
    more,
    unreported,
)
from tests.unit.samples import BROKEN, HOUR, SILENT, good


def fewer(answers: ProbeAnswers) -> ProbeAnswers:
    """Return these answers as a model gives them that has lost a score column."""
    return answers.model_copy(update={"columns": ("Scored Labels",)})


@pytest.mark.parametrize(
    ("known", "seen", "steady"),
    [
        (case(BEFORE), [AFTER] * 2, True),
        (case(BEFORE), [OTHER, AFTER, OTHER], False),
        (case(None), [AFTER] * ENOUGH, True),
        (case(None), [OTHER, AFTER] * ENOUGH, False),
        (case(BEFORE, AFTER), [AFTER] * 2, True),
        (case(BEFORE), [EndpointCheck(DONE, BEFORE, TARGET)] * ENOUGH, True),
        (case(SILENT), [SILENT] * ENOUGH, False),
    ],
)
def test_the_answers_of_a_live_model_are_kept_where_they_are_the_same_from_probe_to_probe(
    known: VerificationCase, seen: list[ProbeAnswers | EndpointCheck], *, steady: bool
) -> None:
    endpoint = Probed(known)
    assert endpoint.probe_series(*seen) is L
    assert endpoint.judged.steady is steady


def test_live_takes_two_good_probes_in_a_row_that_agree_or_three_that_vary() -> None:
    lives, new = 0, (AFTER, OTHER)
    for seen in product(KINDS, repeat=4):
        endpoint = Probed(case(BEFORE), pace=HOUR)
        if endpoint.probe_series(*seen) is not L:
            continue
        lives += 1
        shown = seen[: endpoint.case.probe_series.all.probes]
        assert all(one in new for one in shown[-2:]), shown
        assert shown[-1] == shown[-2] or shown[-3] in new, shown
    assert lives


def test_a_score_column_that_is_gone_is_a_broken_model() -> None:
    endpoint = Probed(case(more(BEFORE)))
    assert endpoint.probe_series(*[fewer(AFTER)] * (ENOUGH - 1)) is W
    assert endpoint.check(fewer(AFTER)) is B
    assert "'Scored Probabilities' is missing" in endpoint.judged.why


def test_a_new_score_column_is_no_fault() -> None:
    assert Probed(case(BEFORE)).probe_series(more(AFTER), more(AFTER)) is L


@pytest.mark.parametrize("kept", [BEFORE, more(BEFORE), AFTER, BROKEN])
@pytest.mark.parametrize("rolling_back", [True, False])
def test_answers_to_other_probe_rows_are_never_compared(
    kept: ProbeAnswers, *, rolling_back: bool
) -> None:
    now = AFTER.model_copy(update={"request": "other rows"})
    known = replace(case(kept), probe_series=NO_PROBES.showing(kept).showing(kept))
    endpoint, other = Probed(known, rolling_back), Probed(case(None), rolling_back)
    for _ in range(ENOUGH):
        assert endpoint.check(now) is other.check(now)
        assert (endpoint.judged.why, endpoint.judged.steady) == (
            other.judged.why,
            other.judged.steady,
        )
    assert endpoint.judged.verdict is L


def test_answers_vary_only_where_three_probes_had_answers_to_the_same_rows() -> None:
    elsewhere = OTHER.model_copy(update={"request": "other rows"})
    endpoint = Probed(replace(case(BEFORE), probe_series=NO_PROBES.showing(elsewhere)))
    assert endpoint.probe_series(AFTER, OTHER) is W
    assert endpoint.check(AFTER) is L
    lacking = Probed(case(more(BEFORE)))
    pending = (EndpointCheck(PENDING, fewer(AFTER)), EndpointCheck(PENDING, more(OTHER)))
    assert lacking.probe_series(*pending, more(AFTER)) is W  # the first had lost a column


@pytest.mark.parametrize("ahead", [OTHER, SILENT, BROKEN])
def test_answers_that_moved_are_never_called_unchanged(ahead: ProbeAnswers) -> None:
    for size in range(2 * ENOUGH):
        endpoint = Probed(case(BEFORE))
        endpoint.probe_series(*[ahead] * min(size, 2), AFTER)
        assert endpoint.judged.verdict is not U
        assert "stayed the same" not in endpoint.judged.why


@pytest.mark.parametrize(
    ("progress", "verdict"), [(UpdateProgress.NOT_REPORTED, U), (UpdateProgress.DONE, L)]
)
def test_when_nothing_moved_a_read_back_of_our_model_counts_only_with_the_services_word(
    progress: UpdateProgress, verdict: VerificationResult
) -> None:
    check = EndpointCheck(progress, BEFORE, configured=TARGET)
    endpoint = Probed(case(BEFORE))
    assert endpoint.probe_series(*[check] * (ENOUGH - 1)) is W
    assert endpoint.check(check) is verdict
    assert endpoint.judged.probe_series.all.probes == ENOUGH  # the last one is kept with the others


def test_a_read_back_of_another_model_shows_nothing() -> None:
    check = unreported(BEFORE, configured="models/old.ilearner")
    assert Probed(case(BEFORE)).probe_series(*[check] * ENOUGH) is U


@pytest.mark.parametrize("configured", [None, TARGET])
def test_without_probe_rows_a_model_is_live_and_called_unproven(configured: str | None) -> None:
    endpoint = Probed(case(None))
    assert endpoint.check(unreported(None, configured)) is L
    assert "unproven" in endpoint.judged.why


@pytest.mark.parametrize(("before", "seen"), [(None, AFTER), (SILENT, AFTER), (SILENT, SILENT)])
def test_what_cannot_be_compared_is_called_unproven_and_not_on_one_probe(
    before: ProbeAnswers | None, seen: ProbeAnswers
) -> None:
    endpoint = Probed(case(before), pace=HOUR)
    assert endpoint.probe_series(seen, seen, seen) is W
    assert endpoint.check(seen) is L
    assert "unproven" in endpoint.judged.why


@pytest.mark.parametrize("rolling_back", [True, False])
def test_an_update_that_failed_at_the_service_is_broken_at_once_with_its_reason(
    *, rolling_back: bool
) -> None:
    endpoint = Probed(case(BEFORE), rolling_back)
    assert endpoint.check(EndpointCheck(UpdateProgress.FAILED, AFTER, detail="BlobNotFound")) is B
    assert "BlobNotFound" in endpoint.judged.why


@pytest.mark.parametrize("rolling_back", [True, False])
def test_an_update_that_does_not_come_to_an_end_is_given_up_after_enough_probes(
    *, rolling_back: bool
) -> None:
    check = EndpointCheck(UpdateProgress.PENDING, AFTER, configured=TARGET)
    endpoint = Probed(case(BEFORE), rolling_back)
    assert endpoint.check(check) is W
    assert endpoint.check(check, 10 * HOUR) is W
    assert endpoint.probe_series(*[check] * (ENOUGH - 4)) is W
    assert endpoint.check(check) is B
    assert "not come to an end" in endpoint.judged.why


def test_an_update_at_work_and_then_silence_show_nothing_where_nothing_answered_before() -> None:
    endpoint = Probed(case(None))
    assert (
        endpoint.probe_series(EndpointCheck(UpdateProgress.PENDING, None), *[SILENT] * ENOUGH) is L
    )
    assert endpoint.judged.why == "unproven: the endpoint answered neither before nor after"


def test_a_finished_update_has_its_own_time_to_be_seen() -> None:
    pending, done = (
        EndpointCheck(UpdateProgress.PENDING, BEFORE),
        EndpointCheck(UpdateProgress.DONE, BEFORE, TARGET),
    )
    endpoint = Probed(case(BEFORE))
    assert endpoint.probe_series(*[pending] * (ENOUGH - 1), *[done] * (ENOUGH - 1)) is W
    assert endpoint.check(done) is L


@pytest.mark.parametrize(
    ("before", "seen", "hasty", "patient"),
    [
        pytest.param(BEFORE, [BEFORE], W, W, id="as before, once"),
        pytest.param(BEFORE, [BEFORE] * 2, L, W, id="as before, twice"),
        pytest.param(BEFORE, [BEFORE] * ENOUGH, L, L, id="as before, long enough"),
        pytest.param(BEFORE, [AFTER, BEFORE], W, W, id="as before, after other answers"),
        pytest.param(BEFORE, [BEFORE, SILENT, BEFORE], W, W, id="as before, silence between"),
        pytest.param(BEFORE, [AFTER] * (ENOUGH - 1), W, W, id="still the new answers, too few"),
        pytest.param(BEFORE, [AFTER] * ENOUGH, B, B, id="still the new answers"),
        pytest.param(BEFORE, [BROKEN] * 2, W, W, id="broken twice: services switch so"),
        pytest.param(BEFORE, [BROKEN] * ENOUGH, B, B, id="still broken"),
        pytest.param(BEFORE, [SILENT] * (ENOUGH - 1), W, W, id="no answer, too few"),
        pytest.param(BEFORE, [SILENT] * ENOUGH, B, B, id="no answer"),
        pytest.param(BROKEN, [BROKEN] * 2, L, W, id="broken as before"),
        pytest.param(BROKEN, [OTHER, AFTER], L, W, id="corrected: it was broken before"),
        pytest.param(BROKEN, [SILENT] * 2, W, W, id="no answer, though it was broken before"),
        pytest.param(None, [OTHER] * 2, L, W, id="nothing known from before"),
        pytest.param(SILENT, [BROKEN] * 2, W, W, id="broken, and no answer known from before"),
        pytest.param(SILENT, [OTHER] * ENOUGH, L, L, id="no answer known from before"),
    ],
)
def test_verdicts_of_probes_on_a_model_that_was_rolled_back(
    before: ProbeAnswers | None,
    seen: list[ProbeAnswers],
    hasty: VerificationResult,
    patient: VerificationResult,
) -> None:
    assert Probed(case(before), rolling_back=True).probe_series(*seen) is hasty
    # While an update may still be on its way, nothing is verified until it has had its time.
    assert Probed(case(before), rolling_back=True, patient=True).probe_series(*seen) is patient


def test_a_switch_that_comes_late_starts_the_wait_for_the_old_model_again() -> None:
    endpoint = Probed(case(BEFORE), rolling_back=True, patient=True)
    assert endpoint.probe_series(*[BEFORE] * (ENOUGH - 1), AFTER, *[BEFORE] * (ENOUGH - 1)) is W
    assert endpoint.check(BEFORE) is L


def test_an_old_model_that_does_not_answer_as_before_says_why() -> None:
    endpoint = Probed(case(BEFORE), rolling_back=True)
    endpoint.check(BROKEN)
    assert endpoint.judged.why == BROKEN.detail
    endpoint.check(AFTER)
    assert endpoint.judged.why == "the answers are not those from before the update"
    endpoint.probe_series(BEFORE, BEFORE)
    assert endpoint.judged.why == "answers as before the update, in two probes in a row"


def test_a_return_without_probe_rows_is_called_unproven() -> None:
    endpoint = Probed(case(None), rolling_back=True)
    assert endpoint.check(None) is L
    assert "unproven" in endpoint.judged.why


def test_broken_answers_are_broken_for_any_model_that_the_service_names() -> None:
    check = EndpointCheck(UpdateProgress.DONE, BROKEN, configured="models/old")
    assert Probed(case(BEFORE)).probe_series(*[check] * ENOUGH) is B


def test_an_accepted_update_that_is_not_named_is_not_live_with_any_answers() -> None:
    check = EndpointCheck(UpdateProgress.DONE, AFTER, configured="models/old")
    endpoint = Probed(case(BEFORE))
    assert endpoint.probe_series(*[check] * (ENOUGH - 1)) is W
    assert endpoint.check(check) is U
    assert "still names models/old" in endpoint.judged.why


def test_a_model_that_is_set_again_must_answer_as_it_did_when_it_was_verified() -> None:
    expected = good("7")
    moved = case(good("1"), expected)
    assert Probed(moved).probe_series(expected) is W
    assert Probed(moved).probe_series(expected, expected) is L
    assert Probed(moved).probe_series(*[good("8")] * (ENOUGH - 1)) is W
    assert Probed(moved).probe_series(*[good("8")] * ENOUGH) is U
    verified = Probed(moved)
    verified.probe_series(expected, expected)
    assert verified.judged.probe_series.all.probes == 2  # the last one is kept with the other
    same = case(expected, expected)
    assert Probed(same, pace=HOUR).probe_series(*[expected] * 3) is W
    assert Probed(same).probe_series(*[expected] * ENOUGH) is L


def test_a_record_of_probes_stays_small_however_many_there_are() -> None:
    numbers, endpoint = count(), Probed(replace(case(BEFORE), within=1000 * HOUR))
    sizes = []
    for _ in range(500):
        endpoint.check(BEFORE if next(numbers) % 3 else SILENT)
        sizes.append(len(endpoint.case.probe_series.model_dump_json()))
    assert max(sizes) < min(sizes) + 200
    assert (
        ProbeSeries.model_validate_json(endpoint.case.probe_series.model_dump_json())
        == endpoint.case.probe_series
    )


def test_no_check_is_lost_because_it_saw_what_the_last_one_saw() -> None:
    endpoint = Probed(case(BEFORE))
    endpoint.probe_series(BEFORE, BEFORE, SILENT, BEFORE)
    probe_series = endpoint.case.probe_series
    assert (probe_series.all.probes, probe_series.row.probes) == (4, 3)
    assert probe_series.all.span == 3 * EVERY
    assert probe_series.last is not None
    assert probe_series.last.seen is ProbeOutcome.GOOD
