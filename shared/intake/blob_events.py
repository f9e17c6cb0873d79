"""Handles the blob events of the containers: training data, job outputs and operators' models."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.core import names
from shared.core.config.studio_types import MODEL_SUFFIX
from shared.core.data_version import DataVersion
from shared.core.run.record import Phase, Run
from shared.errors import PipelineConfigError, RelearnError, TransientError
from shared.execution.context import Context
from shared.execution.driver import Driver
from shared.intake.catalogue import Catalogue
from shared.intake.eligibility import Activations, Eligibility
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


@dataclass(frozen=True, slots=True)
class ModelEvents:
    """Receives the events of models, each any number of times."""

    context: Context
    catalogue: Catalogue
    eligibility: Eligibility
    version_runs: VersionRuns
    driver: Driver

    def model_arrived(self, name: str) -> Run | None:
        """Advance the run whose job wrote this model, or open one for an operator's model.

        Files of an attempt that has ended, or of an unknown run, are logged and ignored
        (design rule 10).

        Raises:
            TransientError, OutcomeUnknownError: storage does not work now; deliver the event again.
        """
        if not name.endswith(MODEL_SUFFIX):
            return None
        if owner := names.owner_of_output(name):
            return self._advance_owner(name, *owner)
        try:
            pipeline = self.catalogue.for_manual_model(name)
        except PipelineConfigError as exc:  # no failure of the event: the search finds the model
            minutes = self.context.limits.found_within
            to_do = f"To do: correct the file; it will be found within {minutes} minutes of that"
            self.eligibility.log_once(f"model {name} is left alone for now: {exc}. {to_do}", name)
            return None
        if pipeline is None:
            self.eligibility.log_once(
                f"model {name} belongs to no run; to promote a model manually, put it at "
                f"promote/<pipeline with an endpoint>/<key, if it has one>/<file>"
                f"{MODEL_SUFFIX}",
                name,
            )
            return None
        blob = self.context.models.head(self.context.models_container, name)
        if blob is None:
            log.info("model %s is gone again: nothing to do", name)
            return None
        return self.version_runs.receive(DataVersion.of_model(pipeline, blob))

    def _advance_owner(self, name: str, run_id: str, attempt: int) -> Run | None:
        stored = self.context.ledger.runs.read(run_id)
        if stored is None or stored.record.attempt != attempt or stored.record.phase.ended:
            why = f"is {stored.record.phase}" if stored else "is not known"
            log.info("model %s: run %s %s; the file is left alone", name, run_id, why)
            return None
        try:
            if stored.record.phase is not Phase.TRAINING:
                return self.driver.advance(run_id).run
            # The event may be one of many for the same file: only a new file is a reason to check.
            output = self.context.models.head(self.context.models_container, name)
            return self.driver.output_seen(stored, output) if output else stored.record
        except RelearnError as exc:
            log.info("run %s: left to the next poll: %s", run_id, exc)
            return stored.record
