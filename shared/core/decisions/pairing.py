"""Matches the rows that two models scored by their ids, and refuses what cannot be compared."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from shared.core.counting import counted
from shared.core.decisions.predictions import Cell, Column, Predictions, class_name
from shared.core.decisions.rows import LARGEST, PairedRows
from shared.core.text import short

#: If more than one row of this number has an id that cannot be matched, nothing is compared.
_ONE_IN: Final = 100
#: Classes, the positive one last, whose names are also scores: 0 or 1 may be a probability.
_SCORES: Final = ("0", "1")
_TRUTH: Final = {"true", "false"}
#: By how much two labels may differ, relative to them: one program may round, and another not.
_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns of predictions are."""

    label: str
    candidate: str
    other: str  #: the score of the other model: in the same file, or in its own
    positive: bool | int | float | str | None = (
        None  #: of two classes; None: the labels are numbers
    )
    cost: str | None = None
    slices: Sequence[str] = ()
    of_two: str = ""  #: a metric that is compared, and is for two classes; empty: none is

    @property
    def own(self) -> tuple[str, ...]:
        """The columns that are read of the candidate's file, where the other one has its own."""
        return (self.label, self.candidate, *((self.cost,) if self.cost else ()))

    @property
    def together(self) -> tuple[str, ...]:
        """The columns that are read of one file with both scores."""
        return (*self.own, self.other)

    @property
    def others(self) -> tuple[str, ...]:
        """The columns that are read of the other model's own file."""
        return (self.label, self.other)


@dataclass(frozen=True, slots=True)
class NotPaired:
    """Two models cannot be compared on their rows, and why."""

    reason: str


def paired(
    candidate: Predictions, other: Predictions | None, meaning: Columns
) -> PairedRows | NotPaired:
    """Return the rows that both models scored, in the order of the candidate's file.

    Rows whose ids repeat, or are in one of two files only, or have two labels, are left out if
    they are at most one in a hundred. If one row lacks its label or a score, nothing is compared:
    a model could otherwise leave out what it cannot score.

    Args:
        candidate: the candidate's predictions.
        other: those of the live model or the anchor; None: they are in the same file.
        meaning: what the columns are.
    """
    try:
        return _paired(candidate, other, meaning)
    except _CannotCompareError as reason:
        return NotPaired(str(reason))


class _CannotCompareError(Exception):
    """Why there is no comparison."""


def _paired(candidate: Predictions, other: Predictions | None, meaning: Columns) -> PairedRows:
    mine, theirs, note = _matched(candidate, other, meaning)
    there = (other or candidate).columns[meaning.other]
    labels = _Cells(candidate.columns[meaning.label], mine, meaning.label, "a label")
    scored = candidate.columns[meaning.candidate]
    ours = _Cells(scored, mine, meaning.candidate, "a score of the candidate")
    others = _Cells(there, theirs, meaning.other, "a score of the other model")
    for cells in (labels, ours, others):
        cells.require_values()
    classes: tuple[str, ...] = ()
    hard = False
    if meaning.positive is not None:
        classes, hard = _classes(labels, (ours, others), meaning)
    scores = [
        cells.as_classes(classes) if hard else cells.as_numbers(for_class=bool(classes))
        for cells in (ours, others)
    ]
    return PairedRows(
        ids=[candidate.ids[at] for at in mine],
        labels=labels.as_classes(classes) if classes else labels.as_numbers(),
        candidate=scores[0],
        other=scores[1],
        classes=classes,
        predicts_classes=hard,
        costs=_costs(candidate, mine, meaning),
        slices={name: [candidate.texts[name][at] for at in mine] for name in meaning.slices},
        note=note,
    )


@dataclass(frozen=True, slots=True)
class _Cells:
    """The cells of one column at the matched rows."""

    column: Column
    at: Sequence[int]
    name: str
    what: str  #: what a cell is, such as a label

    def __iter__(self) -> Iterator[Cell]:
        return (self.column[at] for at in self.at)

    def require_values(self) -> None:
        """Refuse rows where there is nothing, NaN or an infinite number."""
        what, empty = self.what, self.column.empty
        numbers, texts = self.column.numbers, self.column.texts
        self.refuse(f"rows without {what}", [at for at in self.at if at in empty])
        odd = [at for at in self.at if not math.isfinite(numbers[at]) and at not in texts]
        self.refuse(f"rows with {what} that is NaN or infinite", odd)

    def as_numbers(self, *, for_class: bool = False) -> list[float]:
        """Return numbers, and refuse texts, and what is too large to compute with.

        Args:
            for_class: they are scores for a class: metrics of these compute only with shares.
        """
        self.refuse("rows with a text in place of a number", self.texts)
        found = [self.column.numbers[at] for at in self.at]
        if not for_class:
            huge = [at for at, one in zip(self.at, found, strict=True) if abs(one) > LARGEST]
            self.refuse(f"rows with {self.what} too large to compute with", huge)
        return found

    def as_classes(self, classes: Sequence[str]) -> list[float]:
        """Return the positions of the classes."""
        places = {name: float(at) for at, name in enumerate(classes)}
        of_cell = {cell: places[class_name(cell)] for cell in set(self)}
        return [of_cell[cell] for cell in self]

    def require_classes(self, known: Collection[str], *, scored: bool) -> None:
        """Refuse texts that are no label, where most are, or where there are scores too.

        Args:
            known: the classes of the labels.
            scored: whether there are numbers that are not a class.
        """
        texts = self.column.texts
        odd = [at for at in self.texts if class_name(texts[at]) not in known]
        if scored or 2 * len(odd) > len(self.at):
            of = f"the {counted(len(known), 'class', 'classes')}"
            advice = "write a score as 0.5, or write the predicted class as labels do"
            self.refuse(f"rows with a text that is not one of {of}: {advice}", odd)

    def no_class(self, known: Collection[str]) -> list[int]:
        """Return the rows with a number that is not a class."""
        of_cell = {cell: class_name(cell) in known for cell in set(self)}
        texts = self.column.texts
        return [at for at in self.at if at not in texts and not of_cell[self.column[at]]]

    def rarest(self) -> str:
        """Return where the rarest of several classes is: it may be no class at all."""
        first: dict[str, int] = {}
        times: Counter[str] = Counter()
        of_cell = {cell: class_name(cell) for cell in set(self)}
        for at in self.at:
            name = of_cell[self.column[at]]
            first.setdefault(name, at)
            times[name] += 1
        name = min(first, key=lambda one: (times[one], first[one]))
        return f"the rarest has {counted(times[name], 'row')}, row {first[name] + 1} first"

    @property
    def classes(self) -> set[str]:
        """The classes that the cells name."""
        return {class_name(cell) for cell in set(self)}

    @property
    def texts(self) -> list[int]:
        """The rows with a text."""
        return [at for at in self.at if at in self.column.texts] if self.column.texts else []

    def refuse(self, what: str, faulty: Sequence[int]) -> None:
        """Refuse faulty rows; the message says how many there are, and which is the first."""
        if faulty:
            many = _share(len(faulty), len(self.at))
            where = f"column {short(self.name)}, row {faulty[0] + 1} first"
            raise _CannotCompareError(f"{what}: {many}; {where}")


def _costs(candidate: Predictions, at: Sequence[int], meaning: Columns) -> Sequence[float]:
    if meaning.cost is None:
        return ()
    cells = _Cells(candidate.columns[meaning.cost], at, meaning.cost, "a cost")
    cells.require_values()
    return cells.as_numbers()


def _matched(
    candidate: Predictions, other: Predictions | None, meaning: Columns
) -> tuple[list[int], list[int], str]:
    """Return the positions of the matched rows in both files, and what was left out."""
    whys: list[str] = []
    mine = _distinct(candidate.ids, " of the candidate" if other else "", whys)
    if other is None:
        at = list(mine.values())
        _require_most(whys, len(at), candidate)
        return at, at, _note(whys)
    theirs = _distinct(other.ids, " of the other model", whys)
    for ids, there, whose in ((mine, theirs, "candidate"), (theirs, mine, "other model")):
        if lacking := len(ids.keys() - there.keys()):
            whys.append(f"ids of the {whose} without a match: {_share(lacking, len(ids))}")
    both = [name for name in mine if name in theirs]
    label, again = candidate.columns[meaning.label], other.columns[meaning.label]
    same = [name for name in both if _same(label[mine[name]], again[theirs[name]])]
    if differing := len(both) - len(same):
        whys.append(f"ids with two labels: {_share(differing, len(both))}")
    _require_most(whys, len(same), candidate, other)
    return [mine[name] for name in same], [theirs[name] for name in same], _note(whys)


def _distinct(ids: Sequence[str], whose: str, whys: list[str]) -> dict[str, int]:
    """Return the position of each id that occurs once."""
    times = Counter(ids)
    repeated = sum(many for name, many in times.items() if name and many > 1)
    for number, what in (
        (times[""], f"rows{whose} without an id"),
        (repeated, f"rows{whose} with an id that repeats"),
    ):
        if number:
            whys.append(f"{what}: {_share(number, len(ids))}")
    return {name: at for at, name in enumerate(ids) if name and times[name] == 1}


def _same(one: Cell, other: Cell) -> bool:
    """Whether two labels of one row are the same, however they are written."""
    if one is None or other is None:
        return one is other
    if isinstance(one, float) and isinstance(other, float):
        return one == other or math.isclose(one, other, rel_tol=_ROUNDING)
    return one == other or class_name(one) == class_name(other)


def _require_most(whys: Sequence[str], kept: int, *files: Predictions) -> None:
    if any((len(one.ids) - kept) * _ONE_IN > len(one.ids) for one in files):
        raise _CannotCompareError(f"more than 1 % of the rows cannot be matched: {'; '.join(whys)}")


def _note(whys: Sequence[str]) -> str:
    return f"left out: {'; '.join(whys)}" if whys else ""


def _share(number: int, rows: int) -> str:
    """Return a count with its share, such as `3 of 569 (0.53 %)`."""
    percent = 100 * number / rows
    return (
        f"{number} of {rows} ({percent:.1f} %)"
        if percent >= 1
        else (f"{number} of {rows} ({percent:.2g} %)")
    )


def _classes(
    labels: _Cells, scores: Sequence[_Cells], meaning: Columns
) -> tuple[tuple[str, ...], bool]:
    """Return the classes, and whether the models predict classes in place of scores."""
    known, positive = labels.classes, class_name(meaning.positive)
    if len(known) == 1:
        raise _CannotCompareError("all rows have the same label, so nothing can be compared")
    two = len(known) == 2  # noqa: PLR2004
    if known == _TRUTH and positive == _SCORES[1]:
        positive = "true"  # the default, and labels that a program wrote as truth
    if two and positive not in known:
        raise _CannotCompareError(
            "there are two classes, and neither is `positive` of gate.compare"
        )
    hard = not two or any(cells.texts for cells in scores)
    if not hard and _ordered(known, positive) != _SCORES:
        hard = all(class_name(cell) in known for cells in scores for cell in cells)
    if not hard:
        return _ordered(known, positive), False
    odd = [cells.no_class(known) for cells in scores]
    for cells in scores:
        cells.require_classes(known, scored=two and any(odd))
    what = f"rows with a number that is not one of the {counted(len(known), 'class', 'classes')}"
    what = f"{what}: write the predicted class"
    if not two:
        column = short(labels.name)
        what = f"{what}, or correct column {column} if there are two classes: {labels.rarest()}"
        if meaning.of_two:
            what = f"{meaning.of_two} is for two classes, and there are {len(known)}; {what}"
    for cells, numbers in zip(scores, odd, strict=True):
        cells.refuse(what, numbers)
    said = (cells.classes for cells in scores)
    return _ordered(known.union(*said), positive), True


def _ordered(classes: Iterable[str], positive: str) -> tuple[str, ...]:
    """Return the classes in order, the positive one last."""
    return tuple(sorted(classes, key=lambda name: (name == positive, name)))
