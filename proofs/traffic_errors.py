"""Measures how often a step with `max_error_increase` rolls a good model back, or keeps a bad one.

A promotion has the steps 10, 50 and 100 %. It is checked in each minute, as the poll does it, and
a step passes by the rules of the app. At 100 % no other deployment gets requests, so nothing is
compared there, and a roll-out that reaches it has passed.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import numpy as np

from proofs.drawn_requests import Requests, outages, outages_of, runs_of, waves
from proofs.outcomes import Effort, Outcome, Violation, again
from shared.core.counting import counted
from shared.core.decisions.sequential import RequestCounts
from shared.core.serving.error_comparison import ErrorComparison
from shared.core.serving.traffic_rules import (
    LATE,
    StepVerdict,
    TrafficEvidence,
    TrafficRules,
    judged_step,
)

FALSE: Final = "equally good models, looked at each minute: at most 5 % are rolled back"
FOUND: Final = (
    "errors of 5 % instead of 1 %, 10 % of 100 requests a minute: 90 % are rolled back in an hour"
)
NO_DATA: Final = "a step without requests of both deployments is neither passed nor rolled back"
RULES: Final = TrafficRules(min_requests=100, max_error_increase=0.0, compared_steps=2)
#: What the documentation uses as an example.
USUAL: Final = RULES.evolve(max_error_increase=20.0)
_SHARES: Final = (10, 50)
_BEGAN: Final = datetime(2026, 3, 1, tzinfo=UTC)
_MINUTE: Final = timedelta(minutes=1)
#: How long each step lasts in these roll-outs, and how long at most.
_BAKE, _MOST = 60, 600
_HOUR, _DAY = 60, 1440
_LONG: Final = 360
_FALSE_SHARE, _FOUND_SHARE = 0.05, 0.9
_EXACT_FROM, _STANDARD_ERRORS = 1000, 3.0


def equal() -> Iterator[tuple[TrafficRules, Requests]]:
    """Yield requests to two deployments that are equally good, and the rules of the roll-out."""
    for per_minute in (10, 100, 2000):
        yield RULES, Requests("each error by itself", per_minute, 10)
    yield RULES, Requests("many errors, each by itself", 100, 10, 0.1, 0.1)
    yield RULES, Requests("outages of both", 100, 10, errors=outages)
    yield RULES, Requests("waves of both", 100, 10, errors=waves)
    yield RULES, Requests("runs of 5 errors", 100, 10, errors=runs_of(5))
    yield USUAL, Requests("each error by itself", 100, 10)
    yield USUAL, Requests("runs of 10 errors", 100, 10, errors=runs_of(10))


def long_steps() -> Iterator[tuple[TrafficRules, Requests]]:
    """Yield requests to equally good deployments in one step that lasts for hours."""
    rarely = 0.006
    for rules, share, minutes, instances in (
        (RULES.evolve(compared_steps=1), 50, 3, (2, 2)),
        (RULES, 50, 5, (2, 2)),
        (RULES, 10, 5, (1, 9)),
    ):
        name = f"outages of {minutes} minutes of {' + '.join(map(str, instances))} instances"
        errors = outages_of(minutes, rarely, instances)
        yield rules, Requests(name, 100, share, 0.0, 0.0, errors=errors)
    yield RULES, Requests("runs of 50 errors", 100, 10, errors=runs_of(50))


WORSE: Final = Requests("worse", 100, 10, error_rate=0.05)


def part(effort: Effort) -> list[Outcome]:
    """Roll out `effort.size` models of each kind."""
    return [_false(effort), _found(effort), _without_data(effort)]


def rolled_back(requests: Requests, rules: TrafficRules, chance: np.random.Generator) -> int | None:
    """Return in which step a roll-out is rolled back; None: it is not.

    Args:
        requests: what is drawn; its share is that of each step in turn.
        rules: the rules.
        chance: what is drawn with.
    """
    for share in _SHARES:
        comparison = _begun(rules)
        drawn = replace(requests, share=share).drawn(_MOST, chance)
        for minute, counts in enumerate(drawn):
            comparison = seen(comparison, counts, minute)
            if comparison.is_worse:
                return share
            if minute >= _BAKE and judged(rules, comparison) is StepVerdict.PASS:
                break
    return None


def minutes_until_found(
    requests: Requests, rules: TrafficRules, chance: np.random.Generator, within: int = _HOUR
) -> int | None:
    """Return after how many minutes a step is rolled back; None: it is not in the time.

    Args:
        requests: what is drawn.
        rules: the rules.
        chance: what is drawn with.
        within: how many minutes it lasts.
    """
    late = LATE // _MINUTE + 1  # a step rarely begins with a minute
    comparison = _begun(rules)
    for minute, counts in enumerate(requests.drawn(within - late, chance)):
        comparison = seen(comparison, counts, minute)
        if comparison.is_worse:
            return minute + 1 + late
    return None


def seen(comparison: ErrorComparison, counts: RequestCounts, minute: int) -> ErrorComparison:
    """Return the comparison after one more look.

    Args:
        comparison: of the minutes before.
        counts: what was measured in the minute.
        minute: its number.
    """
    at = _BEGAN + minute * _MINUTE
    return comparison.after({at: counts}, at + _MINUTE)


def judged(rules: TrafficRules, comparison: ErrorComparison) -> StepVerdict:
    """Return what the app says of a step whose requests are all in a comparison.

    Args:
        rules: the rules.
        comparison: of the errors.
    """
    known = comparison.total
    evidence = TrafficEvidence(
        until=comparison.until,
        requests=round(known.requests),
        errors=round(known.errors),
        error_comparison=comparison,
    )
    return judged_step(rules, evidence, alone=False).verdict


def _begun(rules: TrafficRules) -> ErrorComparison:
    return ErrorComparison(increase=rules.max_error_increase or 0.0, steps=rules.compared_steps)


def _false(effort: Effort) -> Outcome:
    violations, notes, trials = [], [], 0
    cases = [(*one, False) for one in equal()] + [(*one, True) for one in long_steps()]
    for number, (rules, requests, is_long) in enumerate(cases):
        chance = np.random.default_rng([effort.seed, number])
        ends = partial(minutes_until_found, within=_LONG) if is_long else rolled_back
        found = [ends(requests, rules, chance) for _ in effort.trials]
        effort.progress()
        trials += len(found)
        share = sum(one is not None for one in found) / len(found)
        hours = f", {counted(_LONG // _HOUR, 'hour')} of one step" if is_long else ""
        said = f"{_rule(rules)}, {requests}{hours}: {share:.1%} rolled back"
        notes.append(said)
        if share > _FALSE_SHARE + _slack(_FALSE_SHARE, len(found)):
            violations.append(Violation(_plan(effort), said))
    return Outcome(FALSE, trials, tuple(violations), "; ".join(notes))


def _found(effort: Effort) -> Outcome:
    violations, notes, trials = [], [], 0
    for rules in (RULES, USUAL):
        chance = np.random.default_rng([effort.seed, _HOUR])
        found = [minutes_until_found(WORSE, rules, chance) for _ in effort.trials]
        effort.progress()
        trials += len(found)
        times = sorted(one for one in found if one is not None)
        share = len(times) / len(found)
        half = times[len(times) // 2] if times else _HOUR
        said = f"{_rule(rules)}: {share:.1%} rolled back, half of them within {half} minutes"
        notes.append(said)
        if share < _FOUND_SHARE - _slack(_FOUND_SHARE, len(found)):
            violations.append(Violation(_plan(effort), said))
    return Outcome(FOUND, trials, tuple(violations), "; ".join(notes))


def _without_data(effort: Effort) -> Outcome:
    quiet = (
        RequestCounts(),
        RequestCounts(requests=20),
        RequestCounts(other_requests=90, other_errors=9),
    )
    broken = []
    for counts in quiet:
        comparison = _begun(USUAL)
        for minute in range(_DAY):
            comparison = seen(comparison, counts, minute)
            verdict = judged(USUAL, comparison)
            if verdict is not StepVerdict.HOLD:
                broken.append(Violation(_plan(effort), f"{counts}: {verdict}"))
                break
        effort.progress()
    return Outcome(NO_DATA, len(quiet) * _DAY, tuple(broken))


def _rule(rules: TrafficRules) -> str:
    return f"max_error_increase {rules.max_error_increase:g} %"


def _slack(bound: float, trials: int) -> float:
    """Return by how much a share may miss its bound: three standard errors, and one trial."""
    if trials >= _EXACT_FROM:
        return 0.0
    return _STANDARD_ERRORS * math.sqrt(bound * (1 - bound) / trials) + 1 / trials


def _plan(effort: Effort) -> str:
    return again("decisions", "--seed", effort.seed, "--size", 2 * effort.size)
