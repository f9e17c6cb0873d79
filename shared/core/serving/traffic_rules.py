"""The rules that the requests of a candidate have to meet before it is given a larger share.

No data is never a good sign: a rule without enough requests holds the step, and neither passes
nor fails it (azure-machine-learning-v2 §14.1).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from pydantic import AwareDatetime

from shared.core.counting import counted
from shared.core.decisions.sequential import RequestCounts
from shared.core.frozen import FrozenModel, left_out
from shared.core.serving.error_comparison import ErrorComparison

#: Measures of the last minutes are partial (azure-machine-learning-v2 §14.1).
LATE: Final = timedelta(minutes=5)
#: One call in this time: the service counts by minutes.
EVERY: Final = timedelta(minutes=1)
_MINUTE: Final = timedelta(minutes=1)
#: Statuses that are the deployment's fault; others below 500 are the client's, or busy
#: (azure-machine-learning-v2 §5.4).
_AT_FAULT: Final = frozenset({"408", "424"})
_SERVER: Final = "5"


class TrafficRules(FrozenModel):
    """What the requests of a candidate have to show. A percentage of 1 means 1 %."""

    min_requests: int = 0  #: fewer hold the step; 0: requests are not counted
    max_error_rate: float | None = None  #: percent of the candidate's requests
    max_error_increase: float | None = None  #: percent more often than the others' fail
    max_latency_increase: float | None = None  #: percent more than the others' in the same minutes
    compared_steps: int = 0  #: how many steps of the promotion compare errors

    @property
    def need_data(self) -> bool:
        """Whether measures are needed at all."""
        limits = (self.max_error_rate, self.max_error_increase, self.max_latency_increase)
        return self.min_requests > 0 or any(limit is not None for limit in limits)


#: A step lasts its time, for any results of its requests.
NO_RULES: Final = TrafficRules.constant()


class Measure(StrEnum):
    """What one call asks for."""

    REQUESTS = "requests"  #: their number, by status
    LATENCY = "latency"  #: how long they took, with their number


@dataclass(frozen=True, slots=True)
class TrafficQuery:
    """What is asked of the service: whole minutes, from `since` up to `until`."""

    measure: Measure
    deployments: tuple[str, ...]
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class TrafficPoint:
    """What was measured of one deployment in one minute, for one status where that was asked."""

    deployment: str
    at: datetime  #: the begin of the minute, UTC
    requests: float | None = None
    latency: float | None = None  #: in milliseconds
    status: str = ""  #: such as 200


class TrafficEvidence(FrozenModel):
    """What was measured since a share was reached, own probes not counted."""

    asked: Measure | None = None  #: what the service was asked for last
    asked_at: AwareDatetime | None = None  #: when that was
    until: AwareDatetime | None = None  #: up to when requests were counted
    requests: int = 0  #: of the candidate
    errors: int = 0  #: those at fault of it
    other_requests: int = 0  #: of the other deployments
    other_errors: int = 0
    latency_until: AwareDatetime | None = None  #: up to when the latencies were measured
    latency: float | None = None  #: of the candidate, in milliseconds
    other_latency: float | None = None  #: in the same minutes
    compared: int = 0  #: requests in these minutes, of the side that had fewer
    own: int = 0  #: requests of this app itself in the minutes that are measured completely
    own_errors: int = 0  #: those of them that were not answered well
    probes: tuple[AwareDatetime, ...] = ()  #: when it sent others
    failed_probes: tuple[AwareDatetime, ...] = ()  #: those of them that were not answered well
    problem: str = ""  #: why the requests could not be read the last time
    latency_problem: str = ""  #: the same for the latencies
    error_comparison: ErrorComparison | None = left_out()  #: where the rules compare errors

    def ruled_by(self, rules: TrafficRules) -> "TrafficEvidence":
        """Return the evidence with a comparison of errors, where the rules ask for one.

        One that was made by another rule begins anew with the next minute.
        """
        increase, known = rules.max_error_increase, self.error_comparison
        if increase is None:
            return self.evolve(error_comparison=None) if known else self
        steps = rules.compared_steps
        if known is not None and (known.increase, known.steps) == (increase, steps):
            return self
        begun = ErrorComparison(increase=increase, steps=steps, until=self.until)
        return self.evolve(error_comparison=begun)

    def probed(self, began: datetime, now: datetime, *, failed: bool = False) -> "TrafficEvidence":
        """Return the evidence with one more request of this app itself, sent now.

        Args:
            began: when the share was reached.
            now: the present moment.
            failed: whether it was not answered well, so that it may count as an error.
        """
        probes, minutes = (*self.probes, now), window(began, now)
        errors = (*self.failed_probes, now) if failed else self.failed_probes
        if minutes is None:
            return self.evolve(probes=probes, failed_probes=errors)
        since, until = minutes
        comparison = self.error_comparison
        if comparison is not None:
            over = ([at for at in times if since <= at < until] for times in (probes, errors))
            comparison = comparison.with_own(*over)
        return self.evolve(
            error_comparison=comparison,
            own=self.own + sum(1 for at in probes if since <= at < until),
            own_errors=self.own_errors + sum(1 for at in errors if since <= at < until),
            probes=tuple(at for at in probes if at >= until),
            failed_probes=tuple(at for at in errors if at >= until),
        )

    def unread(self, measure: Measure, why: str, now: datetime) -> "TrafficEvidence":
        """Return the evidence after a call without a usable answer.

        Args:
            measure: what was asked for.
            why: what went wrong.
            now: the present moment.
        """
        name = "latency_problem" if measure is Measure.LATENCY else "problem"
        return self.evolve(asked=measure, asked_at=now, **{name: why})


class StepVerdict(StrEnum):
    """What the evidence says of a step."""

    PASS = "pass"  # noqa: S105 -- a verdict, no password
    WORSE = "worse"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class JudgedStep:
    """A verdict, and why, for operators."""

    verdict: StepVerdict
    why: str


def window(began: datetime, now: datetime) -> tuple[datetime, datetime] | None:
    """Return the whole minutes that are measured completely by now; None while there are none.

    Args:
        began: when the share was reached.
        now: the present moment.
    """
    since = began.replace(second=0, microsecond=0)
    since = since if since == began else since + _MINUTE
    until = (now - LATE).replace(second=0, microsecond=0)
    return (since, until) if until > since else None


def next_query(
    rules: TrafficRules,
    known: TrafficEvidence,
    deployments: tuple[str, ...],
    times: tuple[datetime, datetime],
) -> TrafficQuery | None:
    """Return the call that is due; None where one was made less than a minute ago.

    Args:
        rules: the rules.
        known: what was measured.
        deployments: the candidate first, then the others.
        times: when the share was reached, and the present moment.
    """
    began, now = times
    minutes = window(began, now)
    if not rules.need_data or minutes is None:
        return None
    if known.asked_at is not None and now - known.asked_at < EVERY:
        return None
    compares = rules.max_latency_increase is not None and len(deployments) > 1
    # One after the other: a measure that cannot be read does not keep from asking for the other.
    behind = known.until is not None and not _is_level(known)
    turn = behind and known.asked is not Measure.LATENCY
    measure = Measure.LATENCY if compares and turn else Measure.REQUESTS
    return TrafficQuery(measure, deployments, *minutes)


def measured(
    known: TrafficEvidence,
    query: TrafficQuery,
    points: Iterable[TrafficPoint],
    now: datetime,
) -> TrafficEvidence:
    """Return the evidence with the answer of a call; requests of this app do not count.

    Args:
        known: what was measured before.
        query: what was asked.
        points: the answer.
        now: the present moment.
    """
    candidate = query.deployments[0]
    inside = [
        one
        for one in points
        if query.since <= one.at < query.until and one.deployment in query.deployments
    ]
    changes: dict[str, object] = {"asked": query.measure, "asked_at": now}
    if query.measure is Measure.LATENCY:
        mine, others, both = _latencies(inside, candidate)
        changes |= {"latency": mine, "other_latency": others, "latency_until": query.until}
        compared = max(round(min(both[0] - known.own, both[1])), 0)
        return known.evolve(**changes, compared=compared, latency_problem="")
    mine_of = [one for one in inside if one.deployment == candidate]
    others_of = [one for one in inside if one.deployment != candidate]
    if known.error_comparison is not None:
        by_minute = _by_minute(mine_of, others_of)
        changes["error_comparison"] = known.error_comparison.after(by_minute, query.until)
    changes |= {
        "until": query.until,
        "problem": "",
        "requests": max(_total(mine_of) - known.own, 0),
        "errors": max(_total(one for one in mine_of if _is_error(one)) - known.own_errors, 0),
        "other_requests": _total(others_of),
        "other_errors": _total(one for one in others_of if _is_error(one)),
    }
    return known.evolve(**changes)


def judged_step(rules: TrafficRules, known: TrafficEvidence, *, alone: bool) -> JudgedStep:
    """Return what the evidence says.

    Args:
        rules: the rules.
        known: what was measured.
        alone: whether no other deployment gets requests, so that nothing can be compared.
    """
    if not rules.need_data:
        return JudgedStep(StepVerdict.PASS, "no rule asks for requests")
    if known.until is None:
        why = known.problem or "no complete minute was measured yet"
        return JudgedStep(StepVerdict.HOLD, why)
    known, least = known.ruled_by(rules), max(rules.min_requests, 1)
    if worse := _worse(rules, known, least):
        return JudgedStep(StepVerdict.WORSE, worse)
    if known.requests < least:
        why = f"{counted(known.requests, 'request')} of the {least} that are needed"
        return JudgedStep(StepVerdict.HOLD, f"{why}; {known.problem}" if known.problem else why)
    if known.problem:  # what was measured before says nothing of the time since
        return JudgedStep(StepVerdict.HOLD, known.problem)
    why, comparison = _failed(known), known.error_comparison
    if comparison is not None and not alone:
        if open_yet := comparison.open_yet(least):
            return JudgedStep(StepVerdict.HOLD, open_yet)
        why = comparison.passed
    if rules.max_latency_increase is None or alone:
        return JudgedStep(StepVerdict.PASS, why)
    return _judged_latency(rules.max_latency_increase, known, least, why)


def _worse(rules: TrafficRules, known: TrafficEvidence, least: int) -> str:
    """Return why the candidate is worse; empty where its errors do not show that."""
    limit, comparison = rules.max_error_rate, known.error_comparison
    # Errors that would be too many among `least` requests do not need the rest of them.
    rate = 100 * known.errors / max(known.requests, known.errors, least)
    if limit is not None and rate > limit:
        return f"{_failed(known)}, more than {limit:g} %"
    return comparison.worse if comparison is not None else ""


def _judged_latency(limit: float, known: TrafficEvidence, least: int, well: str) -> JudgedStep:
    if known.latency is None or known.other_latency is None:
        why = known.latency_problem or "no latency was measured for both in the same minutes"
        return JudgedStep(StepVerdict.HOLD, why)
    if known.compared < least:
        same = f"{counted(known.compared, 'request')} in the same minutes as the other deployments"
        why = f"{same}, of the {least} to compare latencies with"
        return JudgedStep(StepVerdict.HOLD, why)
    both = f"{known.latency:.0f} ms, at the other deployments {known.other_latency:.0f} ms"
    if known.latency > known.other_latency * (1 + limit / 100):
        why = f"its requests take {both}: more than {limit:g} % longer"
        return JudgedStep(StepVerdict.WORSE, why)
    if known.latency_problem or not _is_level(known):
        why = known.latency_problem or "the latencies of the last minutes are measured next"
        return JudgedStep(StepVerdict.HOLD, why)
    return JudgedStep(StepVerdict.PASS, f"{well}; {both}")


def _is_level(known: TrafficEvidence) -> bool:
    """Whether the latencies were measured for as long as the requests."""
    measured_until, until = known.latency_until, known.until
    return measured_until is not None and until is not None and measured_until >= until


def _failed(known: TrafficEvidence) -> str:
    others = f"{known.other_errors} of {known.other_requests}" if known.other_requests else ""
    beside = f" (at the other deployments {others})" if others else ""
    mine = counted(max(known.requests, known.errors), "request")
    return f"{known.errors} of {mine} failed{beside}"


def _is_error(point: TrafficPoint) -> bool:
    return point.status in _AT_FAULT or point.status.startswith(_SERVER)


def _by_minute(
    mine: Iterable[TrafficPoint], others: Iterable[TrafficPoint]
) -> dict[datetime, RequestCounts]:
    """Return the requests and errors of each minute."""
    sides, found = [_sums(mine), _sums(others)], {}
    for at in sides[0].keys() & sides[1].keys():  # a minute of only one side says nothing
        (requests, errors), (beside, failed) = (side[at] for side in sides)
        found[at] = RequestCounts(
            requests=requests, errors=errors, other_requests=beside, other_errors=failed
        )
    return found


def _sums(points: Iterable[TrafficPoint]) -> dict[datetime, tuple[float, float]]:
    sums: dict[datetime, tuple[float, float]] = {}
    for one in points:
        minute = one.at.replace(second=0, microsecond=0)
        requests, errors = sums.get(minute, (0.0, 0.0))
        number = one.requests or 0.0
        sums[minute] = (requests + number, errors + (number if _is_error(one) else 0.0))
    return sums


def _total(points: Iterable[TrafficPoint]) -> int:
    return round(sum(one.requests or 0.0 for one in points))


def _latencies(
    points: Iterable[TrafficPoint], candidate: str
) -> tuple[float | None, float | None, tuple[float, float]]:
    """Return what is measured of the candidate and the others in the minutes that both have.

    Returns:
        Their mean latencies, weighted by requests; and the number of requests of each side.
    """
    mine: dict[datetime, tuple[float, float]] = {}
    others: dict[datetime, tuple[float, float]] = {}
    for one in points:
        if one.latency is None or not one.requests:
            continue
        side = mine if one.deployment == candidate else others
        weight, weighted = side.get(one.at, (0.0, 0.0))
        side[one.at] = (weight + one.requests, weighted + one.requests * one.latency)
    both = mine.keys() & others.keys()
    weights = [sum(side[at][0] for at in both) for side in (mine, others)]
    return _mean(mine, both), _mean(others, both), (weights[0], weights[1])


def _mean(side: dict[datetime, tuple[float, float]], minutes: Collection[datetime]) -> float | None:
    weight = sum(side[at][0] for at in minutes)
    return sum(side[at][1] for at in minutes) / weight if weight else None
