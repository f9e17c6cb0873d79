"""Handles the blob events of the training data container."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.core.run.record import Run
from shared.errors import TransientError
from shared.execution.context import Context
from shared.intake.activations import Activations
from shared.intake.catalogue import Catalogue
from shared.intake.eligibility import Eligibility
from shared.intake.last_good import LastGood
from shared.intake.version_runs import VersionRuns
from shared.telemetry import log


@dataclass(frozen=True, slots=True)
class BlobEvents:
    """Receives the events of training data, each any number of times."""

    context: Context
    last_good: LastGood
    activations: Activations
    catalogue: Catalogue
    eligibility: Eligibility
    version_runs: VersionRuns

    def blob_arrived(self, name: str) -> list[Run]:
        """Open a run for each pipeline that wants this blob, or advance the one it has.

        Raises:
            TransientError, OutcomeUnknownError: storage does not work now; deliver the event again.
        """
        self.activations.refresh()
        blob = self.context.data.head(self.context.data_container, name)
        if blob is None:
            log.info("blob %s is gone again: nothing to do", name)
            return []
        versions = self.catalogue.wanting(blob)
        if not versions and self.last_good.incomplete:
            raise TransientError(f"blob {name}: the pipeline that it is for may not be known now")
        if not versions:
            reading = self.catalogue.only_reading(name)
            minutes = self.context.limits.found_within if self.last_good.lacking else 0
            self.eligibility.log_once(_no_run_for(name, reading, minutes), name)
        return self.version_runs.receive_all(versions)


def _no_run_for(name: str, reading: Sequence[str], minutes: int) -> str:
    """Return why a blob opens no run; with `minutes` where the file has an error."""
    if not reading and minutes:
        return (
            f"blob {name} opens no run now: the pipelines file has an error (GET "
            "/api/health/details lists it), and the pipeline that it is for may not be known. "
            f"To do: correct the file; the blob will be found within {minutes} minutes of that"
        )
    if not reading:
        return f"blob {name} matches no pipeline: it is left alone"
    return (
        f"blob {name} opens no run: it is for {', '.join(reading[:20])}, where opens_runs is "
        "false; the schedule or an operator starts a run on it"
    )
