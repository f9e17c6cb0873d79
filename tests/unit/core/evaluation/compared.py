"""Comparisons on the same rows, for tests of verdicts."""

from typing import Any

from shared.core.config.gate_rule import Rule
from shared.core.decisions.comparison import Comparison, Interval, RuleOutcome, SliceComparison
from shared.core.evaluation.gate import Verdict
from shared.core.evaluation.judging import judge
from shared.core.evaluation.on_rows import OnRows
from shared.core.evaluation.report import Row

#: The run whose model serves.
LIVE = "sample-live"
ANCHOR = "sample-anchor"
RANGES = {
    RuleOutcome.FIT: (-0.004, 0.01),
    RuleOutcome.UNSURE: (-0.015, 0.002),
    RuleOutcome.WORSE: (-0.06, -0.03),
}


def interval(low: float, high: float, **changes: Any) -> Interval:
    known = {"difference": (low + high) / 2, "level": 0.9, "method": "delong"}
    return Interval(**{**known, "low": low, "high": high, **changes})


def comparison(outcome: RuleOutcome = RuleOutcome.FIT, **changes: Any) -> Comparison:
    """Return a comparison of AUC with the live model, for `max_drop: 0.01`."""
    found = interval(*RANGES[outcome])
    known: dict[str, Any] = {
        "against": "live",
        "run_id": LIVE,
        "model": "models/live.ilearner",
        "rows": 569,
        "positives": 228,
        "candidate": 0.91 + found.difference,
        "other": 0.91,
        "interval": found,
        "outcome": outcome,
        "rows_needed": 2300 if outcome is RuleOutcome.UNSURE else None,
    }
    return Comparison(**{**known, **changes})


def not_measured(why: str = "the scores are constant", **changes: Any) -> Comparison:
    """Return a comparison that gave no interval."""
    return comparison(RuleOutcome.UNSURE, interval=None, rows_needed=None, why=why, **changes)


def slice_of(value: str, outcome: RuleOutcome, **changes: Any) -> SliceComparison:
    known: dict[str, Any] = {
        "column": "region",
        "value": value,
        "rows": 64,
        "interval": interval(*RANGES[outcome]),
        "p_worse": 0.5,
        "outcome": outcome,
    }
    return SliceComparison(**{**known, **changes})


def judged(
    *comparisons: Comparison, rules: tuple[Rule, ...] = (), first: bool = False, **known: Any
) -> Verdict:
    """Return the verdict on comparisons of the first rule, by default `max_drop: 0.01`."""
    usual: dict[str, Any] = {"found": {0: comparisons}, "live": (LIVE,)}
    rules = rules or (Rule(metric="AUC", max_drop=0.01),)
    row = Row({}, {"F1": 0.8})
    return judge(rules, row, [{}], first_allowed=first, on_rows=OnRows(**{**usual, **known}))
