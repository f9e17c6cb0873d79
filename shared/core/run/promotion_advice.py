"""Tells an operator why a promotion waits, and what to do about it."""

from shared.core.run.control_events import StepBlocked
from shared.core.run.record import Run


def repair_failed(why: str) -> StepBlocked:
    """Return that a run which restores an earlier model waits for an operator: it did not help."""
    return StepBlocked(
        f"the earlier model does not serve: {why}",
        "see who else updates this endpoint, then retry the run, or cancel it",
    )


def no_earlier_model(run: Run) -> StepBlocked:
    """Return that a run waits for an operator: there is no model to roll back to."""
    if run.promotion is not None and run.promotion.after_rollback in ("judged", "trained"):
        return StepBlocked(
            "the configuration changed since this model was judged, its update may have reached "
            "the endpoint, and no earlier model is known to roll back to first",
            "give the endpoint a working model manually, then cancel the run",
        )
    return StepBlocked(
        f"the model does not work ({run.reason or 'see the history'}), "
        "and there is no earlier one to roll back to",
        "give the endpoint a working model manually, then cancel the run",
    )
