"""A comparison of two models on the same labelled rows, as verdicts record it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from pydantic import FiniteFloat

from shared.core.frozen import FrozenModel

Method = Literal["delong", "paired_t", "paired_bootstrap"]
Opponent = Literal["live", "anchor"]


class RuleOutcome(StrEnum):
    """What the gate says of a model."""

    FIT = "fit"  #: it holds every rule, as sure as `level` asks for
    WORSE = "worse"  #: it breaks a rule, as sure as `level` asks for
    UNSURE = "unsure"  #: the rows are too few to tell


#: From the best to the worst: the outcome of several rules is the worst of theirs.
OUTCOMES: Final = (RuleOutcome.FIT, RuleOutcome.UNSURE, RuleOutcome.WORSE)
_DEPLOYMENT: Final = "deployment "  # no id of a run has a blank
_OF_MODEL: Final = " of model "


@dataclass(frozen=True, slots=True)
class OfNoRun:
    """A model that no run promoted: its text is where else the id of a run is."""

    deployment: str  #: that has it
    model: str = ""  #: its name; empty: it is not known

    def __str__(self) -> str:
        of_model = f"{_OF_MODEL}{self.model}" if self.model else ""
        return f"{_DEPLOYMENT}{self.deployment}{of_model}"

    @classmethod
    def named(cls, run_id: str) -> "OfNoRun | None":
        """Return the model that this text stands for; None: it is the id of a run."""
        if not run_id.startswith(_DEPLOYMENT):
            return None
        deployment, _, model = run_id.removeprefix(_DEPLOYMENT).partition(_OF_MODEL)
        return cls(deployment, model)


def whose(run_id: str) -> str:
    """Return what a sentence calls that which a model is of: its run, or its deployment.

    Args:
        run_id: as a comparison has it.
    """
    return run_id if OfNoRun.named(run_id) else f"run {run_id}"


class Interval(FrozenModel):
    """How much better the candidate is, two-sided; positive is better, for every metric."""

    difference: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat
    level: FiniteFloat  #: the share of such intervals that hold the true difference, such as 0.9
    method: Method


class SliceComparison(FrozenModel):
    """The same metric on the rows of one slice."""

    column: str
    value: str
    rows: int
    interval: Interval | None  #: None: it cannot be compared, see `why`
    p_worse: FiniteFloat | None  #: one-sided, before Holm: of a difference as bad as the margin
    outcome: RuleOutcome
    why: str = ""


class Comparison(FrozenModel):
    """One metric of the candidate and of one other model, on the same rows."""

    against: Opponent
    run_id: str  #: the run whose model it was compared with; or the text of `OfNoRun`
    model: str  #: its name, for operators
    rows: int
    positives: int | None = None  #: with two classes: the rows of the positive one
    candidate: FiniteFloat | None  #: None: it could not be computed, see `why`
    other: FiniteFloat | None
    interval: Interval | None  #: None: there is none, see `why`
    outcome: RuleOutcome
    rows_needed: int | None = None  #: about how many would settle it; None: no need, or too many
    slices: tuple[SliceComparison, ...] = ()
    why: str = ""  #: why there is no interval, or what else an operator should know
