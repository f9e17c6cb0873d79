"""Reads the app's health: the short form without a function key, the full one with it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from calls import OK, Answer, Caller
from console import Console

_HEALTH_SECONDS: Final = 300.0
_EVERY: Final = 10.0
_MOST_SHOWN: Final = 5
#: Such a problem is there until an operator acts, so it is not waited for. It does not fail the
#: hook: a first deployment comes before the pipelines file is uploaded.
_FOR_OPERATORS: Final = {"configuration"}
#: Passing answers of the app or its platform. 503 is a final answer: the app has problems.
_AGAIN: Final = (408, 429)


@dataclass(frozen=True)
class AppHealth:
    """Asks the app."""

    base: str  #: its address
    caller: Caller
    function_key: Callable[[], str]

    @property
    def _console(self) -> Console:
        return self.caller.console

    def details(self) -> Answer:
        """Return the full answer of the app, with any status.

        Raises:
            HookError: nothing answered, or there is no key.
        """
        url = f"{self.base}/api/health/details"
        headers = {"x-functions-key": self.function_key(), "Accept": "application/json"}
        return self.caller.send("GET", url, headers, again=_AGAIN)

    def check(self) -> None:
        """Wait until the app is healthy, or has what an operator must change; keep a row of it.

        Raises:
            HookError: nothing answered.
        """
        self._console.step("health of the app")
        last: list[Answer] = []

        def ask() -> Answer | None:
            last[:] = [self.caller.send("GET", f"{self.base}/api/health", {}, again=_AGAIN)]
            kinds = set(_counts(last[0]))
            is_settled = last[0].status == OK or (kinds and kinds <= _FOR_OPERATORS)
            return last[0] if is_settled else None

        self._console.wait_for("a healthy app", ask, _HEALTH_SECONDS, _EVERY)
        answer = last[0]
        if answer.status == OK:
            said = answer.json()
            text = f"{said.get('status', 'it answers')}, version {said.get('version', '?')}"
            self._console.result("health", "done", text)
        elif counts := _counts(answer):
            self._tell_problems(counts)
        else:
            text = f"the app does not start: `GET /api/health` answers HTTP {answer.status}"
            advice = "look at its log; if it lacks a role, restart it in ten minutes (failure 10)"
            self._console.result("health", "wrong", text, advice)

    def _tell_problems(self, counts: dict[str, Any]) -> None:
        shown = ", ".join(f"{count} of {kind}" for kind, count in counts.items())
        state = "note" if counts.keys() <= _FOR_OPERATORS else "wrong"
        advice = (
            "`GET /api/health/details` lists each problem with its advice; `relearn doctor` too"
        )
        self._console.result("health", state, f"the app runs, and has problems: {shown}", advice)
        problems = self.details().json().get("problems")
        for problem in problems[:_MOST_SHOWN] if isinstance(problems, list) else ():
            self._console.detail(f"problem: {problem}")


def _counts(answer: Answer) -> dict[str, Any]:
    """Return how many problems of each kind the app has; empty if the app did not answer."""
    counts = answer.json().get("problems")
    return counts if isinstance(counts, dict) else {}
