"""Redacts what providers answer, and hides blobs whose names hold a secret.

A service may repeat anything that it was sent, in any field of any answer. What names a model or a
state is left as it is: it is needed so, and holds no secret.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from shared.core.blobs import BlobVersion
from shared.core.names import digest, owner_of_output
from shared.core.redaction import Redactor
from shared.core.service import service
from shared.core.serving.probes import EndpointCheck, ProbeAnswers
from shared.core.serving.references import Candidate, ModelRef, ServingState, Shift
from shared.core.serving.traffic import TrafficMap
from shared.core.serving.traffic_rules import TrafficPoint, TrafficQuery
from shared.errors import OutcomeUnknownError
from shared.ports.serving import Keep, ModelAnswer, Plan, ServingEndpoint
from shared.ports.storage import Access, Blobs, Page, SignedBlob
from shared.ports.training import Evaluation, FinishedJob, JobRequest, JobState, TrainingService
from shared.telemetry import log, redact_error

#: What an id of ours ends with.
_DIGEST: Final = re.compile(r"[0-9a-f]{20}")


@service
class RedactingTraining:
    """A `TrainingService` that returns no secret."""

    service: TrainingService
    redactor: Redactor

    def prepare(self, request: JobRequest) -> str:
        """Return the handle of a new job. Raises as the port says.

        Raises:
            OutcomeUnknownError: the answer holds a secret, so it is not a handle.
        """
        with _clean_errors(self.redactor):
            handle = self.service.prepare(request)
        if self.redactor.text(handle) != handle:
            raise OutcomeUnknownError("create job: the answer repeats a secret and is not a job id")
        return handle

    def preview(self, request: JobRequest) -> Mapping[str, Any]:
        """Return the request that `prepare` would make, without a secret in it."""
        with _clean_errors(self.redactor):
            return self.redactor.clean(self.service.preview(request))

    def ensure_started(self, handle: str, request: JobRequest) -> str | None:
        """Start the job; return what its run's record should say. Raises as the port says.

        Args:
            handle: the handle of the job.
            request: what the job is to do.
        """
        with _clean_errors(self.redactor):
            note = self.service.ensure_started(handle, request)
        return None if note is None else self.redactor.text(note)

    def state(self, handle: str) -> JobState:
        """Return the state of the job. Raises as the port says."""
        with _clean_errors(self.redactor):
            return self.redactor.clean(self.service.state(handle))

    def cancel(self, handle: str) -> None:
        """Ask for the job to end. Raises as the port says."""
        with _clean_errors(self.redactor):
            self.service.cancel(handle)

    def models(self, job: FinishedJob, wanted: Mapping[str, str | None]) -> Mapping[str, ModelRef]:
        """Return the model for each endpoint. Raises as the port says.

        Args:
            job: a finished job.
            wanted: endpoint -> the output that is its model; None: the only one.
        """
        with _clean_errors(self.redactor):
            return self.service.models(job, wanted)

    def register(self, job: FinishedJob, model: ModelRef) -> ModelRef:
        """Register a model; return it as it is registered. Raises as the port says.

        Args:
            job: the job that made it.
            model: as `models` returned it.
        """
        with _clean_errors(self.redactor):
            return self.service.register(job, model)

    def named_model(self, name: str) -> ModelRef:
        """Return a model that an operator names. Raises as the port says."""
        with _clean_errors(self.redactor):
            return self.service.named_model(name)

    def model_again(self, model: ModelRef) -> ModelRef:
        """Return a model that an operator put, as it is now. Raises as the port says."""
        with _clean_errors(self.redactor):
            return self.service.model_again(model)

    def evaluation(self, job: FinishedJob, output: str | None) -> Evaluation:
        """Return what a finished job says of its model. Raises as the port says.

        Args:
            job: a finished job.
            output: the output that is the evaluation; None: there is none.
        """
        with _clean_errors(self.redactor):
            return self.service.evaluation(job, output)

    def predictions(self, job: FinishedJob, output: str) -> Evaluation:
        """Return the predictions that a finished job wrote. Raises as the port says.

        Args:
            job: a finished job.
            output: the output that holds them.
        """
        with _clean_errors(self.redactor):
            return self.service.predictions(job, output)

    def evaluation_beside(self, model: ModelRef) -> Evaluation:
        """Return the evaluation that an operator uploaded with a model. Raises as the port says."""
        with _clean_errors(self.redactor):
            return self.service.evaluation_beside(model)


@service
class RedactingEndpoint:
    """A `ServingEndpoint` that returns no secret."""

    endpoint: ServingEndpoint
    redactor: Redactor

    @property
    def plan(self) -> Plan:
        """How this endpoint is given a new model."""
        return self.endpoint.plan

    def ensure(self) -> None:
        """Make the endpoint where it is to be made. Raises as the port says."""
        with _clean_errors(self.redactor):
            self.endpoint.ensure()

    def current(self, keep: Keep | None = None) -> ServingState | None:
        """Return what serves, as it is: it is what can be restored. Raises as the port says."""
        with _clean_errors(self.redactor):
            return self.endpoint.current(keep)

    def restorable(self, state: ServingState) -> bool:
        """Return whether a state can be restored. Raises as the port says."""
        with _clean_errors(self.redactor):
            return self.endpoint.restorable(state)

    def candidate(self, model: ModelRef, run_id: str, again: int = 0) -> Candidate:
        """Return a model as it is called at the endpoint.

        Args:
            model: the model.
            run_id: the run.
            again: how many candidates of this run could not be made ready before.
        """
        return self.endpoint.candidate(model, run_id, again)

    def stage(self, candidate: Candidate) -> None:
        """Stage a candidate next to the live model. Raises as the port says."""
        with _clean_errors(self.redactor):
            self.endpoint.stage(candidate)

    def candidate_state(self, candidate: Candidate) -> EndpointCheck:
        """Return the state of a candidate. Raises as the port says."""
        with _clean_errors(self.redactor):
            return self._clean(self.endpoint.candidate_state(candidate))

    def log_lines(self, candidate: Candidate) -> str:
        """Return the last lines that a candidate wrote. Raises as the port says."""
        with _clean_errors(self.redactor):
            return self.redactor.text(self.endpoint.log_lines(candidate))

    def score(self, rows: Mapping[str, Any], candidate: Candidate | None = None) -> ProbeAnswers:
        """Return the answers for probe rows. Raises as the port says.

        Args:
            rows: the request with the probe rows.
            candidate: the candidate that is to answer; None: what serves.
        """
        with _clean_errors(self.redactor):
            answers = self.endpoint.score(rows, candidate)
        return self.redactor.clean(answers)

    def answer(self, rows: Mapping[str, Any], name: str) -> ModelAnswer:
        """Return the whole answer for rows. Raises as the port says.

        Args:
            rows: the request.
            name: which model is to answer; empty: what serves.
        """
        with _clean_errors(self.redactor):
            found = self.endpoint.answer(rows, name)
        return self.redactor.clean(found)

    def shift(self, shift: Shift) -> str | None:
        """Ask for a share of the requests. Raises as the port says."""
        with _clean_errors(self.redactor):
            operation = self.endpoint.shift(shift)
        return self._handle(operation)

    def update_state(
        self, operation: str | None = None, shift: Shift | None = None
    ) -> EndpointCheck:
        """Return what the service says, and the probe's answers. Raises as the port says.

        Args:
            operation: the operation of the last update, where there is one.
            shift: the shift that was asked for, where there is one.
        """
        with _clean_errors(self.redactor):
            return self._clean(self.endpoint.update_state(operation, shift))

    def requests(self, query: TrafficQuery) -> tuple[TrafficPoint, ...]:
        """Return what was measured of requests. Raises as the port says."""
        with _clean_errors(self.redactor):
            return self.endpoint.requests(query)

    def restore(self, state: ServingState, known: tuple[TrafficMap, ...] = ()) -> str | None:
        """Ask the endpoint to serve what it served before. Raises as the port says.

        Args:
            state: what it is to serve.
            known: the traffic that it may have now.

        Returns:
            The handle of an asynchronous operation, as `shift`, which raises the same.
        """
        with _clean_errors(self.redactor):
            operation = self.endpoint.restore(state, known)
        return self._handle(operation)

    def discard(self, candidate: Candidate) -> bool:
        """Remove a candidate. Raises as the port says."""
        with _clean_errors(self.redactor):
            return self.endpoint.discard(candidate)

    def _clean(self, seen: EndpointCheck) -> EndpointCheck:
        configured = seen.configured
        if configured is not None and not self._is_ours(configured):
            configured = self.redactor.text(configured)
        return replace(self.redactor.clean(seen), configured=configured)

    def _is_ours(self, path: str) -> bool:
        """Whether a path is made of public names and an id: a model of ours, to be compared."""
        container, _, name = path.partition("/")
        if owner_of_output(name) is None:
            return False
        _, pipeline, run, _, *parts = name.split("/")
        known = map(self.redactor.is_public, (container, pipeline, *parts))
        return all(known) and _DIGEST.fullmatch(run.removeprefix(f"{pipeline}-")) is not None

    def _handle(self, operation: str | None) -> str | None:
        if operation is not None and self.redactor.text(operation) != operation:
            raise OutcomeUnknownError("update: the answer repeats a secret and has no operation")
        return operation


@contextmanager
def _clean_errors(redactor: Redactor) -> Iterator[None]:
    try:
        yield
    except Exception as exc:
        redact_error(exc, redactor)
        raise exc from None  # what it was made from may hold the same


@service
class RedactingBlobs:
    """`Blobs` without those whose names hold a secret; each is reported once for a process."""

    blobs: Blobs
    redactor: Redactor
    _reported: dict[str, None] = field(default_factory=dict)

    @property
    def account(self) -> str:
        """The name of the storage account."""
        return self.blobs.account

    @property
    def account_url(self) -> str:
        """The URL that container names follow, with a slash at its end."""
        return self.blobs.account_url

    def head(self, container: str, name: str) -> BlobVersion | None:
        """Return the present version of the blob, or None. Raises as the port says.

        Args:
            container: the container.
            name: the name of the blob.
        """
        return None if self._hidden(container, name) else self.blobs.head(container, name)

    def listing(self, container: str, prefix: str) -> Iterator[BlobVersion]:
        """Yield the blobs whose names start with `prefix`. Raises as the port says.

        Args:
            container: the container.
            prefix: what the names start with.
        """
        for blob in self.blobs.listing(container, prefix):
            if not self._hidden(container, blob.name):
                yield blob

    def page(self, container: str, cursor: str | None, prefix: str = "") -> Page[BlobVersion]:
        """Return a part of the blobs of a container. Raises as the port says.

        Args:
            container: the container.
            cursor: where the page begins; None: at the first blob.
            prefix: what the names start with.
        """
        page = self.blobs.page(container, cursor, prefix)
        shown = tuple(blob for blob in page.items if not self._hidden(container, blob.name))
        return replace(page, items=shown)

    def read(self, container: str, name: str, limit: int) -> bytes | None:
        """Return the content of a small blob, or None. Raises as the port says.

        Args:
            container: the container.
            name: the name of the blob.
            limit: the most bytes to read.
        """
        return self.blobs.read(container, name, limit)

    def write(self, container: str, name: str, content: bytes) -> BlobVersion:
        """Store a small blob of the app. Raises as the port says.

        Args:
            container: the container.
            name: the name of the blob.
            content: the bytes.

        Returns:
            The version that was written.
        """
        return self.blobs.write(container, name, content)

    def exists(self, container: str) -> bool:
        """Return whether there is such a container. Raises as the port says."""
        return self.blobs.exists(container)

    def sign(self, container: str, name: str, access: Access, valid: timedelta) -> SignedBlob:
        """Return the blob with a SAS for `access` to only this blob. Raises as the port says.

        Args:
            container: the container.
            name: the name of the blob.
            access: what the signature allows.
            valid: how long the signature is valid.
        """
        return self.blobs.sign(container, name, access, valid)

    def adopt(
        self, source: str, container: str, name: str, since: datetime | None = None
    ) -> BlobVersion | None:
        """Copy the blob at URL `source` here. Raises as the port says.

        Args:
            source: the URL, with its signature.
            container: the container.
            name: the name of the blob.
            since: an older copy is replaced; None: every earlier copy counts.

        Returns:
            The copy; None: the signature does not open the source.
        """
        return self.blobs.adopt(source, container, name, since)

    def _hidden(self, container: str, name: str) -> bool:
        if not self.redactor.names_secret(name):
            return False
        known = digest(container, name)
        if known not in self._reported:
            self._reported[known] = None
            log.error(
                "a blob of container %s is ignored, its name holds a secret: %s: rename it",
                container,
                self.redactor.text(name),
            )
        return True
