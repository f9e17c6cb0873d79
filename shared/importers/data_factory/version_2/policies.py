"""The policies of activities of version 2: attempts, the pause between them, and the timeout.

Each key of a policy has one line of the report. The rules: data-factory §3.4.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from shared.importers.data_factory.account import Element
from shared.importers.data_factory.policies import LONGEST, MOST_ATTEMPTS, longest, report_unknown
from shared.importers.data_factory.values import number, timespan, verbatim, written
from shared.importers.data_factory.version_2.triggers import Start

#: Returns what a value of a definition stands for; None where that is not known.
Value = Callable[[Element], Any]
_KIND: Final = "policy"
#: What the service writes where a policy has no timeout.
_DEFAULT_TIMEOUT: Final = timedelta(hours=12)
_DEFAULT_PAUSE: Final = 30
_LONGEST_PAUSE: Final = 86_400
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
    keys = {key: activity.get("policy", key) for key in _KEYS}
    said = {key: one for key, one in keys.items() if one.value not in (None, "")}
    known = {key: value(one) for key, one in said.items()}
    retry = number(known.get("retry", 0))
    seconds = number(known.get("retryIntervalInSeconds", _DEFAULT_PAUSE))
    timeout = timespan(known["timeout"] or "") if "timeout" in known else _DEFAULT_TIMEOUT
    if seconds is not None and seconds > _LONGEST_PAUSE:
        seconds = None
    if timeout is not None and timeout < timedelta():
        timeout = None
    read = {"retry": retry, "retryIntervalInSeconds": seconds, "timeout": timeout}
    pause = written(timedelta(seconds=_DEFAULT_PAUSE if seconds is None else seconds))
    return Policy(
        retry or 0,
        pause if retry else start.pause,
        start.retries,
        _DEFAULT_TIMEOUT if timeout is None else timeout,
        frozenset(key for key, found in read.items() if found is None),
    )


def report_policy(activity: Element, name: str, found: Policy, place: str) -> None:
    """Report each key of the policy of a job.

    Args:
        activity: the job.
        name: what it is called.
        found: what its policy says.
        place: the pipeline in the pipelines file.
    """
    said = activity.get("policy")
    if said.get("timeout").value in (None, ""):
        text = f"{place}: training.timeout: 12h, since its policy has no timeout"
        activity.approximated("activity", name, text)
    for key in _KEYS:
        if said.get(key).value is not None:
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
        elif folded in ("retry", "retryintervalinseconds"):
            text = "an update that fails is tried again until its time is over; the pauses grow"
            element.approximated(_KIND, key, f"{place}: {text}")
        elif folded in ("secureinput", "secureoutput"):
            _report_secure(element, key, place)
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
        _report_retry(element, found, place)
    elif key == "retryIntervalInSeconds":
        if not found.retry:
            element.mapped(_KIND, key, "no effect, because the activity has no retry")
        elif key in found.unread:
            text = f"{place}: training.pause: {found.pause}: {_unread(element)}"
            element.approximated(_KIND, key, text, "write the pause")
        else:
            element.mapped(_KIND, key, f"{place}: training.pause: {found.pause}")
    else:
        _report_secure(element, key, place)


def _report_retry(element: Element, found: Policy, place: str) -> None:
    text = f"{place}: training.attempts: {found.attempts}"
    if "retry" in found.unread:
        text += f": {_unread(element)}"
        element.approximated(_KIND, "retry", text, "write the number of attempts")
    elif found.wanted > MOST_ATTEMPTS:
        text += f": the most, where the factory has {found.wanted}"
        element.approximated(_KIND, "retry", text)
    elif found.retries:
        text += f": {found.retry + 1}, and as many for each retry of the trigger"
        element.approximated(_KIND, "retry", text)
    else:
        element.mapped(_KIND, "retry", f"{text}: the first one, and {found.retry} more")


def _unread(element: Element) -> str:
    return f"`{verbatim(element.value)}` cannot be read"


def _report_secure(element: Element, key: str, place: str) -> None:
    if str(element.value).casefold() == "false":
        element.mapped(_KIND, key, "the same as where it is left out")
    else:
        element.approximated(_KIND, key, f"{place}: {_SECURE}", "see that no parameter is a secret")


def _report_timeout(element: Element, found: Policy, place: str) -> None:
    text = f"{place}: training.timeout: {found.longest}"
    if "timeout" in found.unread:
        to_do = "write how long one attempt may take"
        text += f": {_unread(element)}"
        element.approximated(_KIND, "timeout", text, to_do)
    elif found.timeout > LONGEST or not found.timeout:
        text += f": the longest, where the factory has {written(found.timeout)}"
        element.approximated(_KIND, "timeout", text)
    else:
        element.mapped(_KIND, "timeout", text)
