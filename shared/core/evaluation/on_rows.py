"""Judges a rule by comparisons with other models on the same rows."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from shared.core.config.compare import Unsure
from shared.core.config.gate_rule import Rule
from shared.core.counting import counted, grouped, they
from shared.core.decisions.comparison import (
    OUTCOMES,
    Comparison,
    Interval,
    Opponent,
    RuleOutcome,
    SliceComparison,
    whose,
)
from shared.core.decisions.slices import MOST_LISTED, is_small
from shared.core.evaluation.compared_rules import outcome_of
from shared.core.evaluation.gate import Result, worst
from shared.core.text import distinguished, plain

#: How sentences call the other model.
NAMES: Final = {"live": "the live model", "anchor": "the anchor"}
#: And one that it was compared with, and that serves, or is pinned, no more.
NAMES_GONE: Final = {"live": "the former live model", "anchor": "the former anchor"}
_MOST_DECIMALS: Final = 9
#: How many more decimals values may have, so that they differ visibly.
_MORE_DECIMALS: Final = 3
#: From here on a number in full is no more than a row of digits.
_LARGE: Final = 1e15
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
    unread: str = ""  #: why no row can be used, where rules on rows are only observed

    def uncompared(self, comparisons: Sequence[Comparison]) -> tuple[tuple[Opponent, str], ...]:
        """Return the runs with whose models these comparisons were not made, and what these are."""
        known = {one.run_id for one in comparisons}
        wanted: list[tuple[Opponent, str]] = [("live", run_id) for run_id in self.live]
        # A model that is both is compared once.
        if self.anchor and self.anchor not in self.live:
            wanted.append(("anchor", self.anchor))
        return tuple(one for one in wanted if one[1] not in known)

    def by_present(self, comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
        """Return comparisons with the present role of each model: an anchor may serve again."""
        present: dict[str, Opponent] = {self.anchor: "anchor", **dict.fromkeys(self.live, "live")}
        return tuple(
            one.evolve(against=present.get(one.run_id, one.against)) for one in comparisons
        )

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
    comparisons = known.by_present(comparisons)
    counting, left = known.counting(comparisons), known.uncompared(comparisons)
    gone = [one for one in comparisons if one not in counting]
    says = _sentences(rule, counting)
    says += [_other_model(rule, *one) for one in left]
    says += [_said(rule, alike, gone=True) for alike in _alike(gone) if left]
    without = [RuleOutcome.UNSURE for _ in left]
    if known.unread:
        says, without = [f"{rule.metric} cannot be compared: {known.unread}"], [RuleOutcome.UNSURE]
    outcome = worst([counted_outcome(one) for one in counting] + without)
    passed, unsure = outcome is RuleOutcome.FIT, outcome is RuleOutcome.UNSURE
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
        unread=known.unread,
        comparisons=comparisons,
        gone=tuple(one.run_id for one in gone),
    )


def _sentences(rule: Rule, comparisons: Sequence[Comparison]) -> list[str]:
    """Return what each comparison says, the worst first; among others a fit one in few words."""
    ordered = sorted(
        _alike(comparisons),
        key=lambda alike: OUTCOMES.index(counted_outcome(alike[0])),
        reverse=True,
    )
    if not ordered or counted_outcome(ordered[0][0]) is RuleOutcome.FIT:
        return [_said(rule, alike) for alike in ordered]
    verb = "is reached" if rule.kind == "min_gain" else "holds"
    return [
        f"{rule.metric}: {rule.kind} {plain(rule.bound)} {verb} against {_name(alike)}"
        if counted_outcome(alike[0]) is RuleOutcome.FIT
        else _said(rule, alike)
        for alike in ordered
    ]


def counted_outcome(comparison: Comparison) -> RuleOutcome:
    """Return what a comparison says: a slice can only turn it to worse."""
    without = comparison.interval is None and comparison.outcome is RuleOutcome.FIT
    own = RuleOutcome.UNSURE if without else comparison.outcome
    slices = (one.outcome for one in comparison.slices)
    return worst([own, *(one for one in slices if one is RuleOutcome.WORSE)])


def _other_model(rule: Rule, against: Opponent, run_id: str) -> str:
    what = "serves" if against == "live" else "is the anchor"
    return f"{rule.metric}: the model of {whose(run_id)} {what} now, and this one was not compared"


def _alike(comparisons: Sequence[Comparison]) -> Iterable[Sequence[Comparison]]:
    """Return groups of comparisons that differ only in their run: one model at many endpoints."""
    groups: dict[Comparison, list[Comparison]] = {}
    for one in comparisons:
        groups.setdefault(one.evolve(run_id=""), []).append(one)
    return groups.values()


def _said(rule: Rule, alike: Sequence[Comparison], *, gone: bool = False) -> str:
    one = alike[0]
    other = _name(alike, gone=gone)
    if one.interval is None or one.candidate is None or one.other is None:
        why = why_of(one, one.against, gone=gone) or "there is no interval"
        said = f"{rule.metric} cannot be compared with {other}: {why}"
        return "; ".join((said, *_values_alone(rule, one, gone=gone)))
    digits = decimals(rule.signed_bound, one.interval)
    digits = _telling(one.candidate, one.other, one.interval.difference, digits)
    positives = "" if one.positives is None else f" ({one.positives} positive)"
    values = f"{fixed(one.candidate, digits)}, and {fixed(one.other, digits)} of {other}"
    rows = f"on the same {counted(one.rows, 'row')}{positives}"
    found = f"{rule.metric} is {values}, {rows}: {_difference(one.interval, digits)}"
    parts = [found, _conclusion(rule, one, one.interval)]
    parts += _of_slices(rule, one.slices)
    parts += [why_of(one, one.against, gone=gone)] if one.why else []
    return "; ".join(parts)


def why_of(one: Comparison | SliceComparison, against: Opponent, *, gone: bool = False) -> str:
    """Return why there is no interval, or a note, where the other model has its name.

    Args:
        one: its record says `the other model`, since what that is can change.
        against: what the other model is now.
        gone: whether it serves, or is pinned, no more.
    """
    return one.why.replace("the other model", (NAMES_GONE if gone else NAMES)[against])


def _values_alone(rule: Rule, one: Comparison, *, gone: bool) -> Iterator[str]:
    """Yield the values of both models, which are known though they do not tell which is better."""
    if one.candidate is not None and one.other is not None:
        ours, theirs = distinguished(one.candidate, one.other)
        name = (NAMES_GONE if gone else NAMES)[one.against]
        yield f"{rule.metric} is {ours}, and {theirs} of {name}, on these rows"


def _telling(one: float, other: float, difference: float, digits: int) -> int:
    """Return with how many decimals two values are shown, so that a reader finds the difference.

    Args:
        one: a value.
        other: another one.
        difference: of both, of either sign.
        digits: the fewest.
    """
    for more in range(digits, min(digits + _MORE_DECIMALS, _MOST_DECIMALS) + 1):
        first, second, found = (Decimal(fixed(abs(n), more)) for n in (one, other, difference))
        apart = first - second if (one < 0) == (other < 0) else first + second
        if abs(apart) == found:
            return more
    return digits


def _name(alike: Sequence[Comparison], *, gone: bool = False) -> str:
    name = (NAMES_GONE if gone else NAMES)[alike[0].against]
    return f"{name} ({_runs([each.run_id for each in alike])})"


def _runs(names: Sequence[str]) -> str:
    if len(names) == 1:
        return whose(names[0])
    left = len(names) - _MOST_RUNS
    shown = ", ".join(names[:_MOST_RUNS])
    return f"runs {shown} and {left} more" if left > 0 else f"runs {shown}"


def _difference(interval: Interval, digits: int) -> str:
    if interval.low == interval.high == 0:
        return "no difference"
    middle = _better(interval.difference, digits) if interval.difference else "no difference"
    range_ = _range(interval.low, interval.high, digits)
    return f"{middle}, at {interval.level * 100:.3g} % {range_}"


def _conclusion(rule: Rule, one: Comparison, interval: Interval) -> str:
    """Return on which side of its bound the interval of all rows is; slices do not count."""
    bound = f"{rule.kind} {plain(rule.bound)}"
    gain = rule.kind == "min_gain"
    match outcome_of(interval, rule.signed_bound):
        case RuleOutcome.FIT:
            return f"{bound} {'is reached' if gain else 'holds'}"
        case RuleOutcome.WORSE:
            return f"{bound} is {'not reached' if gain else 'exceeded'}"
        case RuleOutcome.UNSURE if interval.low == interval.high:
            return f"{bound} is just that difference, which more rows would not change"
        case RuleOutcome.UNSURE:
            about = (
                f"; about {grouped(one.rows_needed, 'row')} would settle it"
                if one.rows_needed
                else ""
            )
            return f"{bound} is in between, so that these rows are too few to tell{about}"


def _of_slices(rule: Rule, slices: Sequence[SliceComparison]) -> Iterator[str]:
    """Yield how many slices are worse; their values are in the record, and in no message."""
    worse = [one for one in slices if one.outcome is RuleOutcome.WORSE]
    if not worse:
        return
    checked = [one for one in slices if one.interval is not None]
    by = " and ".join(dict.fromkeys(one.column for one in worse))
    many = counted(len(worse), "slice")
    verb = they(len(worse), "exceeds", "exceed")
    # Of more slices than a record lists it is not known here how many were checked.
    of = f" of the {len(checked)} checked" if len(slices) < MOST_LISTED else ""
    yield f"{many}{of} by {by} {verb} {rule.kind} {plain(rule.bound)}"
    if of and (left := [one for one in slices if one.interval is None]):
        few = sum(is_small(one) for one in left)
        whys = ((few, "too few rows"), (len(left) - few, "no interval, as its line says"))
        yield " and ".join(
            f"{counted(number, 'more slice')} {they(number, 'has', 'have')} {why}"
            for number, why in whys
            if number
        )


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


def fixed(number: float, digits: int) -> str:
    """Return a number with `digits` decimals; a very large one in few digits.

    Args:
        number: to be shown.
        digits: decimals.
    """
    return f"{number:.{digits}f}" if abs(number) < _LARGE else plain(number)


def _better(difference: float, digits: int) -> str:
    size = fixed(abs(difference), digits)
    return f"{size} {'better' if difference >= 0 else 'worse'}"


def _range(low: float, high: float, digits: int) -> str:
    if low < 0 <= high:
        return f"between {_better(low, digits)} and {_better(high, digits)}"
    near, far = sorted((abs(low), abs(high)))
    word = "better" if low >= 0 else "worse"
    return f"between {fixed(near, digits)} and {fixed(far, digits)} {word}"
