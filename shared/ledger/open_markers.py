"""What the marker of an open run says of it, so that the poll need not read its record.

Hints are never truth: anything but "nothing has changed" is decided from the record.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from shared.core.run.machine import expires_at
from shared.core.run.record import Origin, Phase, Run
from shared.errors import ConflictError
from shared.ledger.store import Store, retried
from shared.ports.storage import ETag, Listed, Page

_AT_ENDPOINT: Final = (Phase.STAGING, Phase.PROMOTING, Phase.VERIFYING, Phase.ROLLING_BACK)
_QUEUES: Final = ("run_queues/", "shared_queues/")


@dataclass(frozen=True, slots=True)
class Marker:
    """An open run as the listing shows it."""

    run_id: str
    etag: ETag
    modified: datetime
    hints: dict[str, str] = field(default_factory=dict)


class OpenMarkers:
    """The markers of open runs: `open/<run id>`, empty; their metadata are hints, never truth."""

    def __init__(self, store: Store) -> None:
        self._documents = store.documents

    def mark(self, run_id: str, hints: dict[str, str]) -> None:
        """Have the poll know of a run before its record exists. Safe to repeat.

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
                self._documents.create(name, b"", hints)
            else:
                self._documents.replace(name, b"", found.etag, hints)

        retried(name, attempt)

    def has(self, run_id: str) -> bool:
        """Return whether the poll knows of a run."""
        return self._documents.read(f"open/{run_id}") is not None

    def age(self, run_id: str) -> timedelta:
        """Return how old the marker of a run is, by the storage's clock; zero without one."""
        found = self._documents.read(f"open/{run_id}")
        return found.age if found else timedelta()

    def phase(self, run_id: str) -> str | None:
        """Return the phase that a run's marker hints at; None where it has no marker."""
        for listed in self._documents.listing(f"open/{run_id}"):
            if listed.name == f"open/{run_id}":
                return listed.metadata.get("phase", "")
        return None

    def phases(self, pipeline: str) -> dict[str, str]:
        """Return the phases that the markers of a pipeline's open runs hint at, in one listing."""
        return {one.run_id: one.hints.get("phase", "") for one in self.listed(pipeline)}

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

    def replace(self, marker: Marker, hints: dict[str, str]) -> None:
        """Replace the hints of a marker, unless another worker did or the run has ended.

        Args:
            marker: as it was listed.
            hints: what it says from now on.
        """
        try:
            self._documents.replace(f"open/{marker.run_id}", b"", marker.etag, hints)
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


def _marker(listed: Listed) -> Marker:
    run_id = listed.name.removeprefix("open/")
    return Marker(run_id, listed.etag, listed.modified, dict(listed.metadata))


def hints_of(run: Run) -> dict[str, str]:
    """Return what the poll may know of an open run without reading its record."""
    training, endpoint = run.config.training, run.config.endpoint
    hints = {"phase": str(run.phase), "pipeline": run.pipeline, "service": training.address}
    if endpoint and run.phase in _AT_ENDPOINT:
        hints |= {"service": endpoint.address, "endpoint_id": endpoint.ref.id}
    if run.phase is Phase.TRAINING and run.job and run.started_at and not run.cancelling:
        hints |= {
            "job": run.job,
            "started": run.started_at.isoformat(),
            "until": (run.started_at + training.timeout).isoformat(),
        }
    if run.phase is Phase.WAITING and run.queue_name and not run.cancelling:
        hints["queue"] = run.queue_name
    if run.phase is Phase.AWAITING_APPROVAL:
        hints["expires"] = expires_at(run).isoformat()
    if run.step_failure and run.step_failure.waits_for and not run.cancelling:
        hints["waits_for"] = run.step_failure.waits_for
        # A person waits for a rollback; else whoever waits the longest is next.
        rank = 0 if run.origin is Origin.ROLLBACK else 1
        hints["priority"] = f"{rank} {run.step_failure.since.isoformat()}"
    if run.step_failure:
        hints["next_check"] = run.step_failure.next_check.isoformat()
    return hints


def time_in(hints: dict[str, str], name: str) -> datetime | None:
    """Return the time that a hint names; None where it is missing or is no time."""
    try:
        at = datetime.fromisoformat(hints.get(name, ""))
    except ValueError:
        return None
    return at if at.tzinfo else None


def queue_of(marker: Marker) -> str:
    """Return the slot or seat in whose queue a run is said to wait; empty where there is none."""
    hints, queue_name = marker.hints, marker.hints.get("queue", "")
    waits = hints.get("phase") == Phase.WAITING and "next_check" not in hints
    return queue_name if waits and queue_name.startswith(_QUEUES) else ""
