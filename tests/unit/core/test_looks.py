"""What looks amount to: how many there were, over what time, and what the latest ones say."""

from datetime import timedelta

import pytest

from shared.core.serving.probe_series import NO_LOOKS, Looks, Says, Streak
from tests.unit.samples import HOUR, NOW, good

EVERY, SECOND = timedelta(minutes=1), timedelta(seconds=1)


def looks(*said: Says, pace: timedelta = EVERY) -> Looks:
    """Return looks at this pace, the first of them now."""
    known = NO_LOOKS
    for number, says in enumerate(said):
        known = known.after(says, NOW + number * pace, EVERY)
    return known


def test_the_first_look_has_no_time_and_each_further_one_adds_its_gap() -> None:
    streak = Streak().one_more(HOUR)
    assert streak == Streak(looks=1)
    assert streak.one_more(EVERY).one_more(SECOND) == Streak(looks=3, span=EVERY + SECOND)


@pytest.mark.parametrize(
    ("count", "span", "enough"),
    [(3, HOUR, True), (2, HOUR, False), (3, HOUR - SECOND, False), (4, 2 * HOUR, True)],
)
def test_a_verdict_takes_three_looks_and_the_whole_time(
    count: int, span: timedelta, *, enough: bool
) -> None:
    assert Streak(looks=count, span=span).lasted(HOUR) is enough


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
    known = looks(Says.FOR, Says.FOR, pace=gap)
    assert known.all == known.row == Streak(looks=2, span=counted)
    assert known.last_at == NOW + gap


@pytest.mark.parametrize(
    ("gap", "soon"),
    [(EVERY / 2, False), (EVERY / 2 - SECOND, True), (-EVERY / 2, False), (-SECOND, True)],
)
def test_a_look_within_half_the_usual_time_is_the_same_look(gap: timedelta, *, soon: bool) -> None:
    assert looks(Says.FOR).too_soon(NOW + gap, EVERY) is soon
    assert not NO_LOOKS.too_soon(NOW, EVERY)


def test_looks_that_say_the_same_are_counted_until_one_says_otherwise() -> None:
    known = looks(Says.FOR, Says.FOR, Says.AGAINST)
    assert (known.says, known.row) == (Says.AGAINST, Streak(looks=1))
    assert known.all == Streak(looks=3, span=2 * EVERY)
    assert known.bad == Streak()


def test_a_look_without_an_answer_breaks_no_row_and_passes_its_time() -> None:
    known = looks(Says.FOR, Says.SILENT)
    assert (known.says, known.row) == (Says.FOR, Streak(looks=1, span=EVERY))
    assert known.bad == Streak(looks=1)
    again = known.after(Says.FOR, NOW + 2 * EVERY, EVERY)
    assert (again.row, again.bad) == (Streak(looks=2, span=2 * EVERY), Streak())
    only = looks(Says.SILENT, Says.SILENT)
    assert (only.says, only.row, only.bad) == (None, Streak(), Streak(looks=2, span=EVERY))


def test_errors_and_silence_are_looks_without_a_good_answer() -> None:
    known = looks(Says.BAD, Says.SILENT, Says.BAD)
    assert known.bad == Streak(looks=3, span=2 * EVERY)
    assert (known.says, known.row.looks) == (Says.BAD, 2)


def test_what_the_last_two_looks_saw_is_known() -> None:
    known = NO_LOOKS.showing(good("1")).showing(good("2")).showing(None)
    assert (known.last, known.earlier) == (None, good("2"))


def test_what_looks_say_counts_while_the_last_one_had_a_good_answer() -> None:
    known = looks(*[Says.FOR] * 3)
    assert known.lasted(Says.FOR, 2 * EVERY)
    assert not known.lasted(Says.AGAINST, 2 * EVERY)
    assert not known.lasted(Says.FOR, 3 * EVERY)
    silent = known.after(Says.SILENT, NOW + 3 * EVERY, EVERY)
    assert not silent.lasted(Says.FOR, 2 * EVERY)


@pytest.mark.parametrize(
    ("count", "within", "unsettled"),
    [(12, 11 * EVERY / 4, True), (11, EVERY, False), (12, 11 * EVERY / 4 + SECOND, False)],
)
def test_looks_agree_on_nothing_after_a_dozen_over_four_times_the_time(
    count: int, within: timedelta, *, unsettled: bool
) -> None:
    assert looks(*[Says.FOR] * count).unsettled(within) is unsettled
