"""Measures how often a comparison on the same rows is wrong, and how often it is unsure.

Rows are drawn for which the true difference is known (`proofs/drawn_models.py`), and rules with a
margin of 0.01 are applied at 90 %. Bounds are exact from 2,000 trials on; with fewer, a share may
miss its bound by three standard errors.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from proofs import anchor_falls, traffic_errors
from proofs.drawn_models import Setting, drawn, metric_of
from proofs.outcomes import Effort, Outcome, Violation, again
from shared.core.counting import counted
from shared.core.decisions.compared import Scored, compared, method_of
from shared.core.decisions.comparison import RuleOutcome as Says
from shared.core.decisions.metrics import Kind
from shared.core.evaluation.compared_rules import outcome_of

PART: Final = "decisions"
MARGIN: Final = 0.01
LEVEL: Final = 0.9
WORSE: Final = 0.045
#: Of the bootstrap, in place of 2,000 of the others.
_OF_BOOTSTRAP: Final = 300 / 2000
_EXACT_FROM: Final = 2000
_STANDARD_ERRORS: Final = 3.0
_FEW, _MANY = 569, 2000
_USUAL_POSITIVES: Final = 0.4
_CORRELATIONS: Final = (0.7, 0.9, 0.95, 0.98)
#: Of metrics other than AUC, which nothing is promised of that needs more.
_SOME_CORRELATIONS: Final = (0.7, 0.9, 0.98)
_HIGH, _HIGHER = 0.9, 0.95
#: Usual values of each metric in practice.
_USUAL: Final = {
    Kind.ACCURACY: 0.85,
    Kind.LOG_LOSS: 0.4,
    Kind.BRIER: 0.1,
    Kind.MAE: 0.3,
    Kind.QUANTILE_LOSS: 0.2,
    Kind.COST: 0.1,
    Kind.F1: 0.8,
    Kind.RMSE: 0.3,
    Kind.R2: 0.9,
}
_AUCS: Final = (0.75, 0.85, 0.95)
#: At AUC 0.75 the share of 2,000 rows is 85.0 %, so that every other seed would miss the bound.
_STRONG: Final = 0.85

NEVER_WORSE: Final = "equal models on the same rows: at most 2 % are called worse"
NEVER_FIT: Final = "models worse by 0.045, 569 rows: at most 2 % are called fit"
FOUND: Final = (
    "AUC worse by 0.045, 569 rows, 40 % positive, correlation of 0.9 or more: 90 % are called worse"
)
PASSES: Final = "equal AUC of 0.85 or more, 2,000 rows, correlation 0.95: 85 % are called fit"
COVERED: Final = "intervals at 90 % hold the true difference in 87 to 93 % of trials"
FEWER: Final = "with fewer than 30 rows of a class nothing is decided, and the reason is said"


@dataclass(slots=True)
class Shares:
    """The results of the trials of one setting."""

    setting: Setting
    trials: int
    fit: int = 0
    worse: int = 0
    unsure: int = 0
    covered: int = 0
    reasons: set[str] = field(default_factory=set)

    def share(self, count: int) -> float:
        """Return a count as a share of the trials."""
        return count / self.trials

    def slack(self, bound: float) -> float:
        """Return by how much a share may miss a bound."""
        few = self.trials < _EXACT_FROM
        return _STANDARD_ERRORS * math.sqrt(bound * (1 - bound) / self.trials) if few else 0.0

    def above(self, count: int, bound: float) -> bool:
        """Whether a count is more than a share of the trials."""
        return self.share(count) > bound + self.slack(bound)

    def below(self, count: int, bound: float) -> bool:
        """Whether a count is less than a share of the trials."""
        return self.share(count) < bound - self.slack(bound)

    def __str__(self) -> str:
        """Return the setting and the shares."""
        shares = (self.fit, self.worse, self.unsure)
        fit, worse, unsure = (f"{self.share(count):.1%}" for count in shares)
        return (
            f"{self.setting}: {fit} fit, {worse} worse, {unsure} unsure; "
            f"{self.share(self.covered):.1%} hold the difference"
        )


def settings() -> Iterator[Setting]:
    """Yield what is drawn: every metric, equal and worse, with usual correlations."""
    auc = metric_of(Kind.AUC)
    for worse in (0.0, WORSE):
        for value in _AUCS:
            for correlation in _CORRELATIONS:
                yield Setting(auc, value, worse, _FEW, correlation)
        yield Setting(auc, _STRONG, worse, _MANY, _HIGHER, positives=0.1)
        yield Setting(auc, _STRONG, worse, 100, _HIGH, positives=0.5)
        for kind, value in _USUAL.items():
            for correlation in _SOME_CORRELATIONS:
                yield Setting(metric_of(kind), value, worse, _FEW, correlation)
    # Of many rows the promises are about equal models.
    for value in _AUCS:
        yield Setting(auc, value, 0.0, _MANY, _HIGHER)
    for kind, value in _USUAL.items():
        yield Setting(metric_of(kind), value, 0.0, _MANY, _HIGHER)


def measured(setting: Setting, trials: int, seed: int) -> Shares:
    """Return the results of a number of draws.

    Args:
        setting: what is drawn.
        trials: how often.
        seed: of all draws.
    """
    chance = np.random.default_rng([seed, *str(setting).encode()])
    shares = Shares(setting, trials)
    for trial in range(trials):
        rows = drawn(setting, chance)
        found = compared(setting.metric, rows, level=LEVEL, seed=f"{seed}/{trial}")
        if not isinstance(found, Scored):
            shares.unsure += 1
            shares.reasons.add(found.reason)
            continue
        interval = found.interval
        match outcome_of(interval, -MARGIN):
            case Says.FIT:
                shares.fit += 1
            case Says.WORSE:
                shares.worse += 1
            case Says.UNSURE:
                shares.unsure += 1
        shares.covered += interval.low <= -setting.worse_by <= interval.high
    return shares


def wrong(shares: Shares) -> Iterator[tuple[str, str]]:
    """Yield each promise that the shares are about, and how they break it; empty: they do not."""
    setting, said = shares.setting, str(shares)
    if not setting.worse_by:
        yield NEVER_WORSE, said if shares.above(shares.worse, 0.02) else ""
    elif setting.rows == _FEW:
        yield NEVER_FIT, said if shares.above(shares.fit, 0.02) else ""
    if setting.metric.kind is Kind.AUC:
        surely = setting.rows == _FEW and setting.correlation >= _HIGH
        if setting.worse_by and surely:
            yield FOUND, said if shares.below(shares.worse, 0.9) else ""
        many = (
            setting.rows == _MANY
            and setting.other >= _STRONG
            and setting.positives == _USUAL_POSITIVES
        )
        if not setting.worse_by and many:
            yield PASSES, said if shares.below(shares.fit, 0.85) else ""
    off = shares.below(shares.covered, 0.87) or shares.above(shares.covered, 0.93)
    yield COVERED, said if off else ""


def part(effort: Effort) -> list[Outcome]:
    """Draw `effort.size` times for each setting; a bootstrap and an anchor are tried less often.

    The settings with too few rows are drawn a few times: each draw has to be refused.
    """
    found = []
    for setting in settings():
        found.append(measured(setting, _trials(setting, effort.size), effort.seed))
        effort.progress()
    few = max(1, effort.size // 10)
    refused = [measured(setting, few, effort.seed) for setting in too_few()]
    anchored = anchor_falls.part(replace(effort, size=few))
    steps = traffic_errors.part(replace(effort, size=max(1, effort.size // 2)))
    return [*outcomes(found, effort), *_undecided(refused, effort), *anchored, *steps]


def outcomes(found: Iterable[Shares], effort: Effort) -> list[Outcome]:
    """Return the promises about these shares.

    Args:
        found: of all settings.
        effort: for the command that repeats it.
    """
    plan = again(PART, "--seed", effort.seed, "--size", effort.size)
    about: dict[str, list[tuple[Shares, str]]] = {}
    for shares in found:
        for promise, broken in wrong(shares):
            about.setdefault(promise, []).append((shares, broken))
    return [
        Outcome(
            promise,
            sum(shares.trials for shares, _ in those),
            tuple(Violation(plan, broken) for _, broken in those if broken),
            _NOTES.get(promise, _no_notes)([shares for shares, _ in those]),
        )
        for promise, those in about.items()
    ]


def _no_notes(found: Sequence[Shares]) -> str:
    del found
    return ""


def _unsure(found: Sequence[Shares]) -> str:
    """Return the shares that are unsure, for each metric and number of rows."""
    lines: dict[str, list[str]] = {}
    for shares in found:
        setting = shares.setting
        name = f"{setting.metric.kind} {setting.other:g}, {counted(setting.rows, 'row')}"
        share = f"{shares.share(shares.unsure):.0%} ({setting.correlation:g})"
        lines.setdefault(name, []).append(share)
    each = "; ".join(f"{name}: {', '.join(those)}" for name, those in lines.items())
    return f"unsure, and in brackets the correlation: {each}"


def _covered(found: Sequence[Shares]) -> str:
    """Return the least and the most of the shares that hold the difference, for each metric."""
    lines: dict[str, list[float]] = {}
    for shares in found:
        share = shares.share(shares.covered)
        lines.setdefault(str(shares.setting.metric.kind), []).append(share)
    return "; ".join(
        f"{name} {min(those):.1%} to {max(those):.1%}" for name, those in lines.items()
    )


_NOTES: Final[Mapping[str, Callable[[Sequence[Shares]], str]]] = {
    NEVER_WORSE: _unsure,
    COVERED: _covered,
}


def too_few() -> Iterator[Setting]:
    """Yield settings with too few rows to decide."""
    auc = metric_of(Kind.AUC)
    yield Setting(auc, 0.85, WORSE, 12, _HIGH)
    yield Setting(auc, 0.85, WORSE, 200, _HIGH, positives=0.05)
    for kind, value in _USUAL.items():
        yield Setting(metric_of(kind), value, WORSE, 25, _HIGH)


def _undecided(found: Iterable[Shares], effort: Effort) -> list[Outcome]:
    plan = again(PART, "--seed", effort.seed, "--size", effort.size)
    all_ = list(found)
    broken = [
        Violation(plan, str(shares))
        for shares in all_
        if shares.unsure < shares.trials or not all(shares.reasons)
    ]
    return [Outcome(FEWER, sum(shares.trials for shares in all_), tuple(broken))]


def _trials(setting: Setting, size: int) -> int:
    drawn_again = method_of(setting.metric) == "paired_bootstrap"
    return max(1, round(size * _OF_BOOTSTRAP)) if drawn_again else size
