"""Decides whether a failed step is tried again later, or its run waits for an operator."""

import hashlib
from datetime import datetime, timedelta

from shared.core.run.commands import Command, Event
from shared.core.run.control_events import StepBlocked, StepFailed
from shared.core.run.record import Origin, Run, StepFailure
from shared.core.service import service
from shared.core.serving.traffic import TrafficMap
from shared.errors import (
    ChangedByOthersError,
    ConfigError,
    ConflictError,
    EndpointBusyError,
    OutcomeUnknownError,
    PermanentError,
    RelearnError,
    TransientError,
)
from shared.execution.context import Context
from shared.execution.traffic_steps import blocked_by_others
from shared.telemetry import log


@service
class StepFailures:
    """Returns the event for each error of a step (design rule 7)."""

    context: Context

    def event_for(self, command: Command, run: Run, error: Exception) -> Event | None:
        """Return what an error of a step means for its run.

        Args:
            command: the step.
            run: the run of the step.
            error: that the step raised.

        Returns:
            The event to record; None where the outcome of an effect is not known.
        """
        if isinstance(error, TransientError | OutcomeUnknownError | ConflictError):
            return self.delay_for(run, error)
        if isinstance(error, ConfigError):
            return StepBlocked(str(error), "correct the setting, restart, then retry the run")
        if isinstance(error, ChangedByOthersError):
            return blocked_by_others(run, TrafficMap.model_validate(error.found))
        if isinstance(error, PermanentError):
            advice = error.advice or "remove the cause"
            return StepBlocked(str(error), f"{advice}, then retry the run, or cancel it")
        log.error("run %s: unexpected error in: %s", run.run_id, command, exc_info=error)
        if command.acts:
            return None
        unexpected = TransientError(f"unexpected {type(error).__name__} in: {command}")
        return self.delay_for(run, unexpected)

    def delay_for(self, run: Run, error: RelearnError) -> StepFailed:
        """Return the delay after an error: growing, jittered, at least as long as the service asks.

        Args:
            run: the run of the step.
            error: of the step.

        Returns:
            The event to record.
        """
        limits = self.context.limits
        count = run.step_failure.count if run.step_failure else 0
        # A rollback is urgent: the model that serves meanwhile is known to be broken.
        urgent = run.origin is Origin.ROLLBACK
        longest = limits.check_interval_min if urgent else limits.check_interval_max
        pause = min(limits.check_interval_min * 2 ** min(count, 10), longest)
        pause *= 1 + _jitter(run.run_id, count) / 4
        asked = patience = None
        if isinstance(error, TransientError):
            asked, patience = error.retry_after, error.patience
        pause = max(pause, asked or timedelta())
        next_check = self.context.clock.now() + pause
        return StepFailed(
            str(error),
            next_check,
            patience or limits.patience,
            step_patience=limits.patience,
            advice=error.advice,
            waits_for=error.endpoint if isinstance(error, EndpointBusyError) else "",
        )

    def silence(self, run: Run, since: datetime) -> StepFailure:
        """Return the step failure of a run whose claim is taken over.

        Args:
            run: the run.
            since: when the worker that had claimed it was last known to live.

        Returns:
            The step failure that the run has from now on.
        """
        since = run.step_failure.since if run.step_failure else since
        return StepFailure(
            since=since,
            cause_since=since,
            patience=self.context.limits.patience,
            count=run.step_failure.count + 1 if run.step_failure else 1,
            reason="the worker that had claimed this run fell silent; its step is checked",
            next_check=self.context.clock.now(),
        )

    def after_silence(self, run: Run) -> Event | None:
        """Return a failure after a step with an effect had no answer for too long, or None."""
        if run.step_failure is None:
            return None
        waited = self.context.clock.now() - run.step_failure.since
        if waited < self.context.limits.patience:
            return None
        return self.delay_for(run, OutcomeUnknownError("no answer is ever seen"))


def _jitter(run_id: str, count: int) -> float:
    # Derived: a repetition waits as long. Different for each run, so that many runs spread.
    return hashlib.sha256(f"{run_id}/{count}".encode()).digest()[0] / 255
