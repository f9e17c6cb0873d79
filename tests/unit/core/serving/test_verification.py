"""Which verdict the checks of an endpoint lead to: checks count, not the time between them."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from shared.core.serving.probes import NO_PROBES, EndpointCheck, ProbeAnswers
from shared.core.serving.verification_case import VerificationResult
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
from tests.unit.samples import BROKEN, HOUR, NOW, REFUSED, SILENT, good


def varying(size: int) -> list[ProbeAnswers]:
    return [good(f"0.{number}", "1") for number in range(30, 30 + size)]


@pytest.mark.parametrize(
    ("before", "seen", "verdict"),
    [
        pytest.param(BEFORE, [BEFORE] * (ENOUGH - 1), W, id="the same answers, too few"),
        pytest.param(BEFORE, [BEFORE] * ENOUGH, U, id="the same answers"),
        pytest.param(BEFORE, [AFTER], W, id="moved, one probe"),
        pytest.param(BEFORE, [AFTER, AFTER], L, id="moved, two probes that agree"),
        pytest.param(BEFORE, [BEFORE, AFTER, AFTER], L, id="moved late"),
        pytest.param(BEFORE, [OTHER, AFTER], W, id="moved, two probes that differ"),
        pytest.param(BEFORE, [OTHER, AFTER, OTHER], L, id="moved, three probes that differ"),
        pytest.param(BEFORE, [OTHER, BEFORE, AFTER], W, id="moved, and back between"),
        pytest.param(BEFORE, [AFTER, SILENT, AFTER], W, id="moved, no answer between"),
        pytest.param(BEFORE, [AFTER, SILENT, AFTER, AFTER], L, id="moved, twice after silence"),
        pytest.param(BEFORE, [OTHER, SILENT, AFTER, OTHER], W, id="vary, no answer between"),
        pytest.param(BEFORE, [BROKEN, BROKEN], W, id="broken twice: services switch so"),
        pytest.param(BEFORE, [BROKEN] * (ENOUGH - 1), W, id="broken, too few"),
        pytest.param(BEFORE, [BROKEN] * ENOUGH, B, id="broken"),
        pytest.param(BEFORE, [SILENT] * (ENOUGH - 1), W, id="no answer, too few"),
        pytest.param(BEFORE, [SILENT] * ENOUGH, B, id="no answer, though there was one before"),
        pytest.param(BEFORE, [REFUSED] * ENOUGH, B, id="refused"),
        pytest.param(BEFORE, [BROKEN, SILENT, REFUSED] * 3, B, id="bad in several ways"),
        pytest.param(BEFORE, [BEFORE] * 9 + [SILENT] * 2, U, id="unmoved, and then no answer"),
        pytest.param(BEFORE, [BEFORE] * 6 + [SILENT] * 2, W, id="no answer in the end"),
        pytest.param(BEFORE, [BEFORE] * 6 + [BROKEN] * 2, W, id="errors in the end"),
        pytest.param(BEFORE, [BEFORE, *[SILENT] * 4, BEFORE, BEFORE], U, id="unmoved round it"),
        pytest.param(SILENT, [SILENT] * ENOUGH, L, id="no answer, as before"),
        pytest.param(None, [AFTER] * (ENOUGH - 1), W, id="nothing before, too few"),
        pytest.param(None, [AFTER] * ENOUGH, L, id="nothing before to compare with"),
        pytest.param(None, [AFTER] + [SILENT] * ENOUGH, B, id="nothing before, and fell silent"),
        pytest.param(SILENT, [AFTER] * ENOUGH, L, id="no answer before to compare with"),
        pytest.param(BROKEN, [AFTER, AFTER], L, id="corrected: it was broken before"),
        pytest.param(BROKEN, [BROKEN] * ENOUGH, B, id="broken before and after"),
    ],
)
def test_verdicts_of_probes_on_a_new_model(
    before: ProbeAnswers | None, seen: list[ProbeAnswers], verdict: VerificationResult
) -> None:
    assert Probed(case(before)).probe_series(*seen) is verdict


@pytest.mark.parametrize("rolling_back", [True, False])
@pytest.mark.parametrize("gap", [HOUR, 1000 * HOUR])
@pytest.mark.parametrize("ahead", [0, 1, 2])
@pytest.mark.parametrize("now", [BEFORE, AFTER, OTHER, BROKEN, REFUSED, SILENT])
def test_however_long_no_probe_was_sent_two_more_probes_condemn_nothing_and_one_shows_nothing(
    now: ProbeAnswers, ahead: int, gap: timedelta, *, rolling_back: bool
) -> None:
    endpoint = Probed(case(BEFORE), rolling_back=rolling_back, patient=True)
    endpoint.probe_series(*[SILENT] * ahead)
    assert endpoint.check(now, gap) is W
    assert endpoint.check(now) in ((W, L) if now in (AFTER, OTHER) else (W,))


@pytest.mark.parametrize("gap", [timedelta(minutes=2), HOUR])
@pytest.mark.parametrize(("seen", "verdict"), [(BEFORE, U), (BROKEN, B), (REFUSED, B), (SILENT, B)])
def test_a_gap_counts_for_at_most_two_usual_ones(
    seen: ProbeAnswers, verdict: VerificationResult, gap: timedelta
) -> None:
    endpoint = Probed(case(BEFORE), pace=gap)
    assert endpoint.probe_series(*[seen] * 3) is W  # two gaps of a minute each
    assert endpoint.check(seen) is verdict


@pytest.mark.parametrize(("seen", "verdict"), [(BEFORE, U), (BROKEN, B), (SILENT, B)])
def test_at_least_three_probes_however_short_the_time(
    seen: ProbeAnswers, verdict: VerificationResult
) -> None:
    endpoint = Probed(replace(case(BEFORE), within=timedelta(seconds=1)))
    assert endpoint.probe_series(seen, seen) is W
    assert endpoint.check(seen) is verdict


@pytest.mark.parametrize("seen", [BEFORE, BROKEN, SILENT])
def test_a_clock_that_goes_back_adds_nothing(seen: ProbeAnswers) -> None:
    endpoint = Probed(case(BEFORE))
    for _ in range(20):
        assert endpoint.check(seen, -timedelta(minutes=10)) is W
    assert endpoint.case.probe_series.all.span == timedelta()


def test_two_probes_of_one_moment_count_as_one() -> None:
    one = NO_PROBES.model_copy(update={"last_at": NOW})
    for away in (timedelta(), EVERY / 3, -EVERY / 3):
        assert one.too_soon(NOW + away, EVERY)
    assert not one.too_soon(NOW + EVERY / 2, EVERY)
    assert not one.too_soon(NOW - HOUR, EVERY)  # a clock was wrong: that must not last
    assert not NO_PROBES.too_soon(NOW, EVERY)


def test_answers_that_vary_are_called_unproven_and_are_not_kept_to_compare_with() -> None:
    endpoint = Probed(case(BEFORE))
    assert endpoint.probe_series(*varying(3)) is L
    assert endpoint.judged.why == "unproven: answers vary"
    assert not endpoint.judged.steady


@pytest.mark.parametrize(
    "seen",
    [
        [AFTER, BEFORE],
        [AFTER, SILENT],
        [AFTER, BROKEN],
        [BEFORE, BROKEN],
        [AFTER, BEFORE, BROKEN, SILENT],
    ],
    ids=["old and new", "no answer between", "error between", "unmoved", "everything"],
)
def test_an_endpoint_that_never_comes_to_rest_is_not_live_and_not_waited_for_for_ever(
    seen: list[ProbeAnswers],
) -> None:
    endpoint = Probed(case(BEFORE))
    assert endpoint.probe_series(*seen * 200) in (B, U)
    probe_series = endpoint.case.probe_series.all.probes
    assert probe_series < 60
    assert (
        endpoint.judged.verdict is U
    ) or f"{probe_series} probes agreed on nothing" in endpoint.judged.why


@pytest.mark.parametrize("rolling_back", [True, False])
@pytest.mark.parametrize("before", [None, BEFORE, SILENT, BROKEN, more(BEFORE)])
def test_every_way_that_probes_repeat_ends_with_a_verdict(
    before: ProbeAnswers | None, *, rolling_back: bool
) -> None:
    for seen in product(KINDS, repeat=3):
        endpoint = Probed(case(before), rolling_back=rolling_back, patient=True)
        assert endpoint.probe_series(*[*seen] * 30) is not W, seen


@pytest.mark.parametrize("rolling_back", [True, False])
@pytest.mark.parametrize("before", [None, BEFORE, SILENT])
@pytest.mark.parametrize("expected", [None, AFTER])
def test_every_probe_is_kept_with_any_verdict(
    before: ProbeAnswers | None, expected: ProbeAnswers | None, *, rolling_back: bool
) -> None:
    for seen in product(KINDS, repeat=2):
        endpoint, made = Probed(case(before, expected), rolling_back), 0
        while made < 60:
            made += 1
            if endpoint.check(seen[made % 2]) is not W:
                break
        assert endpoint.judged.probe_series.all.probes == made, seen


@pytest.mark.parametrize(
    "check",
    [
        EndpointCheck(PENDING, AFTER),
        EndpointCheck(DONE, AFTER, "models/old"),
        EndpointCheck(DONE, BEFORE, TARGET),
        unreported(BEFORE, TARGET),
        unreported(BEFORE),
    ],
)
def test_what_the_service_says_is_kept_with_the_probes(check: EndpointCheck) -> None:
    endpoint = Probed(case(BEFORE))
    endpoint.probe_series(*[check] * ENOUGH)
    assert endpoint.judged.verdict is not W
    assert endpoint.judged.probe_series.all.probes == ENOUGH
