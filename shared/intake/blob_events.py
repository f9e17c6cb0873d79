"""Opens runs: records what was seen, once, and hands the run to the driver.

Where each data version has its run at once, the writes are, in order: the marker, so that
the poll knows of the run; the version entry, the one place where an event is told from its
repetition; the record. Else it is kept until its run may begin (`shared.intake.batches`). A crash
between any two writes is finished by the poll or by the event's next delivery.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.core import names
from shared.core.blobs import BlobVersion
from shared.core.config.configuration import Configuration
from shared.core.config.keys import key_of
from shared.core.config.pipeline import PIPELINE_NAME, Pipeline
from shared.core.config.studio_models import MODEL_SUFFIX
from shared.core.run.record import Origin, Phase, Run
from shared.errors import CorruptRecordError, PipelineConfigError, RelearnError, TransientError
from shared.execution.context import Context
from shared.execution.driver import Driver
from shared.execution.run_factory import RunFactory, ambiguous
from shared.intake.backfill import Backfill
from shared.intake.batches import APPEARED, Batches, OpenedBatches
from shared.intake.catalogue import Catalogue
from shared.intake.eligibility import Eligibility, version_of
from shared.intake.last_good import LastGood
from shared.intake.requests import Requests
from shared.intake.unwanted import UnwantedData
from shared.ledger.open_markers import BatchToOpen, VersionToOpen
from shared.ledger.versions import VersionEntry
from shared.telemetry import log

#: Runs are begun for this long by one event.
_BATCH_FOR: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class _Discovered:
    """What became of a version that was come upon."""

    is_new: bool  #: it was not known before, and a run trains on it
    has_run: bool  #: it has a run, or will have one


def _raise_first(failures: Sequence[RelearnError]) -> None:
    """Raise the first failure; the others are only logged."""
    for other in failures[1:]:
        log.warning("%s", other)
    if failures:
        raise failures[0]


class Intake:
    """Turns blobs, due times, requests and hand-made models into runs, each at most once.

    Args:
        context: the world.
        configuration: what the pipelines file says, or the pipelines by name where all are sound.
        started_at: when this process started, by its own clock; a pipeline seen for the first
            time counts as activated then.
    """

    def __init__(
        self,
        context: Context,
        configuration: Configuration | Mapping[str, Pipeline],
        started_at: datetime,
    ) -> None:
        self._context = context
        if not isinstance(configuration, Configuration):
            configuration = Configuration(configuration)
        #: What pipelines with an error go on by.
        self.last_good: Final = LastGood(context, configuration, started_at)
        pipelines = self.last_good.served
        self.catalogue: Final = Catalogue(pipelines, self.last_good.require)
        #: Takes the steps of every run; it tells back of data versions that it meets.
        self.driver: Final = Driver(context, self)
        self._opening = RunFactory(context, self.driver)
        self.asked: Final = Requests(context, self._opening)
        self._batches = Batches(context, self._opening)
        self.backfill: Final = Backfill(context, pipelines, self.asked.newest_data, self._take_old)
        self._newness = Eligibility(context, started_at, self.backfill)
        self._newness.known([*configuration.pipelines, *configuration.broken], started_at)
        self._unwanted = UnwantedData(
            context, self.catalogue, self.active_since, self._batches.keep
        )

    def take(
        self, configuration: Configuration, changed_at: datetime, eligible_from: datetime
    ) -> None:
        """Go by a pipelines file that was changed while the app runs; nothing is asked or stored.

        Args:
            configuration: what the file says now.
            changed_at: since when it may say so, by the clock of this process.
            eligible_from: what was written since then is news to pipelines that are new in it.
        """
        self._newness.known([*configuration.pipelines, *configuration.broken], eligible_from)
        self.last_good.take(configuration, changed_at)

    def open_batches(self, until: datetime, begin_with: Mapping[str, str]) -> OpenedBatches:
        """Open the runs that what landed before may have now; none of them is advanced.

        Args:
            until: when no further run may be begun.
            begin_with: pipeline -> the key that the last pass had no more time for.

        Raises:
            TransientError: the inbox cannot be listed now.
        """
        gathered = self._batches.open_all(self.catalogue.pipelines, until, begin_with)
        self._unwanted.settle(gathered.unwanted, until)
        return gathered

    def resume_batch(self, batch: BatchToOpen, until: datetime) -> Run | None:
        """Go on with a run that a worker began to open from what landed; None if there is none."""
        pipeline = self.catalogue.pipeline(batch.pipeline)
        runs = self._batches.open_batches(pipeline, batch.key, until) if pipeline else []
        return runs[0] if runs else None

    def blob_arrived(self, name: str) -> list[Run]:
        """Open a run for each pipeline that wants this blob, or advance the one it has.

        Raises:
            TransientError, OutcomeUnknownError: storage does not work now; deliver the event again.
        """
        self.activate()
        blob = self._context.data.head(self._context.data_container, name)
        if blob is None:
            log.info("blob %s is gone again: nothing to do", name)
            return []
        wanted = self.catalogue.wanting(name)
        if not wanted and self.last_good.incomplete:
            raise TransientError(f"blob {name}: the pipeline that it is for may not be known now")
        if not wanted:
            reading = self.catalogue.only_reading(name)
            minutes = self._context.limits.found_within if self.last_good.lacking else 0
            self._newness.log_once(_no_run_for(name, reading, minutes), name)
        return self._receive_for_all(wanted, blob)

    def activate(self) -> None:
        """Make sure of what the pipelines go on by, and of the time since when blobs are news.

        Raises:
            TransientError: storage does not work now.
        """
        self.last_good.refresh()
        # Also those that have an error: what comes before they are corrected is news to them.
        broken = [n for n in self.last_good.file.broken if re.fullmatch(PIPELINE_NAME, n)]
        for name in dict.fromkeys((*self.catalogue.names(), *broken)):
            try:
                self.active_since(name)
            except CorruptRecordError as exc:
                log.error("pipeline %s: %s", name, exc)  # the others go on

    def active_since(self, pipeline: str) -> datetime:
        """Return when the pipeline was first known; what is older is not news to it."""
        return self._newness.active_since(pipeline)

    def scheduled_since(self, pipeline: str) -> datetime | None:
        """Return since when the pipeline has its schedule; None where that is not known.

        Raises:
            TransientError: storage does not work now.
        """
        self.last_good.refresh()
        with suppress(CorruptRecordError):  # reported by `activate`; the schedule does not need it
            self.active_since(pipeline)
        return self.last_good.scheduled_since(pipeline)

    def return_to_inbox(self, run: Run, blobs: Iterable[BlobVersion]) -> None:
        """Have other runs train on what `run` was to train on and will not. Safe to repeat."""
        self._batches.return_to_inbox(run, blobs)

    def arrived(self, blob: BlobVersion) -> bool:
        """Record a version met by chance, so that the poll opens its run; tell whether it will."""
        blob = self._context.recorded(blob)
        recorded = [self._discovered(pipeline, blob) for pipeline in self._wanting(blob)]
        return any(one.has_run for one in recorded)

    def record_discovered(self, blob: BlobVersion) -> bool:
        """Record a version that a search came upon; whether no event had announced it."""
        found, failures = False, []
        blob = self._context.recorded(blob)
        for pipeline in self._wanting(blob):
            try:
                found = self._discovered(pipeline, blob).is_new or found
            except RelearnError as exc:
                failures.append(exc)  # the other pipelines shall have their data all the same
        _raise_first(failures)
        return found

    def appeared(self, pipeline: Pipeline, blob: BlobVersion) -> bool:
        """Have a version trained on that appeared with an old time; whether it was not known.

        An entry that only says that the version is older than its pipeline does not count: an
        event or a search may have come upon it before.

        Raises:
            RelearnError: it cannot be looked up or kept now.
        """
        version = version_of(pipeline, blob)
        known = self._context.ledger.versions.entry(version)
        if known is not None and not known.is_old:
            return False
        if not self._newness.accepts_appeared(pipeline, blob):
            return False
        return self._batches.keep(pipeline, blob, version, appeared=True)

    def model_appeared(self, pipeline: Pipeline, blob: BlobVersion) -> bool:
        """The same for a model put by hand: the poll opens its run.

        Raises:
            RelearnError: it cannot be looked up or kept now.
        """
        version, ledger = version_of(pipeline, blob), self._context.ledger
        known = ledger.versions.read(version)
        if known is not None and not known.record.is_old:
            return False
        if not self._newness.accepts_appeared(pipeline, blob):
            return False
        run_id = names.run_id(pipeline.name, Origin.MODEL, version)
        ledger.open_markers.mark(run_id, VersionToOpen(version=version))
        # Since when it is known does not change: it may have been noted as old before.
        first = blob.recorded(known.record.blob.recorded_at) if known else blob
        first = self._context.recorded(first)
        entry = VersionEntry(pipeline=pipeline.name, blob=first, run_id=run_id, appeared=True)
        if known is None:
            return ledger.versions.add(version, entry)
        ledger.versions.put(version, entry, known.etag)
        return True

    def _wanting(self, blob: BlobVersion) -> list[Pipeline]:
        return self.catalogue.wanting(blob.name)

    def _discovered(self, pipeline: Pipeline, blob: BlobVersion) -> "_Discovered":
        """Record a version that no event told of, for the poll to open its run."""
        version = version_of(pipeline, blob)
        known = self._context.ledger.versions.entry(version)
        if known is not None:
            return _Discovered(is_new=False, has_run=known.run_id is not None)
        if not self._waits(pipeline, blob):
            entry = self._record_version(pipeline, blob, Origin.DATA)
            has_run = entry is not None and entry.run_id is not None
            return _Discovered(is_new=has_run, has_run=has_run)
        if not self._newness.accepts(pipeline, blob):
            return _Discovered(is_new=False, has_run=False)
        kept = self._batches.keep(pipeline, blob, version)
        return _Discovered(is_new=kept, has_run=True)

    def model_arrived(self, name: str) -> Run | None:
        """Advance the run whose job wrote this model, or open one for a model put by hand.

        Files of an ended or foreign attempt are logged and left alone (design rule 10).
        """
        if not name.endswith(MODEL_SUFFIX):
            return None
        if owner := names.owner_of_output(name):
            return self._advance_owner(name, *owner)
        try:
            pipeline = self.catalogue.for_manual_model(name)
        except PipelineConfigError as exc:  # no failure of the event: the search finds the model
            minutes = self._context.limits.found_within
            told = f"To do: correct the file; it will be found within {minutes} minutes of that"
            self._newness.log_once(f"model {name} is left alone for now: {exc}. {told}", name)
            return None
        if pipeline is None:
            self._newness.log_once(
                f"model {name} belongs to no run; to promote a model by hand, put it at "
                f"promote/<pipeline with an endpoint>/<key, if it has one>/<file>"
                f"{MODEL_SUFFIX}",
                name,
            )
            return None
        blob = self._context.models.head(self._context.models_container, name)
        if blob is None:
            log.info("model %s is gone again: nothing to do", name)
            return None
        return self._receive(pipeline, blob, Origin.MODEL)

    def record_discovered_model(self, blob: BlobVersion) -> bool:
        """Record a model put by hand that a search came upon; whether no event had announced it.

        The poll opens its run: nothing is sent to an endpoint from inside a search.
        """
        try:
            pipeline = self.catalogue.for_manual_model(blob.name)
        except PipelineConfigError as exc:  # it never was active: no model is news to it
            self._newness.log_once(f"model {blob.name} is left alone: {exc}", blob.name)
            return False
        if (
            pipeline is None
            or self._context.ledger.versions.entry(version_of(pipeline, blob)) is not None
        ):
            return False
        entry = self._record_version(pipeline, blob, Origin.MODEL)
        return entry is not None and entry.run_id is not None

    def open_from_entry(self, version_id: str, run_id: str) -> Run | None:
        """Open the run of a recorded version whose record was never written, or return None."""
        entry = self._context.ledger.versions.entry(version_id)
        if entry is None or not self._is_due(entry, run_id):
            return None
        manual_model = entry.blob.container == self._context.models_container
        pipeline = self.catalogue.pipeline(entry.pipeline)
        if pipeline is None:
            if (
                not manual_model
            ):  # it waits as other data does: for this pipeline, or for a renamed one
                waits = VersionEntry(pipeline=entry.pipeline, blob=entry.blob, run_id=None)
                self._context.ledger.inbox.add((), version_id, waits)
            return None
        origin = Origin.MODEL if manual_model else Origin.DATA
        appeared = entry.appeared
        return self._open(pipeline, run_id, entry.blob, origin, fresh=False, appeared=appeared)

    def is_expected(self, version_id: str, run_id: str) -> bool:
        """Whether a model put by hand still needs this run: its pipeline may come back."""
        entry = self._context.ledger.versions.entry(version_id)
        if entry is None or not self._is_due(entry, run_id):
            return False
        manual_model = entry.blob.container == self._context.models_container
        return manual_model or self.catalogue.pipeline(entry.pipeline) is not None

    def _is_due(self, entry: VersionEntry, run_id: str) -> bool:
        """Whether a version is this run's alone, and the run never was there."""
        own = entry.run_id == run_id and not entry.in_batch
        return own and not self._context.ledger.tombstones.has(run_id)

    def _receive_for_all(self, wanted: list[Pipeline], blob: BlobVersion) -> list[Run]:
        runs, failures = [], []
        blob = self._context.recorded(blob)  # at one time for all pipelines
        for pipeline in wanted:
            try:
                runs.append(self._receive(pipeline, blob))
            except RelearnError as exc:
                failures.append(exc)  # the other pipelines shall have their run all the same
        _raise_first(failures)
        return [run for run in runs if run is not None]

    def _receive(
        self, pipeline: Pipeline, blob: BlobVersion, origin: Origin = Origin.DATA
    ) -> Run | None:
        version = version_of(pipeline, blob)
        entry = known = self._context.ledger.versions.entry(version)
        if entry is None:
            if origin is Origin.DATA and self._waits(pipeline, blob):
                return self._keep(pipeline, blob)
            entry = self._record_version(pipeline, blob, origin)
        if entry is None or entry.run_id is None:
            return None
        # From here on the timer would do the same: an event must not fail (design rule 14).
        try:
            return self._continue(pipeline, version, entry, origin, known=known is not None)
        except RelearnError as exc:
            log.warning("run %s: left to the next poll: %s", entry.run_id, exc)
            return None

    def _continue(
        self, pipeline: Pipeline, version: str, entry: VersionEntry, origin: Origin, *, known: bool
    ) -> Run | None:
        """Advance the run of a version, or open it where its record was never written."""
        run_id = str(entry.run_id)
        advanced = self.driver.advance(run_id)
        if advanced is not None or entry.in_batch:
            return advanced  # one that takes all that waited is opened by the gathering alone
        if known:
            if self._context.ledger.tombstones.has(run_id):
                log.info("blob %s: the record of its run %s was removed", entry.blob.path, run_id)
                return None
            # Its marker may have been dropped since: no run without one.
            hints = VersionToOpen(version=version)
            self._context.ledger.open_markers.mark(run_id, hints)
        return self._open(pipeline, run_id, entry.blob, origin)

    def _waits(self, pipeline: Pipeline, blob: BlobVersion) -> bool:
        """Whether a version is kept until its run may begin; a name of no use is told at once."""
        if ambiguous(blob.name):
            return False
        return not pipeline.at_once or self._context.ledger.pauses.of(pipeline.name) is not None

    def _keep(self, pipeline: Pipeline, blob: BlobVersion) -> Run | None:
        if not self._newness.accepts(pipeline, blob):
            return None
        self._batches.keep(pipeline, blob, version_of(pipeline, blob))
        if pipeline.data and pipeline.data.settles:
            return None  # the burst may go on
        # From here on the timer would do the same: an event must not fail (design rule 14).
        try:
            until = self._context.clock.now() + _BATCH_FOR
            runs = self._batches.open_batches(pipeline, key_of(pipeline, blob.name), until)
            begun = [self.driver.advance(run.run_id, until) or run for run in runs]
        except RelearnError as exc:
            log.warning("blob %s: left to the next poll: %s", blob.path, exc)
            return None
        return next((run for run in begun if blob in run.manifest), None)

    def _record_version(
        self, pipeline: Pipeline, blob: BlobVersion, origin: Origin
    ) -> VersionEntry | None:
        if not self._newness.accepts(pipeline, blob):
            return None
        version = version_of(pipeline, blob)
        run_id = names.run_id(pipeline.name, origin, version)
        self._context.ledger.open_markers.mark(run_id, VersionToOpen(version=version))
        recorded = self._context.recorded(blob)
        entry = VersionEntry(pipeline=pipeline.name, blob=recorded, run_id=run_id)
        if self._context.ledger.versions.add(version, entry):
            return entry
        return self._context.ledger.versions.entry(version)  # another host recorded it this moment

    def _take_old(self, pipeline: Pipeline, blob: BlobVersion) -> None:
        version = version_of(pipeline, blob)
        if self._context.ledger.versions.entry(version) is None:
            self._batches.keep(pipeline, blob, version)

    def _open(
        self,
        pipeline: Pipeline,
        run_id: str,
        blob: BlobVersion,
        origin: Origin,
        *,
        fresh: bool = True,
        appeared: bool = False,
    ) -> Run:
        cause = f"blob {blob.path}" + (f", {APPEARED}" if appeared else "")
        run = self._opening.new(pipeline, run_id, [blob], origin, cause)
        return self._opening.begin(run, fresh=fresh)

    def _advance_owner(self, name: str, run_id: str, attempt: int) -> Run | None:
        stored = self._context.ledger.runs.read(run_id)
        if stored is None or stored.record.attempt != attempt or stored.record.phase.ended:
            why = f"is {stored.record.phase}" if stored else "is not known"
            log.info("model %s: run %s %s; the file is left alone", name, run_id, why)
            return None
        try:
            if stored.record.phase is not Phase.TRAINING:
                return self.driver.advance(run_id)
            # The event may be one of many for the same file: only what is new is a reason to look.
            output = self._context.models.head(self._context.models_container, name)
            return self.driver.output_seen(stored, output) if output else stored.record
        except RelearnError as exc:
            log.info("run %s: left to the next poll: %s", run_id, exc)
            return stored.record


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
        "false; the schedule or a person starts a run on it"
    )
