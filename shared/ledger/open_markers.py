"""The markers of open runs: `open/<run id>`, empty blobs that the poll lists.

The metadata of a marker say why it is there, so that the poll need not read the record of the
run. They are hints, never truth: anything but "nothing has changed" is decided from the record,
and metadata that are damaged or unknown count as no hints.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, ConfigDict, Field, TypeAdapter

from shared.core.frozen import FrozenModel
from shared.core.run.machine import expires_at
from shared.core.run.record import Origin, Phase, Run
from shared.errors import ConflictError
from shared.ledger.store import Store, retried
from shared.ports.storage import ETag, Listed, Page

_AT_ENDPOINT: Final = (Phase.STAGING, Phase.PROMOTING, Phase.VERIFYING, Phase.ROLLING_BACK)
_QUEUES: Final = ("run_queues/", "shared_queues/")
_MARKER: Final = "marker"


class JobHints(FrozenModel):
    """A job that was started, and until when it may run."""

    id: str
    started: AwareDatetime
    until: AwareDatetime


class EndpointWait(FrozenModel):
    """The endpoint that a run waits for, and what decides its order."""

    endpoint_id: str
    rollback: bool  #: an operator waits for a rollback, so it goes first
    since: AwareDatetime


class _Hints(FrozenModel):
    phase: Phase | None = None
    pipeline: str = ""
    service: str = ""  #: the address that the next step is likely to call


class RunHints(_Hints):
    """A run with a record, or that is about to have one; by default nothing is known of it."""

    kind: Literal["run"] = "run"
    endpoint_id: str = ""  #: that it updates, or waits for
    job: JobHints | None = None
    queue: str = ""
    expires: AwareDatetime | None = None
    waits_for: EndpointWait | None = None
    next_check: AwareDatetime | None = None

    @property
    def failing(self) -> bool:
        """Whether the last step failed; a run that waits for an endpoint has made no call."""
        return self.next_check is not None and self.waits_for is None


class VersionToOpen(_Hints):
    """A run is to be opened for a data version whose entry names the run."""

    kind: Literal["version"] = "version"
    phase: Phase | None = Phase.RECEIVED
    version: str


class BatchToOpen(_Hints):
    """A run is to be opened for the data in the inbox."""

    kind: Literal["batch"] = "batch"
    phase: Phase | None = Phase.WAITING
    key: tuple[str, ...] = ()


class RollbackToOpen(_Hints):
    """A run is to be opened for a rollback that the endpoint state asks for."""

    kind: Literal["rollback"] = "rollback"
    phase: Phase | None = Phase.PROMOTING
    endpoint: str
    key: tuple[str, ...] = ()


class CommandStored(_Hints):
    """An operator's command was just stored: the record is to be read."""

    kind: Literal["command"] = "command"


OpenMarker = RunHints | VersionToOpen | BatchToOpen | RollbackToOpen | CommandStored

_OPEN_MARKER: Final[TypeAdapter[OpenMarker]] = TypeAdapter(
    Annotated[OpenMarker, Field(discriminator="kind")], config=ConfigDict(defer_build=True)
)


@dataclass(frozen=True, slots=True)
class Marker:
    """An open run as the listing shows it."""

    run_id: str
    etag: ETag
    modified: datetime
    hints: OpenMarker = field(default_factory=RunHints)

    @property
    def run(self) -> RunHints:
        """What the marker says of a run with a record; of any other marker nothing."""
        return self.hints if isinstance(self.hints, RunHints) else RunHints()


class OpenMarkers:
    """The markers of open runs."""

    def __init__(self, store: Store) -> None:
        self._documents = store.documents

    def mark(self, run_id: str, hints: OpenMarker) -> None:
        """Have the poll know of a run. Safe to repeat.

        An old marker is written anew: a poll that is about to remove it must not succeed.

        Args:
            run_id: the run.
            hints: what the poll may know of it.

        Raises:
            ConflictError: the marker keeps changing.
        """
        name = f"open/{run_id}"

        def attempt() -> None:
            found = self._documents.read(name)
            if found is None:
                self._documents.create(name, b"", encoded(hints))
            else:
                self._documents.replace(name, b"", found.etag, encoded(hints))

        retried(name, attempt)

    def announce(self, run_id: str, hints: OpenMarker) -> None:
        """Mark a run that is about to be opened, in one operation where it has no marker yet.

        Args:
            run_id: the run.
            hints: what the poll may know of it.

        Raises:
            ConflictError: the marker keeps changing.
        """
        try:
            self._documents.create(f"open/{run_id}", b"", encoded(hints))
        except ConflictError:
            self.mark(run_id, hints)

    def has(self, run_id: str) -> bool:
        """Return whether the poll knows of a run."""
        return self._documents.read(f"open/{run_id}") is not None

    def age(self, run_id: str) -> timedelta:
        """Return how old the marker of a run is, by the storage's clock; zero without one."""
        found = self._documents.read(f"open/{run_id}")
        return found.age if found else timedelta()

    def hints(self, run_id: str) -> OpenMarker | None:
        """Return what the marker of a run says, in one listing; None where it has no marker."""
        for listed in self._documents.listing(f"open/{run_id}"):
            if listed.name == f"open/{run_id}":
                return decoded(listed.metadata)
        return None

    def of_job(self, job: str, beginning: str) -> Marker | None:
        """Return the marker of the open run whose job this is, in one listing.

        Args:
            job: the handle of the job.
            beginning: what the id of the run begins with.
        """
        listed = map(_marker, self._documents.listing(f"open/{beginning}"))
        return next((one for one in listed if one.run.job and one.run.job.id == job), None)

    def phases(self, pipeline: str) -> dict[str, Phase | None]:
        """Return the phases that the markers of a pipeline's open runs hint at, in one listing."""
        return {one.run_id: one.hints.phase for one in self.listed(pipeline)}

    def listed(self, pipeline: str = "") -> Iterator[Marker]:
        """Yield the markers of open runs, of all pipelines or of those whose name begins so."""
        prefix = f"open/{pipeline}-" if pipeline else "open/"
        return map(_marker, self._documents.listing(prefix))

    def page(self, size: int, cursor: str | None) -> Page[Marker]:
        """Return some of the open runs, by id, in one listing.

        Args:
            size: how many at most.
            cursor: where the page before ended; None for the first.

        Raises:
            InvalidCursorError: no page gave this cursor.
        """
        page = self._documents.page("open/", size, cursor)
        return Page(tuple(map(_marker, page.items)), page.cursor)

    def replace(self, marker: Marker, hints: OpenMarker) -> None:
        """Replace the hints of a marker, unless another worker did or the run has ended.

        Args:
            marker: as it was listed.
            hints: what it says from now on.
        """
        try:
            self._documents.replace(f"open/{marker.run_id}", b"", marker.etag, encoded(hints))
        except ConflictError:
            return

    def remove(self, marker: Marker) -> None:
        """Remove the marker of a run whose record was read as ended."""
        try:
            self._documents.delete(f"open/{marker.run_id}", marker.etag)
        except ConflictError:
            return  # its hints were just renewed: the next tick removes it

    def remove_of(self, run_id: str) -> bool:
        """Remove the marker of an ended run, in two operations; return whether there was one."""
        found = self._documents.read(f"open/{run_id}")
        if found is not None:
            self.remove(Marker(run_id, found.etag, found.modified))
        return found is not None


def encoded(marker: OpenMarker) -> dict[str, str]:
    """Return a marker as the metadata of its blob, in ASCII as headers are."""
    said = marker.model_dump(mode="json", exclude_defaults=True)
    return {_MARKER: json.dumps({"kind": marker.kind, **said}, separators=(",", ":"))}


def decoded(metadata: Mapping[str, str]) -> OpenMarker:
    """Return what metadata say; nothing where they are unknown or damaged."""
    try:
        return _OPEN_MARKER.validate_json(metadata.get(_MARKER, ""))
    except ValueError:
        return RunHints()


def _marker(listed: Listed) -> Marker:
    run_id = listed.name.removeprefix("open/")
    return Marker(run_id, listed.etag, listed.modified, decoded(listed.metadata))


def hints_of(run: Run) -> RunHints:
    """Return what the poll may know of an open run without reading its record."""
    training, endpoint = run.config.training, run.config.endpoint
    at_endpoint = endpoint if run.phase in _AT_ENDPOINT else None
    waits_there = run.candidate is not None or run.parked_in in _AT_ENDPOINT
    failure, job = run.step_failure, None
    if run.phase is Phase.TRAINING and run.job and run.started_at and not run.cancelling:
        until = run.started_at + training.timeout
        job = JobHints(id=run.job, started=run.started_at, until=until)
    waits_for = None
    if failure and failure.waits_for and not run.cancelling:
        rollback = run.origin is Origin.ROLLBACK
        waits_for = EndpointWait(
            endpoint_id=failure.waits_for, rollback=rollback, since=failure.since
        )
    waits = run.phase is Phase.WAITING and not run.cancelling
    awaits = run.phase is Phase.AWAITING_APPROVAL
    return RunHints(
        phase=run.phase,
        pipeline=run.pipeline,
        service=at_endpoint.address if at_endpoint else training.address,
        endpoint_id=endpoint.ref.id if endpoint and (at_endpoint or waits_there) else "",
        job=job,
        queue=run.queue_name if waits else "",
        expires=run.asks_at or expires_at(run) if awaits else None,
        waits_for=waits_for,
        next_check=failure.next_check if failure else None,
    )


def queue_of(marker: Marker) -> str:
    """Return the queue in which a run is said to wait; empty where there is none."""
    run = marker.run
    waits = run.phase is Phase.WAITING and run.next_check is None
    return run.queue if waits and run.queue.startswith(_QUEUES) else ""
