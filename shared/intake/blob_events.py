"""Handles the blob events of the containers: training data, job outputs and operators' models."""

from collections.abc import Sequence
from dataclasses import field
from datetime import datetime, timedelta
from typing import Final

from shared.core import names
from shared.core.blobs import RESERVED, is_reserved, is_scratch
from shared.core.config.kinds import MODEL_SUFFIXES
from shared.core.run.data_version import DataVersion
from shared.core.run.record import Phase, Run
from shared.core.service import service
from shared.errors import (
    CorruptRecordError,
    PipelineConfigError,
    RelearnError,
    TransientError,
)
from shared.execution.context import Context
from shared.execution.driver import Driver
from shared.intake.catalogue import Catalogue
from shared.intake.eligibility import Activations, Eligibility
from shared.intake.last_good import LastGood
from shared.intake.version_runs import VersionRuns
from shared.ledger.progress import LastEvent
from shared.telemetry import log

#: How soon an event of the same blob counts as the same one.
_MOMENT: Final = timedelta(minutes=1)
#: Runs whose last check is remembered; then all are forgotten.
_MOST_REMEMBERED: Final = 1000


@service
class BlobEvents:
    """Receives the events of training data, each any number of times."""

    context: Context
    last_good: LastGood
    activations: Activations
    catalogue: Catalogue
    eligibility: Eligibility
    version_runs: VersionRuns

    def blob_arrived(self, name: str, function: str = "on_training_data") -> list[Run]:
        """Open a run for each pipeline that wants this blob, or advance the one it has.

        Args:
            name: the name of the blob.
            function: the trigger that got the event.

        Raises:
            TransientError, OutcomeUnknownError: storage does not work now; deliver the event again.
        """
        if is_reserved(name):
            self._tried(name, function)
            return []
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
            minutes = self.context.limits.found_after_correction if self.last_good.lacking else 0
            self.eligibility.log_once(_no_run_for(name, reading, minutes), name)
        return self.version_runs.receive_all(versions)

    def _tried(self, name: str, function: str) -> None:
        """Record the event of a blob that was written to see that its event arrives."""
        if not is_scratch(name):
            log.info("blob %s is below %s, which holds no data: it is ignored", name, RESERVED)
            return
        event = LastEvent(at=self.context.clock.now(), blob=name, function=function)

        def last(known: LastEvent | None) -> LastEvent:
            return known if known is not None and _repeats(event, known) else event

        try:
            self.context.ledger.last_event.update(last)
        except CorruptRecordError as exc:
            log.error("%s", exc)
        log.info("the event of blob %s arrived at %s", name, function)


def _repeats(event: LastEvent, known: LastEvent) -> bool:
    """Whether the event was recorded a moment ago: then many at once write it once."""
    return event.blob == known.blob and timedelta() <= event.at - known.at < _MOMENT


def _no_run_for(name: str, reading: Sequence[str], minutes: int) -> str:
    """Return why a blob opens no run; with `minutes` where the file has an error."""
    if not reading and minutes:
        return (
            f"blob {name} opens no run now: the pipelines file has an error (GET "
            "/api/health/details lists it), and the pipeline that it is for may not be known. "
            f"To do: correct the file; the blob will be found within {minutes} minutes of that"
        )
    if not reading:
        return f"blob {name} matches no pipeline: it is ignored"
    return (
        f"blob {name} opens no run: it is for {', '.join(reading[:20])}, where opens_runs is "
        "false; the schedule or an operator starts a run on it"
    )


@service
class ModelEvents:
    """Receives the events of models, each any number of times."""

    context: Context
    catalogue: Catalogue
    eligibility: Eligibility
    version_runs: VersionRuns
    driver: Driver
    _checked: dict[str, datetime] = field(default_factory=dict, init=False)

    def model_arrived(self, name: str) -> Run | None:
        """Check the job that wrote this blob, or open a run for an operator's model.

        Whatever its name is, a blob of a job's outputs is a hint only: the job says whether it has
        finished. Many at once cause one check in each interval; a complete model, by its suffix,
        causes one always. Files of an attempt that has ended, or of an unknown run, are
        logged and ignored (design rule 10).

        Raises:
            TransientError, OutcomeUnknownError: storage does not work now; deliver the event again.
        """
        is_model = name.endswith(MODEL_SUFFIXES)
        if owner := names.owner_of_output(name):
            checked = self._checked_lately(owner[0])
            return self._advance_owner(name, *owner) if is_model or not checked else None
        if (for_pipeline := self.catalogue.without_uploads(name)) is not None:
            self.eligibility.log_once(
                f"{name} opens no run: pipeline {for_pipeline} takes registered models, because a "
                f"folder does not say when it is complete. To do, if the pipeline has an endpoint: "
                f"POST /api/pipelines/{for_pipeline}/runs with "
                '{"model": "azureml:<name>:<version>"}',
                f"{names.PROMOTE}/{for_pipeline}",
            )
            return None
        if not is_model:
            return None
        try:
            pipeline = self.catalogue.for_manual_model(name)
        except PipelineConfigError as exc:  # no failure of the event: the search finds the model
            minutes = self.context.limits.found_after_correction
            to_do = f"To do: correct the file; it will be found within {minutes} minutes of that"
            self.eligibility.log_once(f"model {name} is ignored for now: {exc}. {to_do}", name)
            return None
        if pipeline is None:
            self.eligibility.log_once(
                f"model {name} belongs to no run; to promote a model manually, put it at "
                f"promote/<pipeline with an endpoint>/<key, if it has one>/<file>"
                f"{' or '.join(MODEL_SUFFIXES)}",
                name,
            )
            return None
        blob = self.context.models.head(self.context.models_container, name)
        if blob is None:
            log.info("model %s is gone again: nothing to do", name)
            return None
        return self.version_runs.receive(DataVersion.of_model(pipeline, blob))

    def _checked_lately(self, run_id: str) -> bool:
        """Whether an output of the run caused a check a short time ago; else this one does."""
        now = self.context.clock.now()
        interval = self.context.limits.check_interval_min
        if len(self._checked) >= _MOST_REMEMBERED:
            self._checked.clear()
        last = self._checked.get(run_id)
        if last is not None and now - last < interval:
            return True
        self._checked[run_id] = now
        return False

    def _advance_owner(self, name: str, run_id: str, attempt: int) -> Run | None:
        stored = self.context.ledger.runs.read(run_id)
        if stored is None or stored.record.attempt != attempt or stored.record.phase.ended:
            why = f"is {stored.record.phase}" if stored else "is unknown"
            log.info("output %s: run %s %s; the file is ignored", name, run_id, why)
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
