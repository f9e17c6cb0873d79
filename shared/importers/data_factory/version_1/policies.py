"""The policies of activities of version 1: attempts, timeout, order, and runs at the same time.

Each key of a policy has one line of the report. The rules: data-factory §2.5.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shared.importers.data_factory.account import Element
from shared.importers.data_factory.policies import (
    LONGEST,
    MOST_ATTEMPTS,
    longest,
    mapped_span,
    report_unknown,
)
from shared.importers.data_factory.values import (
    means_days,
    number,
    span_of,
    timespan,
    verbatim,
    written,
)

_KIND: Final = "policy"
_MOST_AT_ONCE: Final = 10
NEWEST_FIRST: Final = "newest_first"
OLDEST_FIRST: Final = "oldest_first"
_ORDERS: Final = {"newestfirst": NEWEST_FIRST, "oldestfirst": OLDEST_FIRST}
NEVER_REPLACES: Final = (
    "the model of an older window never replaces that of a newer one; in the factory it does"
)


@dataclass(frozen=True, slots=True)
class Policy:
    """What the policy of a job says; the values are those of the pipelines file."""

    retry: int = 0
    rounds: int = 1
    interval: timedelta = timedelta()
    timeout: timedelta = timedelta()  #: 0 where there is no limit
    at_once: int = 1
    order: str = ""
    delay: timedelta = timedelta()

    @property
    def attempts(self) -> int:
        """How many jobs a run may start."""
        return min((self.retry + 1) * self.rounds, MOST_ATTEMPTS)

    @property
    def pause(self) -> str:
        """The time between two attempts; rounds keep the time that they take in all."""
        if self.rounds == 1 or not self.interval or self.attempts == 1:
            return ""
        seconds = self.interval.total_seconds() * (self.rounds - 1) / (self.attempts - 1)
        return written(timedelta(seconds=round(seconds)))

    @property
    def longest(self) -> str:
        """How long one attempt may take."""
        return longest(self.timeout)

    @property
    def when_busy(self) -> str:
        """What happens to a run while another one is open."""
        return "parallel" if self.at_once > 1 else "queue"

    @property
    def max_parallel(self) -> int | None:
        """How many runs may be open at the same time."""
        return self.at_once if self.at_once > 1 else None


def policy(activity: Element) -> Policy:
    """Return the policy of a job; nothing is taken or reported by that."""
    keys = activity.get("policy")
    return Policy(
        min(number(keys.get("retry").value) or 0, MOST_ATTEMPTS - 1),
        min(number(keys.get("longRetry").value) or 1, MOST_ATTEMPTS),
        span_of(keys.get("longRetryInterval").value),
        span_of(keys.get("timeout").value),
        min(number(keys.get("concurrency").value) or 1, _MOST_AT_ONCE),
        _ORDERS.get(keys.get("executionPriorityOrder").peek().casefold(), ""),
        span_of(keys.get("delay").value),
    )


def report_policy(activity: Element, place: str, *, scheduled: bool) -> None:
    """Report each key of the policy of a job.

    Args:
        activity: the job.
        place: the pipeline in the pipelines file.
        scheduled: whether it has a schedule.
    """
    said, found = activity.get("policy"), policy(activity)
    for key, element in said.items():
        report = _REPORTS.get(key.casefold())
        if report is _delay and found.delay and not scheduled:
            advice = "write schedule.delay, if it gets one"
            element.left(_KIND, key, f"{place} has no schedule", advice)
        elif report is None or not report(element, key, found, place):
            report_unknown(element, _KIND, key)


def report_update_policy(activity: Element, training: Policy, place: str) -> None:
    """Report each key of the policy of an update: Relearn times updates itself.

    Args:
        activity: the update.
        training: the policy of the training whose model it takes.
        place: the pipeline in the pipelines file.
    """
    said, found = activity.get("policy"), policy(activity)
    orders = [one.order or OLDEST_FIRST for one in (found, training)]
    same = {
        "concurrency": found.at_once == 1,
        "executionpriorityorder": orders == [OLDEST_FIRST, OLDEST_FIRST],
        "longretry": found.rounds == 1,
        "longretryinterval": found.rounds == 1,
        "delay": found.delay <= training.delay,
    }
    for key, element in said.items():
        text = _OF_UPDATES.get(key.casefold())
        if text is None:
            report_unknown(element, _KIND, key)
        elif same.get(key.casefold()):
            element.mapped(_KIND, key, f"{place}: {text}")
        else:
            newest = found.order == NEWEST_FIRST and key.casefold() == "executionpriorityorder"
            differs = NEVER_REPLACES if newest else f"the factory has {verbatim(element.value)}"
            element.approximated(_KIND, key, f"{place}: {text}; {differs}")


_OF_UPDATES: Final = {
    "concurrency": "one endpoint has one update at a time",
    "executionpriorityorder": "updates follow their trainings",
    "retry": "an update that fails is tried again until its time is over",
    "longretry": "an update that fails is tried again until its time is over",
    "longretryinterval": "the pause between two tries of an update grows by itself",
    "timeout": "how long an update may take: endpoints.verify.within, by default 3m for a "
    "Classic endpoint and 15m for a New service",
    "delay": "an update follows its training at once",
}


def _concurrency(element: Element, key: str, found: Policy, place: str) -> bool:
    count = number(element.value)
    if not count:
        return False
    text = f"{place}: when_busy: {found.when_busy}"
    if found.max_parallel:
        text += f", max_parallel: {found.max_parallel}"
    if count > _MOST_AT_ONCE:
        element.approximated(_KIND, key, f"{text}: the factory has no more at once, either")
    else:
        element.mapped(_KIND, key, text)
    return True


def _order(element: Element, key: str, found: Policy, place: str) -> bool:
    if found.order:
        element.mapped(_KIND, key, f"{place}: order: {found.order}")
    return bool(found.order)


def _retry(element: Element, key: str, found: Policy, place: str) -> bool:
    count = number(element.value)
    if count is None:
        return False
    text = f"{place}: training.attempts: {found.attempts}: the first one, and {found.retry} more"
    if found.rounds > 1:
        text = f"{place}: training.attempts: {found.attempts}, with those of longRetry"
    if count > found.retry or (found.retry + 1) * found.rounds > MOST_ATTEMPTS:
        element.approximated(_KIND, key, f"{text}; more than {MOST_ATTEMPTS} are not possible")
    else:
        element.mapped(_KIND, key, text)
    return True


def _long_retry(element: Element, key: str, found: Policy, place: str) -> bool:
    if number(element.value) is None and timespan(element.value) is None:
        return False
    if found.rounds == 1:
        element.mapped(_KIND, key, "one round of attempts, so that it has no effect")
    elif found.retry == 0:
        text = f"training.attempts: {found.attempts}, training.pause: {found.pause or '0s'}"
        element.mapped(_KIND, key, f"{place}: {text}")
    else:
        element.approximated(
            _KIND,
            key,
            f"{place}: training.attempts: {found.attempts}, training.pause: {found.pause or '0s'}: "
            "Relearn has one pause between all attempts, and no rounds",
            "choose training.pause as the job needs it",
        )
    return True


def _is_span(element: Element) -> bool:
    """Whether a value is a time that is not negative."""
    span = timespan(element.value)
    return span is not None and span >= timedelta()


def _timeout(element: Element, key: str, found: Policy, place: str) -> bool:
    if not _is_span(element):
        return False
    text = f"{place}: training.timeout: {found.longest}"
    if not found.timeout:
        element.approximated(_KIND, key, f"{text}: the longest; the factory has no limit here")
    elif found.timeout > LONGEST:
        text += f": the longest, where the factory has {written(found.timeout)}"
        advice = "correct it if hours are meant" if means_days(element.value) else ""
        element.approximated(_KIND, key, text, advice)
    else:
        mapped_span(element, key, text)
    return True


def _delay(element: Element, key: str, found: Policy, place: str) -> bool:
    if not _is_span(element):
        return False
    if not found.delay:
        element.mapped(_KIND, key, f"{place}: a run begins at its due time")
    else:
        mapped_span(element, key, f"{place}: schedule.delay: {written(found.delay)}")
    return True


_REPORTS: Final[dict[str, Callable[[Element, str, Policy, str], bool]]] = {
    "concurrency": _concurrency,
    "executionpriorityorder": _order,
    "retry": _retry,
    "longretry": _long_retry,
    "longretryinterval": _long_retry,
    "timeout": _timeout,
    "delay": _delay,
}
