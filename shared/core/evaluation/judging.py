"""Judges a model: fixed bounds, recorded numbers, and comparisons on the same rows.

A number that is not finite never passes a rule and never reaches a record, which is JSON.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from shared.core.config.gate_rule import COMPARING, Rule
from shared.core.counting import counted
from shared.core.decisions.comparison import RuleOutcome
from shared.core.evaluation.gate import Result, Verdict, worst
from shared.core.evaluation.noise import words_of_noise
from shared.core.evaluation.on_rows import NO_ROWS, OnRows, result_on_rows
from shared.core.evaluation.report import Row, metric_in, numbers_like, oddity
from shared.core.text import distinguished, folded, named_like, plain, short, shown

#: By how much a difference may miss its bound, relative to the numbers: floats are not exact.
_ROUNDING: Final = 1e-12
#: How many numbers a record keeps, those with a rule first: evaluations may have thousands.
_MOST_METRICS: Final = 200


def judge(
    rules: Sequence[Rule],
    row: Row,
    live: Sequence[Mapping[str, float]],
    *,
    first_allowed: bool,
    on_rows: OnRows = NO_ROWS,
) -> Verdict:
    """Return what the rules say of the model of `row`, and why.

    The outcome is the worst that a rule says; one that is only observed does not count. An
    unsure model is promoted, rejected or asked about as `gate.compare` says. Without an interval,
    or with one of another model than serves, nothing was measured, so that an operator is asked
    where it would be promoted.

    Args:
        rules: all of them must pass.
        row: the model's evaluation.
        live: the metrics of each model that would be replaced; each one is compared.
        first_allowed: whether a rule that compares passes if there is nothing to compare with.
        on_rows: the comparisons on the same rows, for the rules that have some.
    """
    results = tuple(
        _result(at, rule, row, live, on_rows, first_allowed=first_allowed)
        for at, rule in enumerate(rules)
    )
    deciding = [result for result in results if not result.observe]
    outcome = worst(result.outcome for result in deciding)
    passed = all(result.passed for result in deciding)
    verdict = Verdict(
        passed=passed,
        reason=_reason(results, outcome),
        metrics=_kept(rules, row, results),
        row=dict(row.labels),
        results=results,
        unsure=outcome is RuleOutcome.UNSURE,
        uncompared=_uncompared(deciding, on_rows),
    )
    asks = on_rows.unsure in ("ask", "wait") or not verdict.measured
    return verdict.evolve(needs_approval=passed and verdict.unsure and asks)


def judged_again(
    verdict: Verdict,
    rules: Sequence[Rule],
    live: Sequence[Mapping[str, float]],
    *,
    first_allowed: bool,
    on_rows: OnRows = NO_ROWS,
) -> Verdict:
    """Return the verdict on the same model, compared with the models that are live now.

    Args:
        verdict: the earlier one.
        rules: all of them must pass.
        live: the metrics of each model that would be replaced.
        first_allowed: as for `judge`.
        on_rows: which models serve and are pinned now; the comparisons are those of the verdict.
    """
    row = Row(labels=verdict.row, metrics=verdict.metrics)
    known = {at: verdict.results[at].comparisons for at in on_rows.found}
    again = replace(on_rows, found=known)
    return judge(rules, row, live, first_allowed=first_allowed, on_rows=again)


def _kept(rules: Sequence[Rule], row: Row, results: Sequence[Result]) -> dict[str, float]:
    """Return the numbers that a record keeps: those with a rule, computed or read, come first."""
    computed = {one.metric: one.value for one in results if one.comparisons}
    names = {folded(name) for name in row.metrics}
    numbers = dict(row.metrics) | {
        name: value
        for name, value in computed.items()
        if value is not None and folded(name) not in names
    }
    ruled = {folded(rule.metric) for rule in rules}
    finite = sorted(
        ((name, value) for name, value in numbers.items() if math.isfinite(value)),
        key=lambda one: folded(one[0]) not in ruled,
    )
    return dict(finite[:_MOST_METRICS])


def _uncompared(deciding: Sequence[Result], on_rows: OnRows) -> tuple[str, ...]:
    found = (on_rows.uncompared(one.comparisons) for one in deciding if one.unsure)
    return tuple(dict.fromkeys(run_id for some in found for _, run_id in some))


def _reason(results: Sequence[Result], outcome: RuleOutcome) -> str:
    """Return what the verdict says in one line; a comparison always with its numbers."""
    deciding = [result for result in results if not result.observe]
    failed = [result for result in deciding if result.outcome is RuleOutcome.WORSE]
    unsure = [result.why for result in deciding if result.unsure]
    observed = [
        f"observed only: {result.why}"
        for result in results
        if result.observe and result.outcome is not RuleOutcome.FIT
    ]
    match outcome:
        case RuleOutcome.WORSE:
            said = [result.why for result in failed]
        case RuleOutcome.UNSURE:
            said = [f"unsure: {'; '.join(unsure)}"]
        case RuleOutcome.FIT:
            compared = [one.why for one in deciding if one.rule in COMPARING]
            said = [": ".join(filter(None, (_passed_text(results, deciding), "; ".join(compared))))]
    return "; ".join((*said, *observed))


def _passed_text(results: Sequence[Result], deciding: Sequence[Result]) -> str:
    match len(deciding):
        case 0:
            return "no rule decides" if results else "there are no rules"
        case 1:
            return "the rule holds"
        case many:
            return f"all {counted(many, 'rule')} hold"


def _result(
    at: int,
    rule: Rule,
    row: Row,
    live: Sequence[Mapping[str, float]],
    on_rows: OnRows,
    *,
    first_allowed: bool,
) -> Result:
    comparisons = on_rows.found.get(at)
    if comparisons is None:
        result = _on_numbers(rule, row, live, first_allowed=first_allowed)
    else:
        result = result_on_rows(rule, comparisons, on_rows, first_allowed=first_allowed)
        if result.value is None:  # of a first model there is no comparison
            value = metric_in(row, rule.metric)
            known = value if value is not None and math.isfinite(value) else None
            result = result.evolve(value=known)
    return result.evolve(observe=True) if rule.observe else result


def _on_numbers(
    rule: Rule, row: Row, live: Sequence[Mapping[str, float]], *, first_allowed: bool
) -> Result:
    value = metric_in(row, rule.metric)
    if row.unread:
        why = f"{rule.metric} is unknown: {row.unread}"
        return _result_of(rule, passed=False, why=why).evolve(unread=row.unread)
    if value is None:
        return _result_of(rule, passed=False, why=_missing(rule, row))
    if not math.isfinite(value):
        why = f"{rule.metric} is {_word(value)}, which passes no rule"
        return _result_of(rule, passed=False, why=why)
    if rule.compares:
        noise = words_of_noise(rule.metric, value, row.metrics)
        return _compare(rule, value, live, noise, first_allowed=first_allowed)
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
    shown_value, shown_bound = distinguished(value, rule.bound)
    relation = "holds" if passed else "is below" if rule.kind == "at_least" else "is above"
    why = f"{rule.metric} {shown_value} {relation} {rule.kind} {shown_bound}"
    return _result_of(rule, passed=passed, why=why, value=value)


def _compare(
    rule: Rule,
    value: float,
    live: Sequence[Mapping[str, float]],
    noise: str,
    *,
    first_allowed: bool,
) -> Result:
    found = [metric_in(Row({}, metrics), rule.metric) for metrics in live]
    known = [number for number in found if number is not None and math.isfinite(number)]
    complete = bool(known) and len(known) == len(found)
    best = (max if rule.better == "higher" else min)(known) if known else None
    holds = best is None or _holds(rule, value, best)
    whys = [] if best is None else [_difference(rule, value, best, rounded=holds), noise]
    if not complete:
        advice = "" if first_allowed else "; first_model: allow promotes nevertheless"
        whys.append(_nothing_to_compare(rule, len(found) - len(known), len(found)) + advice)
    passed = holds and (complete or first_allowed)
    return _result_of(rule, passed=passed, why="; ".join(whys), value=value, live=best)


def _holds(rule: Rule, value: float, live: float) -> bool:
    gain = value - live if rule.better == "higher" else live - value
    if rule.signed_bound > 0 >= gain:
        return False  # rounding never makes a gain of none
    return gain >= rule.signed_bound - _ROUNDING * max(abs(value), abs(live), rule.bound)


def _difference(rule: Rule, value: float, live: float, *, rounded: bool) -> str:
    shown_value, shown_live = distinguished(value, live)
    distance = abs(value - live)
    shown_distance, shown_bound = distinguished(distance, rule.bound)
    if rounded:  # equal to the bound but for the last digits
        shown_distance, shown_bound = plain(distance), plain(rule.bound)
    where = f"{shown_distance} {'over' if value > live else 'under'}" if distance else "equal to"
    return (
        f"{rule.metric} {shown_value} is {where} the live model's {shown_live}; "
        f"{rule.kind} is {shown_bound}"
    )


def _nothing_to_compare(rule: Rule, lacking: int, live: int) -> str:
    if not live:
        return f"{rule.metric}: there is no live model to compare with"
    return f"{rule.metric} is unknown for {lacking} of {live} live models to compare with"


def _word(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"
