"""The policies of activities of version 2: attempts, the pause between them, and the timeout.

Each key of a policy has one line of the report. The rules: data-factory §3.4.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from shared.importers.data_factory.account import Element
from shared.importers.data_factory.policies import LONGEST, MOST_ATTEMPTS, longest, report_unknown
from shared.importers.data_factory.values import number, timespan, written
from shared.importers.data_factory.version_2.triggers import Start

#: Returns what a value of a definition stands for; None where that is not known.
Value = Callable[[Element], Any]
_KIND: Final = "policy"
#: What the service writes where a policy has no timeout.
_DEFAULT_TIMEOUT: Final = timedelta(hours=12)
_DEFAULT_PAUSE: Final = 30
_UNREAD: Final = "its value cannot be read"
_SECURE: Final = "a run keeps the names of blobs and the parameters, and no content of either"
_KEYS: Final = ("timeout", "retry", "retryIntervalInSeconds", "secureInput", "secureOutput")


@dataclass(frozen=True, slots=True)
class Policy:
    """What the policy of a job says; the values are those of the pipelines file."""

    retry: int = 0
    pause: str = ""
    retries: int = 0  #: of the trigger
    timeout: timedelta = _DEFAULT_TIMEOUT
    unread: frozenset[str] = frozenset()  #: the keys that say nothing that can be read

    @property
    def wanted(self) -> int:
        """How many attempts the factory makes."""
        return (self.retry + 1) * (self.retries + 1)

    @property
    def attempts(self) -> int:
        """How many jobs a run may start."""
        return min(self.wanted, MOST_ATTEMPTS)

    @property
    def longest(self) -> str:
        """How long one attempt may take."""
        return longest(self.timeout)


def policy(activity: Element, start: Start, value: Value) -> Policy:
    """Return the policy of a job; nothing is taken or reported by that.

    Args:
        activity: the job.
        start: what starts its pipeline, which may repeat all of it.
        value: returns what a value stands for, which may be an expression.
    """
    retry = number(value(activity.get("policy", "retry")))
    seconds = number(value(activity.get("policy", "retryIntervalInSeconds")))
    span = timedelta(seconds=_DEFAULT_PAUSE if seconds is None else min(seconds, 86_400))
    pause = written(span) if retry else start.pause
    timeout = timespan(value(activity.get("policy", "timeout")) or "")
    found = Policy(retry or 0, pause, start.retries, unread=frozenset())
    unread = {"retry"} if retry is None else set()
    if timeout is None:
        return replace(found, unread=frozenset({"timeout", *unread}))
    return replace(found, timeout=timeout, unread=frozenset(unread))


def report_policy(activity: Element, name: str, found: Policy, place: str) -> None:
    """Report each key of the policy of a job.

    Args:
        activity: the job.
        name: what it is called.
        found: what its policy says.
        place: the pipeline in the pipelines file.
    """
    said = activity.get("policy")
    if not said.get("timeout"):
        text = f"no timeout in its policy, which means 12 h: {place}: training.timeout: 12h"
        activity.approximated("activity", name, text)
    for key in _KEYS:
        _report(said.get(key), key, found, place)
    known = {key.casefold() for key in _KEYS}
    for key, element in said.items():
        if key.casefold() not in known:
            report_unknown(element, _KIND, key)


def report_update_policy(activity: Element, place: str) -> None:
    """Report each key of the policy of an update: Relearn times updates itself.

    Args:
        activity: the update.
        place: the pipeline in the pipelines file.
    """
    for key, element in activity.get("policy").items():
        folded = key.casefold()
        if folded == "timeout":
            text = "an update may take endpoints.verify.within: by default 3m, and 15m for New"
            element.approximated(_KIND, key, f"{place}: {text}")
        elif folded == "retry":
            text = "an update that fails is tried again until its time is over"
            report = element.mapped if number(element.value) == 0 else element.approximated
            report(_KIND, key, f"{place}: {text}")
        elif folded in ("retryintervalinseconds", "secureinput", "secureoutput"):
            text = _SECURE if folded.startswith("secure") else "the pause grows by itself"
            element.mapped(_KIND, key, f"{place}: {text}")
        else:
            report_unknown(element, _KIND, key)


def _report(element: Element, key: str, found: Policy, place: str) -> None:
    """Report one key of the policy of a job.

    Args:
        element: its value.
        key: one of those that are known.
        found: what the policy says.
        place: the pipeline in the pipelines file.
    """
    if key == "timeout":
        _report_timeout(element, found, place)
    elif key == "retry":
        text = f"{place}: training.attempts: {found.attempts}"
        if key in found.unread:
            element.approximated(_KIND, key, f"{text}: {_UNREAD}", "write the number of attempts")
        elif found.wanted > MOST_ATTEMPTS:
            text += f": the most, where the factory has {found.wanted}"
            element.approximated(_KIND, key, text)
        else:
            element.mapped(_KIND, key, f"{text}: the first one, and {found.wanted - 1} more")
    elif key == "retryIntervalInSeconds":
        text = f"{place}: training.pause: {found.pause}"
        none = "no effect, because there is one attempt"
        element.mapped(_KIND, key, text if found.attempts > 1 else none)
    elif str(element.value).casefold() == "true":
        element.approximated(_KIND, key, f"{place}: {_SECURE}", "see that no parameter is a secret")
    else:
        element.mapped(_KIND, key, "the same as where it is left out")


def _report_timeout(element: Element, found: Policy, place: str) -> None:
    text = f"{place}: training.timeout: {found.longest}"
    if "timeout" in found.unread:
        to_do = "write how long one attempt may take"
        element.approximated(_KIND, "timeout", f"{text}: {_UNREAD}", to_do)
    elif found.timeout > LONGEST or not found.timeout:
        text += f": the longest, where the factory has {written(found.timeout)}"
        element.approximated(_KIND, "timeout", text)
    else:
        element.mapped(_KIND, "timeout", text)
