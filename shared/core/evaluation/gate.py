"""The gate: checks an evaluation against fixed bounds and against the live model.

A number that is not finite never passes a rule and never reaches a record, which is JSON.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Final, Literal

from pydantic import Field, FiniteFloat

from shared.core.config.cross_field import together
from shared.core.config.problems import Mistake
from shared.core.config.types import Name, Strict
from shared.core.counting import counted
from shared.core.evaluation.report import Row, metric_in, numbers_like, oddity
from shared.core.evaluation.text import folded, named_like, short, shown
from shared.core.frozen import FrozenModel, left_out

Direction = Literal["higher", "lower"]
Kind = Literal["at_least", "at_most", "max_drop", "min_gain"]

_KINDS: Final[tuple[Kind, ...]] = ("at_least", "at_most", "max_drop", "min_gain")
_COMPARING: Final = frozenset({"max_drop", "min_gain"})
#: By how much a difference may miss its bound, relative to the numbers: floats are not exact.
_ROUNDING: Final = 1e-12
#: How many numbers a record keeps, those with a rule first: evaluations may have thousands.
_MOST_METRICS: Final = 200
_DIGITS: Final = (6, 9, 12, 15)

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
    rf"|zerooneerror|logloss|negativeloglikelihood|errorrate){_OVER_CLASSES}"
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
        elif given[0] in _COMPARING and self.direction is None and self.better is None:
            what = f"it is not known whether more or less {short(self.metric)} is better"
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
        return any(getattr(self, kind) is not None for kind in _COMPARING)

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
    passed: bool
    why: str  #: one sentence with the numbers


class Verdict(FrozenModel):
    """The result of the gate: of all rules together."""

    passed: bool
    reason: str
    metrics: dict[str, FiniteFloat] = Field(default_factory=dict)  #: the finite ones
    row: dict[str, str] = Field(default_factory=dict)  #: the labels of the row of the model
    results: tuple[Result, ...] = ()


def judge(
    rules: Sequence[Rule],
    row: Row,
    live: Sequence[Mapping[str, float]],
    *,
    first_allowed: bool,
) -> Verdict:
    """Return whether the model of `row` passes every rule, and why.

    Args:
        rules: all of them must pass.
        row: the model's evaluation.
        live: the metrics of each model that would be replaced; each one is compared.
        first_allowed: whether a rule that compares passes if there is nothing to compare with.
    """
    results = tuple(_result(rule, row, live, first_allowed=first_allowed) for rule in rules)
    failed = [result.why for result in results if not result.passed]
    ruled = {folded(rule.metric) for rule in rules}
    finite = sorted(
        ((name, value) for name, value in row.metrics.items() if math.isfinite(value)),
        key=lambda one: folded(one[0]) not in ruled,
    )
    return Verdict(
        passed=not failed,
        reason="; ".join(failed) or _passed_text(len(results)),
        metrics=dict(finite[:_MOST_METRICS]),
        row=dict(row.labels),
        results=results,
    )


def judged_again(
    verdict: Verdict,
    rules: Sequence[Rule],
    live: Sequence[Mapping[str, float]],
    *,
    first_allowed: bool,
) -> Verdict:
    """Return the verdict on the same model, compared with the models that are live now.

    Args:
        verdict: the earlier one.
        rules: all of them must pass.
        live: the metrics of each model that would be replaced.
        first_allowed: as for `judge`.
    """
    row = Row(labels=verdict.row, metrics=verdict.metrics)
    return judge(rules, row, live, first_allowed=first_allowed)


def refused(reason: str) -> Verdict:
    """Return the verdict on a model whose evaluation is missing or cannot be read."""
    return Verdict(passed=False, reason=reason)


def _passed_text(count: int) -> str:
    match count:
        case 0:
            return "there are no rules"
        case 1:
            return "the rule holds"
        case _:
            return f"all {counted(count, 'rule')} hold"


def _result(
    rule: Rule, row: Row, live: Sequence[Mapping[str, float]], *, first_allowed: bool
) -> Result:
    value = metric_in(row, rule.metric)
    if value is None:
        return _result_of(rule, passed=False, why=_missing(rule, row))
    if not math.isfinite(value):
        why = f"{rule.metric} is {_word(value)}, which passes no rule"
        return _result_of(rule, passed=False, why=why)
    if rule.compares:
        return _compare(rule, value, live, first_allowed=first_allowed)
    return _check_bound(rule, value)


def _result_of(
    rule: Rule, *, passed: bool, why: str, value: float | None = None, live: float | None = None
) -> Result:
    return Result(
        metric=rule.metric,
        rule=rule.kind,
        bound=rule.bound,
        value=value,
        live=live,
        passed=passed,
        why=why,
    )


def _missing(rule: Rule, row: Row) -> str:
    several = numbers_like(row, rule.metric)
    if several and not set(several) & set(row.metrics):
        return f"{rule.metric} {row.unusable[several[0]]}"
    if several:
        return f"{rule.metric} could be any of {shown(several)}: write one as it is there"
    texts = named_like(row.labels, rule.metric)
    if texts:
        text = row.labels[texts[0]]
        return f"{rule.metric} is not a number: {short(text)}{oddity(text)}"
    known = shown(tuple(row.metrics)) or "no numbers"
    others = shown((*row.labels, *row.unusable))
    also = f", and not as numbers {others}" if others else ""
    return f"the evaluation has no metric {rule.metric}; it has {known}{also}"


def _check_bound(rule: Rule, value: float) -> Result:
    passed = value >= rule.bound if rule.kind == "at_least" else value <= rule.bound
    shown_value, shown_bound = _distinguished(value, rule.bound)
    relation = "holds" if passed else "is below" if rule.kind == "at_least" else "is above"
    why = f"{rule.metric} {shown_value} {relation} {rule.kind} {shown_bound}"
    return _result_of(rule, passed=passed, why=why, value=value)


def _compare(
    rule: Rule, value: float, live: Sequence[Mapping[str, float]], *, first_allowed: bool
) -> Result:
    found = [metric_in(Row({}, metrics), rule.metric) for metrics in live]
    known = [number for number in found if number is not None and math.isfinite(number)]
    complete = bool(known) and len(known) == len(found)
    best = (max if rule.better == "higher" else min)(known) if known else None
    holds = best is None or _holds(rule, value, best)
    whys = [] if best is None else [_difference(rule, value, best, rounded=holds)]
    if not complete:
        advice = "" if first_allowed else "; first_model: allow promotes nevertheless"
        whys.append(_nothing_to_compare(rule, len(found) - len(known), len(found)) + advice)
    passed = holds and (complete or first_allowed)
    return _result_of(rule, passed=passed, why="; ".join(whys), value=value, live=best)


def _holds(rule: Rule, value: float, live: float) -> bool:
    gain = value - live if rule.better == "higher" else live - value
    needed = rule.bound if rule.kind == "min_gain" else -rule.bound
    if needed > 0 >= gain:
        return False  # rounding never makes a gain of none
    return gain >= needed - _ROUNDING * max(abs(value), abs(live), rule.bound)


def _difference(rule: Rule, value: float, live: float, *, rounded: bool) -> str:
    shown_value, shown_live = _distinguished(value, live)
    distance = abs(value - live)
    shown_distance, shown_bound = _distinguished(distance, rule.bound)
    if rounded:  # equal to the bound but for the last digits
        shown_distance, shown_bound = _plain(distance), _plain(rule.bound)
    where = f"{shown_distance} {'over' if value > live else 'under'}" if distance else "equal to"
    return (
        f"{rule.metric} {shown_value} is {where} the live model's {shown_live}; "
        f"{rule.kind} is {shown_bound}"
    )


def _nothing_to_compare(rule: Rule, lacking: int, live: int) -> str:
    if not live:
        return f"{rule.metric}: there is no live model to compare with"
    return f"{rule.metric} is not known of {lacking} of {live} live models to compare with"


def _distinguished(one: float, other: float) -> tuple[str, str]:
    """Return both as texts, with as many digits as it takes to see that they differ."""
    for digits in _DIGITS:
        rounded = f"{one:.{digits}g}", f"{other:.{digits}g}"
        if rounded[0] != rounded[1]:
            return rounded
    return (repr(one), repr(other)) if one != other else (_plain(one), _plain(other))


def _plain(number: float) -> str:
    return f"{number:.{_DIGITS[0]}g}"


def _word(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"
