"""The rules of a gate, and the verdict that records keep of them."""

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Final, Literal

from pydantic import Field, FiniteFloat

from shared.core.config.cross_field import together
from shared.core.config.problems import Mistake
from shared.core.config.types import Name, Strict
from shared.core.decisions.comparison import OUTCOMES, Comparison, Outcome
from shared.core.evaluation.text import folded, short
from shared.core.frozen import FrozenModel, left_out

Direction = Literal["higher", "lower"]
Kind = Literal["at_least", "at_most", "max_drop", "min_gain"]

_KINDS: Final[tuple[Kind, ...]] = ("at_least", "at_most", "max_drop", "min_gain")
#: The bounds that are a distance from another model.
COMPARING: Final = frozenset({"max_drop", "min_gain"})

_AVERAGED: Final = (
    r"(?:overall|average|mean|balanced|weighted|normalized|normmacro|(?:macro|micro)(?:averaged)?)?"
)
_OVER_CLASSES: Final = r"(?:score)?(?:macro|micro|weighted|binary)?"
_HIGHER: Final = re.compile(
    rf"{_AVERAGED}(?:auc|rocauc|auroc|accuracy|precision|averageprecision|recall|f1|fscore|fmeasure"
    r"|r2|r²|rsquared|coefficientofdetermination|explainedvariance|ndcg|loglikelihood"
    rf"|spearmancorrelation|matthewscorrelation){_OVER_CLASSES}"
)
# Training Log Loss is in neither: it is documented as an advantage over a random prediction and,
# in the same breath, as a loss to minimise (studio-classic §7, DOC-EVAL).
_LOWER: Final = re.compile(
    rf"{_AVERAGED}(?:mae|mse|rmse|rmsle|mape|rae|rse|absoluteerror|squarederror|rootmeansquarederror"
    r"|rootmeansquaredlogerror|relativeabsoluteerror|relativesquarederror|medianabsoluteerror"
    r"|meanabsoluteerror|meansquarederror|squaredlogerror|absolutepercentageerror"
    r"|zerooneerror|logloss|negativeloglikelihood|errorrate|brier(?:score)?(?:loss)?|cost"
    rf"|(?:quantile|pinball)loss){_OVER_CLASSES}"
)

Bound = Annotated[FiniteFloat, Field(strict=True)]
Distance = Annotated[FiniteFloat, Field(strict=True, ge=0)]


def direction_of(metric: str) -> Direction | None:
    """Return whether a higher or a lower value of a usual metric is better; None: not known.

    Names are compared as in `metric_in`; they are those of Studio (studio-classic §7)
    and of Azure Machine Learning v2.
    """
    name = folded(metric)
    if _HIGHER.fullmatch(name):
        return "higher"
    return "lower" if _LOWER.fullmatch(name) else None


class Rule(Strict):
    """One rule on one metric, with exactly one of at_least, at_most, max_drop and min_gain."""

    metric: Name = Field(
        description="A column of the evaluation; case, blanks, _ and - make no difference.",
        examples=["AUC", "Mean Absolute Error"],
    )
    at_least: Bound | None = Field(
        default=None, description="The metric is not below this.", examples=[0.8]
    )
    at_most: Bound | None = Field(
        default=None, description="The metric is not above this.", examples=[0.2]
    )
    max_drop: Distance | None = Field(
        default=None,
        description="The metric is worse than the live model's by no more than this.",
        examples=[0.01],
    )
    min_gain: Distance | None = Field(
        default=None,
        description="The metric is better than the live model's by this or more.",
        examples=[0.005],
    )
    direction: Direction | None = Field(
        default=None,
        description="Whether higher or lower is better, for max_drop and min_gain; only needed for "
        "unusual metrics.",
    )
    against: Literal["rows", "recorded"] | None = left_out(
        description="For max_drop and min_gain. rows: both models on the same rows, the default "
        "with gate.compare; recorded: the number that was recorded for the live model, on other "
        "rows, the default without it.",
    )
    observe: bool = left_out(
        default=False, description="true: the rule is checked and recorded, and does not decide."
    )

    @together
    def _against_where_it_is_used(self) -> Iterator[Mistake]:
        if self.against is not None and not self.compares:
            what = "only max_drop and min_gain compare with another model"
            yield Mistake(what, "remove it", ("against",))

    @together
    def _one_bound(self) -> Iterator[Mistake]:
        given = [kind for kind in _KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            what = f"{' and '.join(given)} are separate rules" if given else "the rule has no bound"
            yield Mistake(what, f"name one of {', '.join(_KINDS)}")
        elif given[0] in COMPARING and self.direction is None and self.better is None:
            what = f"it is unknown whether more or less {short(self.metric)} is better"
            yield Mistake(what, "write higher or lower", ("direction",))

    @property
    def kind(self) -> Kind:
        """Which of the bounds it names."""
        return next(kind for kind in _KINDS if getattr(self, kind) is not None)

    @property
    def bound(self) -> float:
        """The number of the bound."""
        return float(getattr(self, self.kind))

    @property
    def compares(self) -> bool:
        """Whether the bound is a distance from the model that serves."""
        return any(getattr(self, kind) is not None for kind in COMPARING)

    @property
    def better(self) -> Direction | None:
        """Whether higher or lower is better, by the file or by the metric's name."""
        return self.direction or direction_of(self.metric)


class Result(FrozenModel):
    """The result of one rule."""

    metric: str
    rule: Kind
    bound: FiniteFloat
    value: FiniteFloat | None  #: None: missing or not finite, see `why`
    live: FiniteFloat | None  #: of the best live model, if the rule compares with it
    passed: bool  #: whether the rule lets the model on; an unsure one may
    why: str  #: one sentence with the numbers
    unsure: bool = left_out(default=False)  #: whether the rows are too few to tell
    observe: bool = left_out(default=False)  #: whether it is only recorded, and does not decide
    comparisons: tuple[Comparison, ...] = left_out(())  #: on the same rows
    #: Runs of these whose models serve, or are pinned, no more: such a comparison does not count.
    gone: tuple[str, ...] = left_out(())

    @property
    def measured(self) -> bool:
        """Whether there are comparisons, each of them with an interval."""
        return bool(self.comparisons) and all(one.interval for one in self.comparisons)

    @property
    def outcome(self) -> Outcome:
        """What the rule says of the model."""
        if self.unsure:
            return Outcome.UNSURE
        return Outcome.FIT if self.passed else Outcome.WORSE


class Verdict(FrozenModel):
    """The result of the gate: of all rules together."""

    passed: bool  #: whether the model may be promoted, as far as the gate goes
    reason: str
    metrics: dict[str, FiniteFloat] = Field(default_factory=dict)  #: the finite ones
    row: dict[str, str] = Field(default_factory=dict)  #: the labels of the row of the model
    results: tuple[Result, ...] = ()
    unsure: bool = left_out(default=False)  #: whether the rows are too few to tell
    needs_approval: bool = left_out(default=False)  #: whether an operator decides, being unsure
    #: Runs whose models serve, or are pinned, now: the model was not compared with these.
    uncompared: tuple[str, ...] = left_out(())

    @property
    def outcome(self) -> Outcome | None:
        """The worst outcome of its rules; None: there was nothing to judge the model by."""
        if self.unsure:
            return Outcome.UNSURE
        if self.passed:
            return Outcome.FIT
        return Outcome.WORSE if self.results else None

    @property
    def measured(self) -> bool:
        """Whether being unsure is only a matter of rows, of every rule that decides.

        An interval of the difference from a model that serves no more measures nothing.
        """
        unsure = (one for one in self.results if one.unsure and not one.observe)
        return not self.uncompared and all(one.measured for one in unsure)


def refused(reason: str) -> Verdict:
    """Return the verdict on a model whose evaluation is missing or cannot be read."""
    return Verdict(passed=False, reason=reason)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the worst of several outcomes; without any, fit."""
    return max(outcomes, key=OUTCOMES.index, default=Outcome.FIT)
