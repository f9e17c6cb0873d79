"""Opens runs that have an open marker and no record, because their worker died."""

from datetime import datetime

from shared.core.run.record import Run
from shared.core.service import service
from shared.execution.context import Context
from shared.intake.batches import Batches
from shared.intake.rollbacks import Rollbacks
from shared.intake.version_runs import VersionRuns
from shared.ledger.open_markers import BatchToOpen, Marker, RollbackToOpen, VersionToOpen
from shared.telemetry import log


@service
class AnnouncedRuns:
    """Continues the opening of runs; what opens each is a hint of its marker."""

    context: Context
    rollbacks: Rollbacks
    batches: Batches
    version_runs: VersionRuns

    def open(self, marker: Marker, until: datetime) -> Run | None:
        """Open the run of a marker, or drop the marker once it is old and opens none.

        Args:
            marker: of a run without a record.
            until: when no further run may be begun.

        Returns:
            A run that was opened; None where there is none now.

        Raises:
            RelearnError: the ledger, or a configuration, cannot be read now.
        """
        hints, run_id, run = marker.hints, marker.run_id, None
        if isinstance(hints, RollbackToOpen):
            run = self.rollbacks.open_announced(hints, run_id)
        elif isinstance(hints, BatchToOpen):
            run = self.batches.resume(hints, until)
        elif isinstance(hints, VersionToOpen):
            run = self.version_runs.open_announced(hints.version, run_id)
            if run is None and self.version_runs.is_expected(hints.version, run_id):
                return None  # its pipeline is not in the file now: it may be added again
        # By the storage's clock: a host's clock may be ahead, and the record not stored yet.
        if (
            run is None
            and self.context.ledger.open_markers.age(run_id) > 2 * self.context.limits.lease
        ):
            log.info("run %s was announced and never opened: its marker is dropped", run_id)
            self.context.ledger.open_markers.remove(marker)
        return run
