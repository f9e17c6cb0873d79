"""What the marker of an open run tells the poll, so that most looks need no record."""

from shared.core.machine import expires_at
from shared.core.run import Phase, Run


def hints_of(run: Run) -> dict[str, str]:
    """Return what the poll may know of an open run without reading its record."""
    training, endpoint = run.config.training, run.config.endpoint
    promoting = run.phase in (Phase.PROMOTING, Phase.VERIFYING, Phase.RETURNING)
    service = endpoint.update if endpoint and promoting else training.service
    hints = {"phase": str(run.phase), "pipeline": run.pipeline, "service": service}
    if run.phase is Phase.TRAINING and run.job and run.started_at and not run.cancelling:
        hints |= {
            "credential": training.api_key,
            "job": run.job,
            "started": run.started_at.isoformat(),
            "until": (run.started_at + training.timeout).isoformat(),
        }
    if run.phase is Phase.AWAITING_APPROVAL:
        hints["expires"] = expires_at(run).isoformat()
    if run.trouble:
        hints["next_look"] = run.trouble.next_look.isoformat()
    return hints
