"""The numbered log of calls, and the faults that are applied to them."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from local.azureml.answers import WORKSPACE, Answer, NoAnswerError, conflict, refusal
from local.azureml.switches import Switches
from shared.ports.clock import Clock


class Fault(StrEnum):
    """A fault of a call."""

    THROTTLED = "throttled"  #: 429 with Retry-After; not done
    BUSY = "busy"  #: 409, another operation runs; not done
    UNAVAILABLE = "unavailable"  #: 500; not done
    UNSENT = "unsent"  #: no answer; not done
    LOST = "lost"  #: no answer; done
    LATE = "late"  #: no answer; done after `late_after`
    GATEWAY = "gateway"  #: 504; done (a job: an orphan, azure-machine-learning-v2 §2.4)
    GATEWAY_DONE = "gateway_done"  #: 504; done, and a job is a whole one
    GATEWAY_UNDONE = "gateway_undone"  #: 504; not done
    OVER_CAPACITY = "over_capacity"  #: 500 that wraps a 503; not done
    UNAUTHORIZED = "unauthorized"  #: 401; not done
    FORBIDDEN = "forbidden"  #: 403; not done
    CUT = "cut"  #: 200 with half of the answer's JSON; done
    HTML = "html"  #: 502 with a page of something in between; not done

    @property
    def done(self) -> bool:
        """Whether the request was done, at once or later."""
        return self in (Fault.LOST, Fault.LATE, Fault.GATEWAY, Fault.GATEWAY_DONE, Fault.CUT)


@dataclass(frozen=True)
class Call:
    """One call, as the log has it."""

    kind: str  #: as `PUT deployment`
    target: str  #: as `census/m-1`

    @property
    def writes(self) -> bool:
        """Whether the call changes something."""
        return self.kind.split(" ")[0] in ("PUT", "PATCH", "DELETE") or self.kind == "POST cancel"


@dataclass
class Calls:
    """Every call passes here, in the order of arrival; the first has number 0."""

    clock: Clock
    switches: Switches
    log: list[Call] = field(default_factory=list)
    late_after: timedelta = timedelta(minutes=1)
    _by_number: dict[int, Fault] = field(default_factory=dict)
    _by_kind: dict[tuple[str, int], Fault] = field(default_factory=dict)
    _before: dict[tuple[str, int], list[Callable[[], object]]] = field(default_factory=dict)
    _refused_as: dict[tuple[str, int], Answer] = field(default_factory=dict)
    _late: list[tuple[datetime, Callable[[], object]]] = field(default_factory=list)
    _counted: Counter[str] = field(default_factory=Counter)  #: the log so far, by kind
    _silent: bool = False

    def __post_init__(self) -> None:
        """Remember when it began: roles may be late."""
        self._began = self.clock.now()

    def fault_at(self, number: int, fault: Fault) -> None:
        """Let call number `number` of all calls fail."""
        self._by_number[number] = fault

    def fault_on(self, kind: str, fault: Fault, nth: int = 0, times: int = 1) -> None:
        """Let `times` calls of one kind fail, from its `nth` on.

        Args:
            kind: as in the log.
            fault: what goes wrong.
            nth: counted from 0, over the whole log.
            times: how many calls in a row.
        """
        for number in range(nth, nth + times):
            self._by_kind[kind, number] = fault

    def refuse_on(self, kind: str, answer: Answer, nth: int = 0) -> None:
        """Let one call of a kind be answered so, and not be done.

        Args:
            kind: as in the log.
            answer: see `answers.refusal`.
            nth: counted from 0, over the whole log.
        """
        self._refused_as[kind, nth] = answer

    def before(self, kind: str, do: Callable[[], object], nth: int = 0) -> None:
        """Let something happen just before the `nth` call of a kind: another writer, the time.

        Args:
            kind: as in the log.
            do: what happens; calls made in it are neither logged nor do they fail.
            nth: counted from 0, over the whole log.
        """
        self._before.setdefault((kind, nth), []).append(do)

    def count(self, kind: str, target: str | None = None) -> int:
        """Return how many calls of a kind there were, at one target or at all."""
        if target is not None:
            return sum(c.kind == kind and c.target == target for c in self.log)
        if len(self.log) < self._counted.total():  # somebody has cleared it
            self._counted.clear()
        self._counted.update(c.kind for c in self.log[self._counted.total() :])
        return self._counted[kind]

    @property
    def is_other_writer(self) -> bool:
        """Whether calls are those of another writer."""
        return self._silent

    @contextmanager
    def other_writer(self) -> Iterator[None]:
        """Run the calls of this block for another writer: not logged, without faults."""
        before, self._silent = self._silent, True
        try:
            yield
        finally:
            self._silent = before

    def run(
        self,
        call: Call,
        do: Callable[[], Answer],
        orphan: Callable[[Answer], object] | None = None,
    ) -> Answer:
        """Answer one call.

        Args:
            call: what is asked for.
            do: does it.
            orphan: what a time-out of the gateway makes of what was done.

        Returns:
            The service's answer, or that of a fault.

        Raises:
            NoAnswerError: when the fault is that nothing is answered.
        """
        self._deliver()
        if self._silent:
            return do()
        nth = self.count(call.kind)
        by_number = self._by_number.get(len(self.log))
        fault = by_number or self._by_kind.get((call.kind, nth))
        self.log.append(call)
        for hook in self._before.pop((call.kind, nth), ()):
            with self.other_writer():
                hook()
        refused = self._no_access(call) or self._refused_as.pop((call.kind, nth), None)
        if refused is not None:
            return refused
        return do() if fault is None else self._fail(fault, call, do, orphan)

    def _fail(
        self,
        fault: Fault,
        call: Call,
        do: Callable[[], Answer],
        orphan: Callable[[Answer], object] | None,
    ) -> Answer:
        match fault:
            case Fault.UNSENT:
                pass
            case Fault.LOST:
                do()
            case Fault.LATE:
                self._late.append((self.clock.now() + self.late_after, do))
            case Fault.CUT:
                answer = do()
                raw = isinstance(answer.body, bytes)  # of a container
                text = answer.body if raw else json.dumps(answer.body)
                return Answer(answer.status, text[: len(text) // 2], answer.headers)
            case Fault.GATEWAY | Fault.GATEWAY_DONE | Fault.GATEWAY_UNDONE:
                done = None if fault is Fault.GATEWAY_UNDONE else do()
                if done is not None and fault is Fault.GATEWAY and orphan is not None:
                    orphan(done)
                return refusal(504, "GatewayTimeout", "The gateway did not receive a response.")
            case _:
                return self._refused(fault, call)
        raise NoAnswerError(f"{call.kind} {call.target}: {fault}")

    def _refused(self, fault: Fault, call: Call) -> Answer:
        match fault:
            case Fault.THROTTLED:
                return self._throttled()
            case Fault.BUSY:
                return conflict()
            case Fault.UNAUTHORIZED:
                return refusal(401, "AuthenticationFailed", "Authentication failed.")
            case Fault.FORBIDDEN:
                return forbidden(call)
            case Fault.HTML:
                return Answer(502, "<html><body><h1>502 Bad Gateway</h1></body></html>")
            case Fault.OVER_CAPACITY:
                text = "Received 503 from a service request: DatabaseOverCapacity"
                answer = refusal(500, "SystemError", text, "ServiceError", "DatabaseOverCapacity")
                return Answer(500, answer.body, {"x-ms-retry-after-ms": "2000"})
            case _:
                return refusal(500, "SystemError", "Internal error.", "InternalServerError")

    def _no_access(self, call: Call) -> Answer | None:
        if call.kind in _NOT_BY_ROLE:
            return None
        if self.switches.other_tenant:
            message = (
                "The access token is from the wrong issuer. It must match the tenant associated "
                "with this subscription."
            )
            return refusal(401, "InvalidAuthenticationTokenTenant", message)
        if self.clock.now() < self._began + self.switches.roles_late:
            return forbidden(call)
        return None

    def _throttled(self) -> Answer:
        seconds = self.switches.throttle_retry_after
        headers = {"Retry-After": str(seconds), "x-ms-retry-after-ms": str(seconds * 1000)}
        answer = refusal(429, "TooManyRequests", "The rate limit was exceeded.")
        return Answer(429, answer.body, headers)

    def _deliver(self) -> None:
        due = [do for at, do in self._late if at <= self.clock.now()]
        self._late = [(at, do) for at, do in self._late if at > self.clock.now()]
        for do in due:
            do()


def forbidden(call: Call) -> Answer:
    """Refuse a call for which no role is there; the message names the action."""
    verb, _, kind = call.kind.partition(" ")
    action = {"GET": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete"}.get(verb)
    scope = f"{WORKSPACE}/{_RESOURCES.get(kind.rstrip('s'), kind)}"
    path = scope.removeprefix(WORKSPACE).strip("/")
    done = f"Microsoft.MachineLearningServices/workspaces/{path}/{action or kind + '/action'}"
    message = (
        f"The client does not have authorization to perform action '{done}' over scope "
        f"'{WORKSPACE}/{path}/{call.target}' or the scope is invalid. If access was recently "
        "granted, please refresh your credentials."
    )
    return refusal(403, "AuthorizationFailed", message)


#: Calls that have access rules of their own.
_NOT_BY_ROLE = frozenset({"POST score"})
_RESOURCES = {
    "job": "jobs",
    "cancel": "jobs",
    "model": "models",
    "component": "components",
    "datastore": "datastores",
    "compute": "computes",
    "endpoint": "onlineEndpoints",
    "deployment": "onlineEndpoints/deployments",
}
