"""Operations that take time, each on one resource (azure-machine-learning-v2 §5.2)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from local.azureml.answers import ARM, LOCATION, SUBSCRIPTION, Answer, Body, missing
from local.azureml.switches import Duration, Switches
from shared.ports.clock import Clock

_NEVER = "0001-01-01T00:00:00+00:00"
_PATH = (
    f"{ARM}/subscriptions/{SUBSCRIPTION}/providers/Microsoft.MachineLearningServices/locations/"
    f"{LOCATION}/mfeOperationsStatus/"
)


@dataclass(frozen=True)
class Failure:
    """Why an operation does not succeed (azure-machine-learning-v2 §5.5)."""

    code: str
    message: str = "The operation failed."
    status: str = "Failed"  #: or Canceled


@dataclass
class Operation:
    """One operation that takes time."""

    name: str
    resource: str  #: `census`, or `census/m-1` of a deployment
    started: datetime
    ends: datetime
    checks: int
    finish: Callable[["Operation"], None]
    failure: Failure | None = None
    pending: Callable[[], bool] | None = None  #: whether what it does is still being done
    ended: bool = False

    @property
    def url(self) -> str:
        """Return the address without its signature."""
        return f"{_PATH}{self.name}"

    @property
    def signed_url(self) -> str:
        """Return the address that answers carry."""
        return f"{self.url}?t=1&c=certificate&s=signature-{self.name}&h=hash"

    @property
    def result_url(self) -> str:
        """Return the address for the header `Location`."""
        return self.signed_url.replace("mfeOperationsStatus", "mfeOperationResults")

    @property
    def endpoint(self) -> str:
        """Return the endpoint that the operation belongs to."""
        return self.resource.partition("/")[0]

    def headers(self) -> dict[str, str]:
        """Return what the answer to the request carries: no Retry-After."""
        return {"Azure-AsyncOperation": self.signed_url, "x-ms-async-operation-timeout": "PT30M"}


@dataclass
class Operations:
    """All operations, running and ended."""

    clock: Clock
    switches: Switches
    all: dict[str, Operation] = field(default_factory=dict)
    _running: dict[str, Operation] = field(default_factory=dict)  #: of all, in their order
    _later: list[tuple[datetime, Callable[[], object]]] = field(default_factory=list)

    def begin(
        self,
        resource: str,
        takes: Duration,
        finish: Callable[[Operation], None],
        failure: Failure | None = None,
        pending: Callable[[], bool] | None = None,
    ) -> Operation:
        """Begin an operation.

        Args:
            resource: on what.
            takes: how long it runs, at least.
            finish: called once at its end; sees whether it failed.
            failure: how it will fail, if it will.
            pending: whether it cannot end yet, because real work is not done.

        Returns:
            The operation.
        """
        now = self.clock.now()
        name = f"{'od' if '/' in resource else 'oe'}:{len(self.all)}"
        ends = now + takes.time
        operation = Operation(name, resource, now, ends, takes.checks, finish, failure, pending)
        self.all[name] = self._running[name] = operation
        return operation

    def finish_due(self) -> None:
        """Finish every operation that is due; each call of the service begins with it."""
        for at, do in [one for one in self._later if one[0] <= self.clock.now()]:
            self._later.remove((at, do))
            do()
        due = [o for o in self._running.values() if self._is_due(o)]
        for operation in sorted(due, key=lambda o: o.ends):
            operation.ended = True
            del self._running[operation.name]
            operation.finish(operation)

    def later(self, after: timedelta, do: Callable[[], object]) -> None:
        """Have something happen by itself, some time from now."""
        self._later.append((self.clock.now() + after, do))

    def _is_due(self, operation: Operation) -> bool:
        if operation.checks > 0 or operation.ends > self.clock.now():
            return False
        return operation.pending is None or not operation.pending()

    def running(self, resource: str) -> Operation | None:
        """Return the operation that a write on this resource has to wait for."""
        for operation in self._running.values():
            whole = self.switches.lock == "endpoint"
            same = operation.endpoint == resource.partition("/")[0]
            if operation.resource == resource or (whole and same):
                return operation
        return None

    def count_check(self, resource: str) -> None:
        """Count a read of a resource's state, after its answer was made."""
        for operation in self._running.values():
            if operation.resource == resource:
                operation.checks -= 1

    def _is_forgotten(self, operation: Operation) -> bool:
        kept = self.switches.operations_kept
        over = kept is not None and operation.ends + kept < self.clock.now()
        return operation.ended and over

    def read(self, url: str) -> Answer:
        """Answer a GET of an operation's address, signed or not."""
        name = url.partition("?")[0].removeprefix(_PATH)
        if (operation := self.all.get(name)) is None:
            return missing(f"Operation {name} not found.")
        failure = operation.failure
        status = "Updating"
        if operation.ended:
            status = failure.status if failure else "Succeeded"
        end = operation.ends.isoformat() if operation.ended else _NEVER
        body: Body = {"id": operation.url.removeprefix(ARM), "name": name, "status": status}
        body |= {"startTime": operation.started.isoformat(), "endTime": end, "percentComplete": 0.0}
        if self._is_forgotten(operation):
            return missing(f"Operation {name} not found.")
        if failure and operation.ended and self.switches.failed_operations == "with_error":
            body["error"] = {"code": failure.code, "message": failure.message}
        headers = {}
        if not operation.ended and self.switches.operation_retry_after is not None:
            headers["Retry-After"] = str(self.switches.operation_retry_after)
        operation.checks -= 0 if operation.ended else 1
        return Answer(200, body, headers)
