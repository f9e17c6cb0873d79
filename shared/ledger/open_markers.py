"""What the marker of an open run says of it, so that the poll need not read its record.

Hints are never truth: anything but "nothing has changed" is decided from the record.
"""

from datetime import datetime
from typing import Final

from shared.core.run.machine import expires_at
from shared.core.run.record import Origin, Phase, Run
from shared.ledger.records import Marker

_AT_ENDPOINT: Final = (Phase.STAGING, Phase.PROMOTING, Phase.VERIFYING, Phase.ROLLING_BACK)
_QUEUES: Final = ("run_queues/", "shared_queues/")


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
