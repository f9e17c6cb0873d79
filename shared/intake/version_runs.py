"""Opens the run of a data version, once, whether an event, a search or the poll finds it first.

Where each data version has its run at once, the writes are, in order: the open marker, so that
the poll finds the run; the version's entry, by which a repeated event is recognized; the
record. Otherwise it waits in the inbox (`shared.intake.batches`). After a crash between two
writes, the poll or the next event continues.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from shared.core.run.data_version import DataVersion
from shared.core.run.record import Phase, Run
from shared.core.service import service
from shared.errors import RelearnError
from shared.execution.context import Context
from shared.execution.driver import Driver
from shared.execution.inbox import InboxKeeper
from shared.execution.run_factory import Opening, RunFactory, ambiguous
from shared.intake.batch import APPEARED
from shared.intake.batches import Batches
from shared.intake.catalogue import Catalogue
from shared.intake.eligibility import Eligibility
from shared.ledger.open_markers import VersionToOpen
from shared.ledger.store import Stored
from shared.ledger.versions import VersionEntry
from shared.telemetry import log

#: Runs are begun for this long by one event.
_BEGIN_FOR: Final = timedelta(seconds=60)


@service
class VersionRuns:
    """Records data versions and opens their runs. Every call may be repeated."""

    context: Context
    catalogue: Catalogue
    eligibility: Eligibility
    inbox: InboxKeeper
    batches: Batches
    factory: RunFactory
    driver: Driver

    def receive_all(self, versions: Sequence[DataVersion]) -> list[Run]:
        """Open or advance the run of each version, as an event asks for.

        Args:
            versions: one blob, for each pipeline that wants it.

        Returns:
            The runs.

        Raises:
            TransientError, OutcomeUnknownError: storage does not work now; deliver the event again.
        """
        runs: list[Run | None] = []
        failures: list[RelearnError] = []
        at = self.context.clock.now() if versions else None  # one time for all pipelines
        for version in versions:
            try:
                runs.append(self.receive(version.recorded(at)))
            except RelearnError as exc:
                failures.append(exc)  # the other pipelines get their run
        _raise_first(failures)
        return [run for run in runs if run is not None]

    def receive(self, version: DataVersion) -> Run | None:
        """Open or advance the run of one version; None where it has no run yet, or never has."""
        known = self.context.ledger.versions.entry(version.version_id)
        entry, created = known, False
        if entry is None:
            if not self.eligibility.accepts(version):
                return None
            if self._waits(version):
                return self._keep(version)
            entry, created = self._record(version)
        if entry is None or entry.run_id is None:
            return None
        # From here on the timer would do the same: an event must not fail (design rule 14).
        try:
            version = version.as_stored(entry.blob)
            if not created:
                return self._continue(version, entry)
            return self._open(version, entry.run_id, phase=Phase.RECEIVED)
        except RelearnError as exc:
            log.warning("run %s: left to the next poll: %s", entry.run_id, exc)
            return None

    def discover(self, versions: Sequence[DataVersion]) -> bool:
        """Record versions that a search found; the poll opens their runs.

        Args:
            versions: one blob, for each pipeline that wants it.

        Returns:
            Whether no event had announced it.

        Raises:
            RelearnError: one of them cannot be read or recorded now.
        """
        found, failures = False, []
        at = self.context.clock.now() if versions else None
        for version in versions:
            try:
                found = self._discovered(version.recorded(at)) or found
            except RelearnError as exc:
                failures.append(exc)  # the other pipelines get their data
        _raise_first(failures)
        return found

    def appeared(self, version: DataVersion) -> bool:
        """Record a version that appeared with an old time; the poll opens its run.

        An entry that only says that the version is older than its pipeline does not count: an
        event or a search may have noted that before.

        Returns:
            Whether it was not known.

        Raises:
            RelearnError: it cannot be read or recorded now.
        """
        known = self.context.ledger.versions.read(version.version_id)
        if known is not None and not known.record.is_old:
            return False
        if not self.eligibility.accepts_appeared(version):
            return False
        if version.is_model:
            return self._record(version, known, appeared=True)[1]
        return self.inbox.keep(version, appeared=True)

    def open_announced(self, version_id: str, run_id: str) -> Run | None:
        """Open the run of a recorded version whose own record was never written.

        Args:
            version_id: of the version.
            run_id: that its marker is of.

        Returns:
            The run; None where there is none to be opened now.

        Raises:
            RelearnError: the ledger, or the configuration of its pipeline, cannot be read now.
        """
        entry = self.context.ledger.versions.entry(version_id)
        if entry is None or not self._is_due(entry, run_id):
            return None
        pipeline, blob = self.catalogue.pipeline(entry.pipeline), entry.blob
        is_model = self._is_model(entry)
        if pipeline is None:
            if not is_model:  # it waits in the inbox, for this pipeline or for a renamed one
                waits = VersionEntry(pipeline=entry.pipeline, blob=blob, run_id=None)
                self.context.ledger.inbox.add((), version_id, waits)
            return None
        if is_model:
            version = DataVersion.of_model(pipeline, blob)
        else:
            version = DataVersion.of(pipeline, blob) or DataVersion(pipeline, blob, {})
        return self._open(version, run_id, fresh=False, appeared=entry.appeared)

    def is_expected(self, version_id: str, run_id: str) -> bool:
        """Whether an operator's model still needs this run: its pipeline may be added again.

        Args:
            version_id: of the model.
            run_id: that its marker is of.
        """
        entry = self.context.ledger.versions.entry(version_id)
        if entry is None or not self._is_due(entry, run_id):
            return False
        return self._is_model(entry) or self.catalogue.pipeline(entry.pipeline) is not None

    def _is_model(self, entry: VersionEntry) -> bool:
        return entry.blob.container == self.context.models_container

    def _is_due(self, entry: VersionEntry, run_id: str) -> bool:
        """Whether a version belongs to this run only, and the run was never stored."""
        own = entry.run_id == run_id and not entry.in_batch
        return own and not self.context.ledger.tombstones.has(run_id)

    def _discovered(self, version: DataVersion) -> bool:
        if self.context.ledger.versions.entry(version.version_id) is not None:
            return False
        if not self.eligibility.accepts(version):
            return False
        if self._waits(version):
            return self.inbox.keep(version)
        entry, _ = self._record(version)
        return entry is not None and entry.run_id is not None

    def _waits(self, version: DataVersion) -> bool:
        """Whether a version waits in the inbox; one that cannot be used is rejected at once."""
        if version.is_model or ambiguous(version.blob.name):
            return False
        pipeline = version.pipeline
        return not pipeline.at_once or self.context.ledger.pauses.of(pipeline.name) is not None

    def _keep(self, version: DataVersion) -> Run | None:
        """Keep a version in the inbox, and open the runs that may be opened now."""
        self.inbox.keep(version)
        pipeline, blob = version.pipeline, version.blob
        if pipeline.data and pipeline.data.has_batch_window:
            return None  # the burst may continue
        # From here on the timer would do the same: an event must not fail (design rule 14).
        try:
            until = self.context.clock.now() + _BEGIN_FOR
            opened = self.batches.open_batches(pipeline, version.key, until)
            begun = [self.driver.continue_with(stored, until) for stored in opened]
        except RelearnError as exc:
            log.warning("blob %s: left to the next poll: %s", blob.path, exc)
            return None
        return next((run for run in begun if blob in run.manifest), None)

    def _record(
        self,
        version: DataVersion,
        known: Stored[VersionEntry] | None = None,
        *,
        appeared: bool = False,
    ) -> tuple[VersionEntry | None, bool]:
        """Return the entry of a version with its run, and whether it was made by this call."""
        ledger, version_id, run_id = self.context.ledger, version.version_id, version.run_id
        ledger.open_markers.announce(run_id, VersionToOpen(version=version_id))
        # The time of its first record stays: it may have been noted as old before.
        blob = version.blob.recorded(known.record.blob.recorded_at) if known else version.blob
        entry = VersionEntry(
            pipeline=version.pipeline.name,
            blob=self.context.recorded(blob),
            run_id=run_id,
            appeared=appeared,
        )
        if known is not None:
            ledger.versions.put(version_id, entry, known.etag)
            return entry, True
        if ledger.versions.add(version_id, entry):
            return entry, True
        return ledger.versions.entry(version_id), False  # another host recorded it meanwhile

    def _continue(self, version: DataVersion, entry: VersionEntry) -> Run | None:
        """Advance the run of a known version, or open it where its record was never written."""
        run_id = str(entry.run_id)
        advanced = self.driver.advance(run_id).run
        if advanced is not None or entry.in_batch:
            return advanced  # the run of a batch is opened only from the inbox
        if self.context.ledger.tombstones.has(run_id):
            log.info("blob %s: the record of its run %s was removed", entry.blob.path, run_id)
            return None
        # Its marker may have been dropped meanwhile: each run needs one.
        hints = VersionToOpen(version=version.version_id)
        self.context.ledger.open_markers.mark(run_id, hints)
        return self._open(version, run_id)

    def _open(
        self,
        version: DataVersion,
        run_id: str,
        *,
        phase: Phase | None = None,
        fresh: bool = True,
        appeared: bool = False,
    ) -> Run:
        cause = f"blob {version.blob.path}" + (f", {APPEARED}" if appeared else "")
        opening = Opening(run_id, version.origin, cause, (version.blob,), version.tokens)
        run = self.factory.training(opening, version.pipeline, phase)
        return self.driver.begin(run, fresh=fresh, announced=True)


def _raise_first(failures: Sequence[RelearnError]) -> None:
    """Raise the first failure; the others are logged."""
    for other in failures[1:]:
        log.warning("%s", other)
    if failures:
        raise failures[0]
