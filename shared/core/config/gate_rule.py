"""One rule of a gate as it is configured: a bound of one metric."""

import re
from collections.abc import Iterator
from typing import Annotated, Final, Literal

from pydantic import Field, FiniteFloat

from shared.core.config.cross_field import together
from shared.core.config.problems import Mistake
from shared.core.config.types import Name, Strict
from shared.core.frozen import left_out
from shared.core.text import folded, short

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


def signed(kind: Kind, bound: float) -> float:
    """Return the bound of a rule that compares as a difference, where positive is better.

    Args:
        kind: of the rule.
        bound: its number: `max_drop: 0.01` is a difference of -0.01.
    """
    return bound if kind == "min_gain" else -bound


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
    def signed_bound(self) -> float:
        """The bound as a difference, where positive is better, of a rule that compares."""
        return signed(self.kind, self.bound)

    @property
    def checks_slices(self) -> bool:
        """Whether no slice may be worse by more than the bound either."""
        return self.kind == "max_drop"

    @property
    def compares(self) -> bool:
        """Whether the bound is a distance from the model that serves."""
        return any(getattr(self, kind) is not None for kind in COMPARING)

    @property
    def better(self) -> Direction | None:
        """Whether higher or lower is better, by the file or by the metric's name."""
        return self.direction or direction_of(self.metric)
