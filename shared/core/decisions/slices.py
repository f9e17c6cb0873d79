"""Compares two models on parts of the rows, such as the regions, and finds those that are worse.

With many slices, one of them looks worse by chance. So the p-values go through S. Holm's procedure
(Scandinavian Journal of Statistics 6 (1979) 65): with models that are equal in every slice, the
chance that any is called worse is at most one in twenty at a level of 90 %.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from shared.core.counting import counted
from shared.core.decisions.compared import NotComparable, Scored, compared
from shared.core.decisions.comparison import Outcome, SliceComparison
from shared.core.decisions.metrics import Metric
from shared.core.decisions.rows import PairedRows
from shared.core.evaluation.text import short

#: How many slices of a column are checked, the largest first: it may have a value for each row.
MOST_CHECKED: Final = 200
#: How many slices a record lists: a column may have a value for each row.
MOST_LISTED: Final = 50


@dataclass(frozen=True, slots=True)
class Sliced:
    """What is known of the slices of some rows, the worst first."""

    listed: tuple[SliceComparison, ...]
    worse: int  #: in how many the candidate is worse
    left_out: int  #: how many are not listed; none of them is worse unless very many are


def compared_slices(
    metric: Metric, rows: PairedRows, *, margin: float, level: float, min_rows: int, seed: str
) -> Sliced:
    """Return the comparison in each slice of the rows.

    Args:
        metric: what is compared.
        rows: with the columns of the slices.
        margin: a candidate that is worse by more than this is worse.
        level: of the intervals; a slice is worse with half of the rest as its chance of error.
        min_rows: slices with fewer are listed, and not checked.
        seed: what the draws of a bootstrap are derived from.
    """
    found = [
        _compared(metric, part, margin=margin, level=level, seed=seed)
        for part in _parts(rows, min_rows)
    ]
    checked = [one for one in found if one.p_worse is not None]
    worse = holm([one.p_worse or 0.0 for one in checked], (1 - level) / 2)
    called = {id(one) for one, is_worse in zip(checked, worse, strict=True) if is_worse}
    judged = [one.evolve(outcome=Outcome.WORSE) if id(one) in called else one for one in found]
    judged.sort(key=_order)
    return Sliced(tuple(judged[:MOST_LISTED]), len(called), max(0, len(judged) - MOST_LISTED))


def holm(p_values: Sequence[float], error: float) -> list[bool]:
    """Return which hypotheses are rejected, so that any wrong one is rejected with this chance.

    Args:
        p_values: of each hypothesis.
        error: the chance of at least one wrong rejection.
    """
    rejected = [False] * len(p_values)
    left = len(p_values)
    for place in sorted(range(len(p_values)), key=p_values.__getitem__):
        if p_values[place] > error / left:
            break
        rejected[place], left = True, left - 1
    return rejected


@dataclass(frozen=True, slots=True)
class _Part:
    """The rows of one slice; None: they are too few to be checked."""

    column: str
    value: str
    count: int
    rows: PairedRows | None
    why: str = ""  #: why it is not checked


def _parts(rows: PairedRows, min_rows: int) -> Iterator[_Part]:
    for column, values in rows.slices.items():
        places: dict[str, list[int]] = {}
        for at, value in enumerate(values):
            places.setdefault(value, []).append(at)
        largest = sorted(places, key=lambda value: (-len(places[value]), value))
        for number, value in enumerate(largest):
            those, why = places[value], ""
            if len(those) < min_rows:
                why = f"{counted(len(those), 'row')}; slices below {min_rows} are not checked"
            elif number >= MOST_CHECKED:
                why = f"only the {MOST_CHECKED} largest slices of a column are checked"
            yield _Part(column, value, len(those), None if why else _taken(rows, those), why)


def _taken(rows: PairedRows, at: Sequence[int]) -> PairedRows:
    def taken(values: Sequence[float]) -> list[float]:
        return [values[place] for place in at]

    return replace(
        rows,
        ids=[rows.ids[place] for place in at],
        labels=taken(rows.labels),
        candidate=taken(rows.candidate),
        other=taken(rows.other),
        costs=taken(rows.costs) if len(rows.costs) else (),
        slices={},
    )


def _compared(
    metric: Metric, part: _Part, *, margin: float, level: float, seed: str
) -> SliceComparison:
    column, value = short(part.column), short(part.value)
    if part.rows is None:
        return _unknown(column, value, part.count, part.why)
    found = compared(metric, part.rows, level=level, seed=f"{seed}/{part.column}/{part.value}")
    match found:
        case NotComparable(reason=reason):
            return _unknown(column, value, part.count, reason)
        case Scored(interval=interval, estimate=estimate, note=note):
            return SliceComparison(
                column=column,
                value=value,
                rows=part.count,
                interval=interval,
                p_worse=estimate.p_worse(-margin),
                outcome=Outcome.FIT if interval.low > -margin else Outcome.UNSURE,
                why=note,
            )


def _unknown(column: str, value: str, rows: int, why: str) -> SliceComparison:
    return SliceComparison(
        column=column,
        value=value,
        rows=rows,
        interval=None,
        p_worse=None,
        outcome=Outcome.UNSURE,
        why=why,
    )


def _order(one: SliceComparison) -> tuple[bool, float, int, str, str]:
    """Return the key that sorts the worst first, and those that were not checked last."""
    chance = 2.0 if one.p_worse is None else one.p_worse
    return one.outcome is not Outcome.WORSE, chance, -one.rows, one.column, one.value
