"""Faults on demand: rules as data, and a pure choice of the one that applies."""

import threading
from collections.abc import Iterable, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from local.studio.refusals import refusal
from local.studio.wire import WireAnswer, refusal_answer


class FaultKind(StrEnum):
    """Kinds of faults. Only with `drop_after`, `truncated` and `delay` the request takes effect."""

    REFUSE = "refuse"
    """The connection is closed before the body is read."""
    DROP_BEFORE = "drop_before"
    """The request is read, has no effect, and the connection is closed."""
    DROP_AFTER = "drop_after"
    """The request takes effect, and the connection is closed without an answer."""
    TRUNCATED = "truncated"
    """The request takes effect, and the answer breaks off half-way."""
    DELAY = "delay"
    """The request waits for `seconds`, then all goes well."""
    THROTTLED = "503"
    """The documented throttling answer, with `retry_after` seconds when given."""
    INTERNAL_ERROR = "500"
    UNAUTHORIZED = "401"
    GARBAGE = "garbage"
    """200 with a body that is not JSON."""
    PLAIN_TEXT = "plain_text"
    """400 with plain text instead of the envelope, as the real one sometimes did."""
    HTML = "html"
    """502 with a page, as a proxy in between answers."""


class FaultRule(BaseModel):
    """One thing to go wrong: for which requests, after how many, and how often.

    Args:
        match: a glob over "METHOD /path" without the query; `*` also crosses slashes.
        kind: what goes wrong.
        times: how often; `None` for always.
        skip: how many matching requests are let through first.
        seconds: how long a `delay` lasts.
        retry_after: the header of a `503`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    match: str = "*"
    kind: FaultKind
    times: int | None = Field(default=1, ge=1)
    skip: int = Field(default=0, ge=0)
    seconds: float = Field(default=0, ge=0, le=600)
    retry_after: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _members_fit_the_kind(self) -> Self:
        if (self.seconds > 0) is not (self.kind is FaultKind.DELAY):
            raise ValueError("a delay needs seconds, and nothing else takes them")
        if self.retry_after is not None and self.kind is not FaultKind.THROTTLED:
            raise ValueError("retry_after is for a 503 only")
        return self


def choose(
    rules: Sequence[FaultRule], method: str, path: str
) -> tuple[FaultRule | None, tuple[FaultRule, ...]]:
    """Choose the first rule that applies to a request, and give the rules that are left.

    A rule that still skips is counted down and passed over; later rules are then checked.
    """
    line = f"{method} {path}"
    left: list[FaultRule] = []
    for position, rule in enumerate(rules):
        if not fnmatchcase(line, rule.match):
            left.append(rule)
        elif rule.skip > 0:
            left.append(rule.model_copy(update={"skip": rule.skip - 1}))
        else:
            if rule.times is None:
                left.append(rule)
            elif rule.times > 1:
                left.append(rule.model_copy(update={"times": rule.times - 1}))
            return rule, (*left, *rules[position + 1 :])
    return None, tuple(left)


def canned(rule: FaultRule) -> WireAnswer | None:
    """Give the answer of a fault that is one; `None` for those acted out on the connection."""
    match rule.kind:
        case FaultKind.THROTTLED:
            answer = refusal_answer(refusal("RequestThrottled", "this"))
            if rule.retry_after is None:
                return answer
            headers = {**answer.headers, "Retry-After": str(rule.retry_after)}
            return WireAnswer(answer.status, headers, answer.body)
        case FaultKind.INTERNAL_ERROR:
            return refusal_answer(refusal("UnknownError"))
        case FaultKind.UNAUTHORIZED:
            return refusal_answer(refusal("ScoreRequestUnauthorized"))
        case FaultKind.GARBAGE:
            return WireAnswer(200, {"Content-Type": "application/json"}, b"{not json")
        case FaultKind.PLAIN_TEXT:
            return WireAnswer(400, {"Content-Type": "text/plain"}, b"The request is not valid.")
        case FaultKind.HTML:
            page = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
            return WireAnswer(502, {"Content-Type": "text/html"}, page)
        case _:
            return None


class FaultScript:
    """The rules in force, taken one by one as requests come in. Safe in several threads."""

    def __init__(self, rules: Iterable[FaultRule] = ()) -> None:
        self._rules = tuple(rules)
        self._lock = threading.Lock()

    @property
    def rules(self) -> tuple[FaultRule, ...]:
        """The rules that are left."""
        return self._rules

    def add(self, rules: Iterable[FaultRule]) -> None:
        """Put rules behind those in force."""
        with self._lock:
            self._rules = (*self._rules, *rules)

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        with self._lock:
            self._rules = ()

    def take(self, method: str, path: str) -> FaultRule | None:
        """Use up the rule that applies to a request, if any."""
        with self._lock:
            rule, self._rules = choose(self._rules, method, path)
        return rule
