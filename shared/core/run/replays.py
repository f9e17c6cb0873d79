"""Replays the verdict on a run by other rules, as far as its record says what it was made of.

The numbers of the model and its comparisons are in the verdict. Which models served then is not,
but for their ids: what is assumed of them has to give the recorded verdict again, exactly.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import combinations, islice
from typing import Final, Literal

from shared.core.config.compare import Compare, Unsure
from shared.core.config.gate import Gate
from shared.core.config.gate_rule import Rule
from shared.core.decisions.comparison import Comparison, RuleOutcome
from shared.core.decisions.power import rows_needed
from shared.core.evaluation.compared_rules import outcome_of
from shared.core.evaluation.gate import Result, Verdict
from shared.core.evaluation.judging import judge
from shared.core.evaluation.on_rows import OnRows
from shared.core.evaluation.report import Row, metric_in
from shared.core.run.gate_events import needs_approval
from shared.core.run.record import Run
from shared.core.text import folded

#: How many assumptions about live models are tried, and for how many endpoints at most.
_MOST_WAYS: Final = 64
_MOST_LIVE: Final = 20

Numbers = Mapping[str, float]


class GateAction(StrEnum):
    """What the gate does with a model after its verdict."""

    PROMOTE = "promote"  #: the model is promoted, or kept where there is no endpoint
    ASK = "ask"  #: an operator decides
    WAIT = "wait"  #: it waits for the next run, then an operator decides
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Replay:
    """The verdict on one run, as it was and by other rules."""

    run: Run
    recorded: Verdict
    recorded_action: GateAction
    verdict: Verdict | None = None  #: None: it cannot be known, see `why`
    action: GateAction | None = None
    by: Literal["record", "files"] | None = None  #: what it was made of
    why: str = ""

    @property
    def changed(self) -> bool:
        """Whether the gate would have done something else with the model."""
        return self.action is not None and self.action is not self.recorded_action


def gate_action(run: Run, gate: Gate, verdict: Verdict) -> GateAction:
    """Return what a gate does with a model.

    Args:
        run: the run.
        gate: its own, or another one.
        verdict: what this gate says of its model.
    """
    if not verdict.passed:
        return GateAction.REJECT
    if not run.config.endpoints:
        return GateAction.PROMOTE
    if needs_approval(by_gate(run, gate)):
        return GateAction.ASK
    if not verdict.needs_approval:
        return GateAction.PROMOTE
    waits = gate.compare is not None and gate.compare.unsure == "wait"
    return GateAction.WAIT if waits else GateAction.ASK


def by_gate(run: Run, gate: Gate) -> Run:
    """Return a run as if it was opened with another gate; nothing of it is stored.

    Args:
        run: the run.
        gate: the other one.
    """
    return run.evolve(config=run.config.evolve(gate=gate))


@dataclass(frozen=True, slots=True)
class VerdictInputs:
    """What a model is judged by: its numbers, those of the models that served, comparisons."""

    row: Row
    live: Sequence[Numbers]
    on_rows: OnRows

    def verdict(self, gate: Gate) -> Verdict:
        """Return what the rules of a gate say."""
        first = gate.first_model == "allow"
        return judge(gate.rules, self.row, self.live, first_allowed=first, on_rows=self.on_rows)


def evidence_kept(gate: Gate, verdict: Verdict, endpoints: int) -> VerdictInputs | None:
    """Return what gives a recorded verdict again; None: what is recorded does not.

    Args:
        gate: by which it was made.
        verdict: as it is recorded.
        endpoints: how many the run has: each may have served another model.
    """
    if len(verdict.results) != len(gate.rules):
        return None
    read = [one for at, one in enumerate(verdict.results) if at not in gate.row_rules]
    row = Row(verdict.row, verdict.metrics, unread=_unread(read))
    live = _live_numbers(gate, verdict, row, endpoints)
    if live is None:
        return None
    found = {at: verdict.results[at].comparisons for at in gate.row_rules}
    for on_rows in islice(_models(gate, verdict, found), _MOST_WAYS):
        evidence = VerdictInputs(row, live, on_rows)
        if evidence.verdict(gate) == verdict:
            return evidence
    return None


def evidence_for(kept: VerdictInputs, own: Gate, wanted: Gate) -> VerdictInputs | None:
    """Return what other rules judge the same model by; None: files have to be read for it.

    Args:
        kept: what gives the recorded verdict by `own`.
        own: the gate that the run was judged by.
        wanted: the other one.
    """
    if not same_sources(own, wanted):
        return None
    if (kept.row.unread or kept.on_rows.unread) and wanted.rules != own.rules:
        return None  # what cannot be read refuses a model unless all such rules are observed
    recorded = {_asks(rule) for rule in own.rules if rule.compares and not own.on_rows(rule)}
    known = {rule.evolve(observe=False) for rule in own.rules}
    found: dict[int, tuple[Comparison, ...]] = {}
    for at, rule in enumerate(wanted.rules):
        if wanted.on_rows(rule):
            comparisons = _comparisons(kept, own, rule)
            if comparisons is None:
                return None
            found[at] = comparisons
            continue
        if rule.compares and _asks(rule) not in recorded:
            return None
        if metric_in(kept.row, rule.metric) is None and rule.evolve(observe=False) not in known:
            return None
    return replace(kept, on_rows=replace(kept.on_rows, found=found, unsure=_unsure(wanted)))


def same_sources(one: Gate, other: Gate) -> bool:
    """Whether two gates judge by the same files, rows and terms; their rules may differ.

    Args:
        one: a gate.
        other: another one.
    """
    if (one.metrics, one.row) != (other.metrics, other.row):
        return False
    return _terms(one.compare) == _terms(other.compare)


def _terms(compare: Compare | None) -> Compare | None:
    """Return the terms of comparisons without their consequences."""
    return compare.evolve(unsure="ask", wait=None, request=None) if compare else None


def _unsure(gate: Gate) -> Unsure:
    return gate.compare.unsure if gate.compare else "ask"


def _asks(rule: Rule) -> tuple[str, str | None]:
    return folded(rule.metric), rule.better


def _comparisons(kept: VerdictInputs, own: Gate, rule: Rule) -> tuple[Comparison, ...] | None:
    """Return the comparisons of a metric, by the bound of a rule; None: they are not recorded."""
    there = [at for at in own.row_rules if _asks(own.rules[at]) == _asks(rule)]
    same = [at for at in there if _bound(own.rules[at]) == _bound(rule)]
    if same:
        return kept.on_rows.found[same[0]]
    if not there or (own.compare is not None and own.compare.slices):
        return None  # what slices say depends on the bound, and needs their rows
    return tuple(_by_bound(one, rule) for one in kept.on_rows.found[there[0]])


def _bound(rule: Rule) -> tuple[str, float]:
    return rule.kind, rule.bound


def _by_bound(one: Comparison, rule: Rule) -> Comparison:
    if one.interval is None:
        return one
    bound = rule.signed_bound
    outcome, needed = outcome_of(one.interval, bound), None
    if outcome is RuleOutcome.UNSURE:
        needed = rows_needed(one.interval, one.rows, bound)
    return one.evolve(outcome=outcome, rows_needed=needed)


def _models(
    gate: Gate, verdict: Verdict, found: Mapping[int, tuple[Comparison, ...]]
) -> Iterator[OnRows]:
    """Yield which models may have served and been pinned, the likeliest first."""
    all_ = [one for comparisons in found.values() for one in comparisons]
    live = tuple(dict.fromkeys(one.run_id for one in all_ if one.against == "live"))
    anchors = tuple(dict.fromkeys(one.run_id for one in all_ if one.against == "anchor"))
    unread = _unread([verdict.results[at] for at in gate.row_rules])
    for anchor in dict.fromkeys((*anchors, "", *verdict.uncompared)):
        others = tuple(one for one in verdict.uncompared if one != anchor)
        for count in range(len(live), -1, -1):
            for some in combinations(live, count):
                yield OnRows(found, _unsure(gate), (*some, *others), anchor, unread)


def _unread(results: Iterable[Result]) -> str:
    """Return why rules that are only observed had nothing to read; empty: they had."""
    return next((one.unread for one in results if one.unread), "")


def _live_numbers(
    gate: Gate, verdict: Verdict, row: Row, endpoints: int
) -> tuple[Numbers, ...] | None:
    """Return the recorded numbers of the live models, as far as the rules asked for them.

    The record has the best of each; what it says of the others is how many there were.
    """
    recorded = [
        (rule, result)
        for rule, result in zip(gate.rules, verdict.results, strict=True)
        if rule.compares and not gate.on_rows(rule)
    ]
    if not recorded:
        return ()
    first = gate.first_model == "allow"
    for many in (1, 0, *range(2, min(endpoints, _MOST_LIVE) + 1)):
        numbers: list[dict[str, float]] = [{} for _ in range(many)]
        for rule, result in recorded:
            fitting = _one_rule(rule, result, row, many, first_allowed=first)
            if fitting is None:
                break
            for known, said in zip(numbers, fitting, strict=True):
                known.update(said)
        else:
            return tuple(numbers)
    return None


def _one_rule(
    rule: Rule, result: Result, row: Row, many: int, *, first_allowed: bool
) -> Sequence[Numbers] | None:
    """Return numbers of that many models that give one result again; None: there are none."""
    for lacking in range(many + 1):
        known = many - lacking
        if known and result.live is None:
            continue
        best = {} if result.live is None else {rule.metric: result.live}
        numbers = [best] * known + [{}] * lacking
        (again,) = judge([rule], row, numbers, first_allowed=first_allowed).results
        if again == result:
            return numbers
    return None
