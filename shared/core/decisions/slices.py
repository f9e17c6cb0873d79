"""Compares two models on parts of the rows, such as the regions, and finds those that are worse.

With many slices, one of them looks worse by chance. So the p-values go through S. Holm's procedure
(Scandinavian Journal of Statistics 6 (1979) 65): with models that are equal in every slice, the
chance that any is called worse is at most one in twenty at a level of 90 %.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, cast

from shared.core.counting import counted
from shared.core.decisions.bootstrap import generator
from shared.core.decisions.compared import NotComparable, Scored, compared
from shared.core.decisions.comparison import RuleOutcome, SliceComparison
from shared.core.decisions.metrics import UNRELIABLE, Kind, Metric
from shared.core.decisions.rows import PairedRows
from shared.core.text import short

if TYPE_CHECKING:
    from shared.core.decisions.intervals import Places

_SMALL: Final = "are not checked"
#: How many slices a verdict checks, of all its metrics and other models together.
MOST_CHECKED: Final = 400
#: How many rows of a slice are compared, drawn at random.
MOST_ROWS: Final = 50_000
#: How many slices a record lists: a column may have a value for each row.
MOST_LISTED: Final = 50
#: The draws of F1 take as much longer again for each further group of this many classes.
_CLASSES: Final = 5


def slices_for_each(metrics: Sequence[Metric], opponents: Sequence[PairedRows]) -> int:
    """Return how many slices are checked for one metric and one other model.

    It is decided before, so that the time of a verdict has a bound for any rows.

    Args:
        metrics: whose slices are checked.
        opponents: the rows of each other model.
    """
    classes = max((len(rows.classes) for rows in opponents), default=0)
    weights = (max(1, classes // _CLASSES) if one.kind is Kind.F1 else 1 for one in metrics)
    return max(1, MOST_CHECKED // max(1, len(opponents) * sum(weights)))


@dataclass(frozen=True, slots=True)
class Sliced:
    """What is known of the slices of some rows, the worst first."""

    listed: tuple[SliceComparison, ...]
    worse: int  #: in how many the candidate is worse
    left_out: int  #: how many are not listed; none of them is worse unless very many are


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """One slice."""

    column: str
    value: str
    count: int
    places: "Places"  #: where its rows are, or some of them


@dataclass(frozen=True, slots=True, eq=False)
class Slices:
    """The slices of some rows, those first that are checked first."""

    rows: PairedRows
    parts: tuple[_Part, ...]
    left_out: int  #: how many more there are, all of them small
    seed: str

    @classmethod
    def of(cls, rows: PairedRows, seed: str) -> "Slices":
        """Return the slices of rows: first the largest of each column, then the second of each.

        Args:
            rows: with the columns of the slices.
            seed: what draws are derived from.
        """
        ranked: list[tuple[int, _Part]] = []
        left_out = 0
        for column, values in rows.slices.items():
            parts, more = _parts(rows, column, values, seed)
            ranked += enumerate(parts)
            left_out += more
        ranked.sort(key=lambda one: (one[0], -one[1].count, one[1].column))
        return cls(rows, tuple(part for _, part in ranked), left_out, seed)

    def compared(
        self, metric: Metric, *, level: float, min_rows: int, most: int
    ) -> "ComparedSlices":
        """Return the comparison in each slice.

        Args:
            metric: what is compared.
            level: of the intervals.
            min_rows: slices with fewer are listed, and not checked.
            most: how many are checked.
        """
        found: list[tuple[_Part, Scored | NotComparable]] = []
        left = most
        for part in self.parts:
            if part.count < min_rows:
                few = f"{counted(part.count, 'row')}; slices below {min_rows} {_SMALL}"
                found.append((part, NotComparable(few)))
            elif not left:
                many = f"only {counted(most, 'slice')} can be checked, the largest of each column"
                found.append((part, NotComparable(f"{many} first")))
            else:
                left -= 1
                seed = f"{self.seed}/{part.column}/{part.value}"
                rows = _taken(self.rows, part.places)
                found.append((part, compared(metric, rows, level=level, seed=seed)))
        return ComparedSlices(tuple(found), level, self.left_out)


@dataclass(frozen=True, slots=True)
class ComparedSlices:
    """The slices of some rows, compared by one metric."""

    found: tuple[tuple[_Part, Scored | NotComparable], ...]
    level: float
    left_out: int

    def judged(self, margin: float) -> Sliced:
        """Return which slices are worse; half of the rest of the level is the chance of error.

        Args:
            margin: a candidate that is worse by more than this is worse.
        """
        listed = [_said(part, one, margin) for part, one in self.found]
        checked = [one for one in listed if one.p_worse is not None]
        worse = holm([one.p_worse or 0.0 for one in checked], (1 - self.level) / 2)
        called = {id(one) for one, is_worse in zip(checked, worse, strict=True) if is_worse}
        judged = [
            one.evolve(outcome=RuleOutcome.WORSE) if id(one) in called else one for one in listed
        ]
        judged.sort(key=_order)
        left_out = self.left_out + max(0, len(judged) - MOST_LISTED)
        return Sliced(tuple(judged[:MOST_LISTED]), len(called), left_out)


def is_small(one: SliceComparison) -> bool:
    """Whether a slice has no interval because its rows are too few.

    Args:
        one: as a record lists it.
    """
    return one.interval is None and (_SMALL in one.why or UNRELIABLE in one.why)


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


def _parts(
    rows: PairedRows, column: str, values: Sequence[str], seed: str
) -> tuple[list[_Part], int]:
    """Return the largest slices of a column in order, and how many more there are."""
    import numpy as np

    known: dict[str, int] = {}
    codes = np.fromiter(
        (known.setdefault(value, len(known)) for value in values), np.int32, len(values)
    )
    sizes, names = np.bincount(codes, minlength=len(known)).tolist(), list(known)
    order, ends = np.argsort(codes, kind="stable"), np.cumsum(sizes)
    largest = heapq.nsmallest(
        MOST_CHECKED + MOST_LISTED, range(len(names)), key=lambda at: (-sizes[at], names[at])
    )
    found = [
        _Part(
            column,
            names[at],
            sizes[at],
            _some(rows, order[ends[at] - sizes[at] : ends[at]], f"{seed}/{column}/{names[at]}"),
        )
        for at in largest
    ]
    return found, len(names) - len(found)


def _some(rows: PairedRows, places: "Places", seed: str) -> "Places":
    """Return the places of some of very many rows; their order in the file makes no difference."""
    import numpy as np

    if len(places) <= MOST_ROWS:
        return places
    taken = _taken(rows, places)
    keys = (
        taken.labels,
        taken.candidate,
        taken.other,
        *([taken.costs] if len(taken.costs) else ()),
    )
    mixed = generator(seed).permutation(np.lexsort(keys))
    return np.asarray(places[mixed[:MOST_ROWS]])


def _taken(rows: PairedRows, places: "Places") -> PairedRows:
    import numpy as np

    def taken(values: Sequence[float]) -> Sequence[float]:
        return cast("Sequence[float]", np.asarray(values, dtype=float)[places])

    return replace(
        rows,
        ids=(),
        labels=taken(rows.labels),
        candidate=taken(rows.candidate),
        other=taken(rows.other),
        costs=taken(rows.costs) if len(rows.costs) else (),
        slices={},
    )


def _said(part: _Part, found: Scored | NotComparable, margin: float) -> SliceComparison:
    column, value = short(part.column), short(part.value)
    match found:
        case NotComparable(reason=reason):
            return _unknown(column, value, part.count, reason)
        case Scored(interval=interval, estimate=estimate, note=note):
            some = f"compared on {MOST_ROWS:,} of its rows, drawn at random"
            notes = (some if part.count > found.rows else "", note)
            return SliceComparison(
                column=column,
                value=value,
                rows=part.count,
                interval=interval,
                p_worse=estimate.p_worse(-margin),
                outcome=RuleOutcome.FIT if interval.low > -margin else RuleOutcome.UNSURE,
                why="; ".join(filter(None, notes)),
            )


def _unknown(column: str, value: str, rows: int, why: str) -> SliceComparison:
    return SliceComparison(
        column=column,
        value=value,
        rows=rows,
        interval=None,
        p_worse=None,
        outcome=RuleOutcome.UNSURE,
        why=why,
    )


def _order(one: SliceComparison) -> tuple[bool, float, int, str, str]:
    """Return the key that sorts the worst first, and those that were not checked last."""
    chance = 2.0 if one.p_worse is None else one.p_worse
    return one.outcome is not RuleOutcome.WORSE, chance, -one.rows, one.column, one.value
