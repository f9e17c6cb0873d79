"""The gate at the two ports: what a service answers or raises passes before anybody reads it.

A service may repeat whatever it was sent, in any field of any answer. `SignedBlob`s are left
as they are: their signatures are used, and no text shows them.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from shared.core.blobs import BlobVersion
from shared.core.names import owner_of_output
from shared.core.redaction import Redactor
from shared.core.run.record import RollbackTarget
from shared.core.serving.probes import EndpointCheck
from shared.errors import OutcomeUnknownError
from shared.ports.ports import (
    Current,
    JobRequest,
    JobState,
    ServingEndpoint,
    SignedBlob,
    TrainingService,
)
from shared.telemetry import clean_error

#: What an id of ours ends with.
_DIGEST: Final = re.compile(r"[0-9a-f]{20}")


@dataclass(frozen=True, slots=True)
class RedactingTraining:
    """A `TrainingService` that gives no secret back."""

    service: TrainingService
    redactor: Redactor = field(repr=False)

    def prepare(self, request: JobRequest) -> str:
        """Return the handle of a new job. Raises as the port says.

        Raises:
            OutcomeUnknownError: the answer holds a secret, so it is no handle.
        """
        with _clean_errors(self.redactor):
            handle = self.service.prepare(request)
        if self.redactor.text(handle) != handle:
            raise OutcomeUnknownError("create job: the answer repeats a secret and is no job id")
        return handle

    def preview(self, request: JobRequest) -> Mapping[str, Any]:
        """Return the request that `prepare` would make, without a secret in it."""
        with _clean_errors(self.redactor):
            return self.redactor.clean(self.service.preview(request))

    def ensure_started(self, handle: str, request: JobRequest) -> None:
        """Start the job. Raises as the port says."""
        with _clean_errors(self.redactor):
            self.service.ensure_started(handle, request)

    def state(self, handle: str) -> JobState:
        """Return how the job stands. Raises as the port says."""
        with _clean_errors(self.redactor):
            return self.redactor.clean(self.service.state(handle), keep=(SignedBlob,))

    def cancel(self, handle: str) -> None:
        """Ask for the job to end. Raises as the port says."""
        with _clean_errors(self.redactor):
            self.service.cancel(handle)


@dataclass(frozen=True, slots=True)
class RedactingEndpoint:
    """A `ServingEndpoint` that gives no secret back."""

    endpoint: ServingEndpoint
    redactor: Redactor = field(repr=False)

    def ensure(self) -> None:
        """Make the endpoint where it is to be made. Raises as the port says."""
        with _clean_errors(self.redactor):
            self.endpoint.ensure()

    def current(self) -> Current:
        """Return what the endpoint was last given; its location is left as it is."""
        with _clean_errors(self.redactor):
            reported = self.endpoint.current()
        return replace(reported, resources=self.redactor.clean(reported.resources))

    def update(self, model: BlobVersion) -> str | None:
        """Ask the endpoint to serve `model`. Raises as the port says."""
        with _clean_errors(self.redactor):
            operation = self.endpoint.update(model)
        return self._handle(operation)

    def look(self, operation: str | None = None) -> EndpointCheck:
        """Return what the service says, and the probe's answers. Raises as the port says."""
        with _clean_errors(self.redactor):
            seen = self.endpoint.look(operation)
        configured = seen.configured
        if configured is not None and not self._is_ours(configured):
            configured = self.redactor.text(configured)
        return replace(self.redactor.clean(seen), configured=configured)

    def restore(self, previous: RollbackTarget) -> str | None:
        """Ask the endpoint to serve what it served before. Raises as the port says."""
        with _clean_errors(self.redactor):
            operation = self.endpoint.restore(previous)
        return self._handle(operation)

    def _is_ours(self, path: str) -> bool:
        """Whether a path is made of public names and an id: a model of ours, to be compared."""
        container, _, name = path.partition("/")
        if owner_of_output(name) is None:
            return False
        _, pipeline, run, _, file = name.split("/")
        known = map(self.redactor.is_public, (container, pipeline, file))
        return all(known) and _DIGEST.fullmatch(run.removeprefix(f"{pipeline}-")) is not None

    def _handle(self, operation: str | None) -> str | None:
        if operation is not None and self.redactor.text(operation) != operation:
            raise OutcomeUnknownError("update: the answer repeats a secret and names no operation")
        return operation


@contextmanager
def _clean_errors(redactor: Redactor) -> Iterator[None]:
    try:
        yield
    except Exception as exc:
        clean_error(exc, redactor)
        raise exc from None  # what it was made from may hold the same
