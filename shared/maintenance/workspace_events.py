"""Handles the messages of the queue of workspace events: hints that a job may have ended.

Each saves a run the wait for its next status check, and nothing depends on it. A message about a
job that is of no open run costs nothing, or one listing of the open runs of its pipeline.
"""

from shared.core.event_grid import ended_job, events_in
from shared.core.names import pipeline_of_job
from shared.core.service import service
from shared.errors import PermanentError, RelearnError
from shared.execution.context import Context
from shared.maintenance.run_checks import RunChecks
from shared.telemetry import log

FUNCTION = "on_workspace_events"


@service
class WorkspaceEvents:
    """Receives the messages of the queue."""

    context: Context
    checks: RunChecks

    def received(self, message: bytes) -> None:
        """Check the jobs once now that a message says have ended.

        Whether a job has ended is asked of its service, by the configuration of its run.

        Args:
            message: as the host gives it.

        Raises:
            PermanentError: it is not an event. The host tries it a few times, then moves it to the
                poison queue, where the poll sees it.
        """
        try:
            for event in events_in(message):
                if (job := ended_job(event)) is not None:
                    self._ended(job.name)
        except PermanentError as exc:
            log.error("%s: %s", FUNCTION, exc)
            raise

    def _ended(self, job: str) -> None:
        pipeline = pipeline_of_job(job)
        if pipeline is None:
            return  # a job of others, or a step of a job
        try:
            marker = self.context.ledger.open_markers.of_job(job, pipeline)
        except RelearnError as exc:
            log.info("job %s is left to the next poll: %s", job, exc)
            return
        if marker is None:
            log.info("job %s is of no open run here: nothing to do", job)
            return
        limits = self.context.limits
        self.checks.check(marker, self.context.clock.now() + limits.tick - limits.longest_step)
