"""What a rule says of a model that was compared with others on the same rows."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from shared.core.config.compare import Unsure
from shared.core.counting import counted, they
from shared.core.decisions.compared_rules import outcome_of
from shared.core.decisions.comparison import Comparison, Interval, Outcome, SliceComparison
from shared.core.evaluation.gate import Kind, Result, Rule, worst
from shared.core.evaluation.text import plain

#: How sentences call the other model.
NAMES: Final = {"live": "the live model", "anchor": "the anchor"}
_MOST_DECIMALS: Final = 9
#: How many significant digits the width of an interval is shown with.
_WIDTH_DIGITS: Final = 3
#: How many runs are named that brought one model to many endpoints.
_MOST_RUNS: Final = 3


@dataclass(frozen=True, slots=True)
class OnRows:
    """The comparisons of a model on the same rows, and what to make of them."""

    #: Position of a rule -> its comparisons; a rule that is not here compares recorded numbers.
    found: Mapping[int, tuple[Comparison, ...]] = field(default_factory=dict)
    unsure: Unsure = "ask"  #: what follows if the rows are too few to tell
    live: tuple[str, ...] = ()  #: the runs whose models serve now
    anchor: str = ""  #: the run whose model is pinned now; empty: none is

    def uncompared(self, comparisons: Sequence[Comparison]) -> tuple[str, ...]:
        """Return the runs with whose models these comparisons were not made."""
        known = {(one.against, one.run_id) for one in comparisons}
        wanted = [("live", run_id) for run_id in self.live]
        # A model that is both is compared once.
        if self.anchor and self.anchor not in self.live:
            wanted.append(("anchor", self.anchor))
        return tuple(run_id for against, run_id in wanted if (against, run_id) not in known)

    def counting(self, comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
        """Return the comparisons with models that serve, or are pinned, now."""
        return tuple(
            one
            for one in comparisons
            if one.run_id in (self.live if one.against == "live" else (self.anchor,))
        )


#: Where no rule compares on rows.
NO_ROWS: Final = OnRows()


def result_on_rows(
    rule: Rule, comparisons: tuple[Comparison, ...], known: OnRows, *, first_allowed: bool
) -> Result:
    """Return what a rule says of comparisons on the same rows.

    A comparison with a model that does not serve any more says nothing: the rule is then unsure.
    So it is where a comparison has no interval.

    Args:
        rule: with max_drop or min_gain.
        comparisons: of its metric, one for each other model.
        known: which models count, and what follows if the rule is unsure.
        first_allowed: whether the rule passes if there is nothing to compare with.
    """
    counting, left = known.counting(comparisons), known.uncompared(comparisons)
    says = [_said(rule, alike) for alike in _alike(counting)]
    says += [_other_model(rule, run_id) for run_id in left]
    outcome = worst([counted_outcome(one) for one in counting] + [Outcome.UNSURE for _ in left])
    passed, unsure = outcome is Outcome.FIT, outcome is Outcome.UNSURE
    if not says:
        advice = "" if first_allowed else "; first_model: allow promotes nevertheless"
        says.append(f"{rule.metric}: there is no live model to compare with{advice}")
        passed = first_allowed
    live = [one.other for one in counting if one.against == "live" and one.other is not None]
    values = [one.candidate for one in comparisons if one.candidate is not None]
    return Result(
        metric=rule.metric,
        rule=rule.kind,
        bound=rule.bound,
        value=values[0] if values else None,
        live=(max if rule.better == "higher" else min)(live) if live else None,
        passed=passed or (unsure and known.unsure != "reject"),
        why="; ".join(says),
        unsure=unsure,
        comparisons=comparisons,
    )


def counted_outcome(comparison: Comparison) -> Outcome:
    """Return what a comparison says: a slice can only turn it to worse."""
    without = comparison.interval is None and comparison.outcome is Outcome.FIT
    own = Outcome.UNSURE if without else comparison.outcome
    slices = (one.outcome for one in comparison.slices)
    return worst([own, *(one for one in slices if one is Outcome.WORSE)])


def _other_model(rule: Rule, run_id: str) -> str:
    return f"{rule.metric}: the model of run {run_id} serves now, and this one was not compared"


def _alike(comparisons: Sequence[Comparison]) -> Iterable[Sequence[Comparison]]:
    """Return groups of comparisons that differ in their run alone: one model at many endpoints."""
    groups: dict[Comparison, list[Comparison]] = {}
    for one in comparisons:
        groups.setdefault(one.evolve(run_id=""), []).append(one)
    return groups.values()


def _said(rule: Rule, alike: Sequence[Comparison]) -> str:
    one = alike[0]
    other = f"{NAMES[one.against]} ({_runs([each.run_id for each in alike])})"
    if one.interval is None or one.candidate is None or one.other is None:
        why = one.why or "there is no interval"
        return f"{rule.metric} cannot be compared with {other}: {why}"
    digits = decimals(signed(rule.kind, rule.bound), one.interval)
    positives = "" if one.positives is None else f" ({one.positives} positive)"
    values = f"{one.candidate:.{digits}f}, and {one.other:.{digits}f} of {other}"
    rows = f"on the same {counted(one.rows, 'row')}{positives}"
    found = f"{rule.metric} is {values}, {rows}: {_difference(one.interval, digits)}"
    parts = [found, _conclusion(rule, one, one.interval)]
    parts += _of_slices(rule, one.slices)
    parts += [one.why] if one.why else []
    return "; ".join(parts)


def _runs(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"run {names[0]}"
    left = len(names) - _MOST_RUNS
    shown = ", ".join(names[:_MOST_RUNS])
    return f"runs {shown} and {left} more" if left > 0 else f"runs {shown}"


def _difference(interval: Interval, digits: int) -> str:
    if interval.low == interval.high == 0:
        return "no difference"
    middle = _better(interval.difference, digits)
    range_ = _range(interval.low, interval.high, digits)
    return f"{middle}, at {interval.level * 100:.3g} % {range_}"


def _conclusion(rule: Rule, one: Comparison, interval: Interval) -> str:
    """Return on which side of its bound the interval of all rows is, whatever its slices say."""
    bound = f"{rule.kind} {plain(rule.bound)}"
    gain = rule.kind == "min_gain"
    match outcome_of(interval, signed(rule.kind, rule.bound)):
        case Outcome.FIT:
            return f"{bound} {'is reached' if gain else 'holds'}"
        case Outcome.WORSE:
            return f"{bound} is {'not reached' if gain else 'exceeded'}"
        case Outcome.UNSURE:
            about = f"; about {one.rows_needed:,} rows would settle it" if one.rows_needed else ""
            return f"{bound} is in between, so that these rows are too few to tell{about}"


def _of_slices(rule: Rule, slices: Sequence[SliceComparison]) -> Iterator[str]:
    """Yield how many slices are worse; their values are in the record, and in no message."""
    worse = [one for one in slices if one.outcome is Outcome.WORSE]
    if worse:
        by = " and ".join(dict.fromkeys(one.column for one in worse))
        many = counted(len(worse), "slice")
        verb = they(len(worse), "exceeds", "exceed")
        yield f"{many} of {len(slices)} by {by} {verb} {rule.kind} {plain(rule.bound)}"


def decimals(bound: float, interval: Interval) -> int:
    """Return with how many decimals an interval is shown: enough to tell it from the bound.

    Args:
        bound: as a difference, where positive is better.
        interval: of the difference.
    """
    width = interval.high - interval.low
    digits = _WIDTH_DIGITS - 1 - math.floor(math.log10(width)) if width > 0 else _WIDTH_DIGITS
    digits = min(max(digits, 0), _MOST_DECIMALS)
    while digits < _MOST_DECIMALS and any(
        end != bound and f"{end:.{digits}f}" == f"{bound:.{digits}f}"
        for end in (interval.low, interval.high)
    ):
        digits += 1
    return digits


def signed(kind: Kind, bound: float) -> float:
    """Return a bound as a difference, where positive is better.

    Args:
        kind: of the rule: max_drop or min_gain.
        bound: its number.
    """
    return bound if kind == "min_gain" else -bound


def _better(difference: float, digits: int) -> str:
    size = f"{abs(difference):.{digits}f}"
    return f"{size} {'better' if difference >= 0 else 'worse'}"


def _range(low: float, high: float, digits: int) -> str:
    if low < 0 <= high:
        return f"between {_better(low, digits)} and {_better(high, digits)}"
    near, far = sorted((abs(low), abs(high)))
    word = "better" if low >= 0 else "worse"
    return f"between {near:.{digits}f} and {far:.{digits}f} {word}"
