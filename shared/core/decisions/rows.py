"""Labelled rows that two models scored: the same position of each field is the same row."""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

#: Numbers beyond it are refused: sums of their squares could be too large for a float.
LARGEST: Final = 1e100


@dataclass(frozen=True, slots=True)
class PairedRows:
    """Rows that were matched by their ids; every number is finite.

    Labels that are classes are positions in `classes`, where the positive class of two is last.
    """

    ids: Sequence[str]
    labels: Sequence[float]
    candidate: Sequence[float]  #: scores or numbers, or positions in `classes`
    other: Sequence[float]  #: the same of the live model, or of the anchor
    classes: Sequence[str] = ()  #: empty: the labels are numbers
    predicts_classes: bool = False  #: the models gave a class for each row, and no score
    costs: Sequence[float] = ()  #: what a wrong answer costs for each row, where a column says it
    slices: Mapping[str, Sequence[str]] = field(default_factory=dict)  #: column -> its values
    note: str = ""  #: which rows were left out, and why; empty: none were

    def in_arrays(self) -> "PairedRows":
        """Return the same rows with numbers that need little memory, and are read in no time."""
        return replace(
            self,
            labels=array("d", self.labels),
            candidate=array("d", self.candidate),
            other=array("d", self.other),
            costs=array("d", self.costs),
        )
