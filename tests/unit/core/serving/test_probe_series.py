"""The sum of a series of probes: their number, their time, and the latest answers."""

from datetime import timedelta

import pytest

from shared.core.serving.probes import NO_PROBES, ProbeEvidence, ProbeSeries, Streak
from tests.unit.samples import HOUR, NOW, good

EVERY, SECOND = timedelta(minutes=1), timedelta(seconds=1)


def probe_series(*said: ProbeEvidence, pace: timedelta = EVERY) -> ProbeSeries:
    """Return checks at this pace, the first of them now."""
    known = NO_PROBES
    for number, evidence in enumerate(said):
        known = known.after(evidence, NOW + number * pace, EVERY)
    return known


def test_the_first_probe_has_no_time_and_each_further_one_adds_its_gap() -> None:
    streak = Streak().one_more(HOUR)
    assert streak == Streak(probes=1)
    assert streak.one_more(EVERY).one_more(SECOND) == Streak(probes=3, span=EVERY + SECOND)


@pytest.mark.parametrize(
    ("count", "span", "enough"),
    [(3, HOUR, True), (2, HOUR, False), (3, HOUR - SECOND, False), (4, 2 * HOUR, True)],
)
def test_a_verdict_takes_three_probes_and_the_whole_time(
    count: int, span: timedelta, *, enough: bool
) -> None:
    assert Streak(probes=count, span=span).lasted(HOUR) is enough


@pytest.mark.parametrize(
    ("gap", "counted"),
    [
        (SECOND, SECOND),
        (2 * EVERY, 2 * EVERY),
        (HOUR, 2 * EVERY),
        (timedelta(), timedelta()),
        (-HOUR, timedelta()),
    ],
)
def test_a_gap_counts_for_two_usual_ones_at_most_and_never_backwards(
    gap: timedelta, counted: timedelta
) -> None:
    known = probe_series(ProbeEvidence.FOR, ProbeEvidence.FOR, pace=gap)
    assert known.all == known.row == Streak(probes=2, span=counted)
    assert known.last_at == NOW + gap


@pytest.mark.parametrize(
    ("gap", "soon"),
    [(EVERY / 2, False), (EVERY / 2 - SECOND, True), (-EVERY / 2, False), (-SECOND, True)],
)
def test_a_check_within_half_the_usual_time_is_the_same_probe(
    gap: timedelta, *, soon: bool
) -> None:
    assert probe_series(ProbeEvidence.FOR).too_soon(NOW + gap, EVERY) is soon
    assert not NO_PROBES.too_soon(NOW, EVERY)


def test_probes_that_say_the_same_are_counted_until_one_says_otherwise() -> None:
    known = probe_series(ProbeEvidence.FOR, ProbeEvidence.FOR, ProbeEvidence.AGAINST)
    assert (known.evidence, known.row) == (ProbeEvidence.AGAINST, Streak(probes=1))
    assert known.all == Streak(probes=3, span=2 * EVERY)
    assert known.bad == Streak()


def test_a_check_without_an_answer_breaks_no_row_and_passes_its_time() -> None:
    known = probe_series(ProbeEvidence.FOR, ProbeEvidence.SILENT)
    assert (known.evidence, known.row) == (ProbeEvidence.FOR, Streak(probes=1, span=EVERY))
    assert known.bad == Streak(probes=1)
    again = known.after(ProbeEvidence.FOR, NOW + 2 * EVERY, EVERY)
    assert (again.row, again.bad) == (Streak(probes=2, span=2 * EVERY), Streak())
    only = probe_series(ProbeEvidence.SILENT, ProbeEvidence.SILENT)
    assert (only.evidence, only.row, only.bad) == (None, Streak(), Streak(probes=2, span=EVERY))


def test_errors_and_silence_are_probes_without_a_good_answer() -> None:
    known = probe_series(ProbeEvidence.BAD, ProbeEvidence.SILENT, ProbeEvidence.BAD)
    assert known.bad == Streak(probes=3, span=2 * EVERY)
    assert (known.evidence, known.row.probes) == (ProbeEvidence.BAD, 2)


def test_what_the_last_two_probes_saw_is_known() -> None:
    known = NO_PROBES.showing(good("1")).showing(good("2")).showing(None)
    assert (known.last, known.earlier) == (None, good("2"))


def test_what_probes_say_counts_while_the_last_one_had_a_good_answer() -> None:
    known = probe_series(*[ProbeEvidence.FOR] * 3)
    assert known.lasted(ProbeEvidence.FOR, 2 * EVERY)
    assert not known.lasted(ProbeEvidence.AGAINST, 2 * EVERY)
    assert not known.lasted(ProbeEvidence.FOR, 3 * EVERY)
    silent = known.after(ProbeEvidence.SILENT, NOW + 3 * EVERY, EVERY)
    assert not silent.lasted(ProbeEvidence.FOR, 2 * EVERY)


@pytest.mark.parametrize(
    ("count", "within", "is_inconclusive"),
    [(12, 11 * EVERY / 4, True), (11, EVERY, False), (12, 11 * EVERY / 4 + SECOND, False)],
)
def test_probes_agree_on_nothing_after_a_dozen_over_four_times_the_time(
    count: int, within: timedelta, *, is_inconclusive: bool
) -> None:
    assert probe_series(*[ProbeEvidence.FOR] * count).is_inconclusive(within) is is_inconclusive
