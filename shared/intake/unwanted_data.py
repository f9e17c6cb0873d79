"""Hands waiting data to other pipelines, where its own pipeline is gone or does not want it.

A renamed pipeline takes the data that waits under its old name. Data that no pipeline wants is
kept and reported, because the file may be corrected.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from shared.core.run.data_version import DataVersion
from shared.errors import CorruptRecordError, OutcomeUnknownError, TransientError
from shared.execution.context import Context
from shared.execution.inbox import InboxKeeper
from shared.intake.catalogue import Catalogue
from shared.intake.eligibility import Activations
from shared.ledger.inbox import InboxEntry
from shared.telemetry import log

#: How often data that no pipeline wants is reported in the log.
_REPORTED_EVERY: Final = timedelta(hours=1)
#: After this number of failures in a row the storage counts as failing, not one record.
_FAILURES: Final = 3


@dataclass(slots=True)
class UnwantedData:
    """Hands waiting data to other pipelines.

    Args:
        context: the ledger, the storage and the clock.
        catalogue: the pipelines as they are configured now.
        activations: since when pipelines are active.
        inbox: where the data waits.
    """

    context: Context
    catalogue: Catalogue
    activations: Activations
    inbox: InboxKeeper
    _reported_at: datetime | None = field(default=None, init=False)

    def reassign(self, unwanted: Iterable[InboxEntry], until: datetime) -> None:
        """Hand each version to the pipelines that want it and are younger than it.

        An older pipeline finds it by itself. Safe to repeat.

        Args:
            unwanted: the data that waits for a pipeline that does not want it now.
            until: when no further one may be checked.
        """
        left: list[InboxEntry] = []
        failures = 0
        for one in unwanted:
            if failures >= _FAILURES or self.context.clock.now() >= until:
                break
            try:
                found = self._handed_over(one)
                failures = 0
            except CorruptRecordError as exc:
                log.error("blob %s waits for pipeline %s: %s", one.blob.path, one.pipeline, exc)
                continue  # an operator has to correct that record; the others continue
            except (TransientError, OutcomeUnknownError) as exc:
                failures += 1
                log.warning("blob %s waits for the next tick: %s", one.blob.path, exc)
                continue
            if not found:
                left.append(one)
        self._name(left)

    def _handed_over(self, one: InboxEntry) -> bool:
        """Hand one version over; False where no pipeline takes it."""
        takers = [version for version in self._wanting(one) if self._is_younger(version)]
        for version in takers:
            known = self.context.ledger.versions.entry(version.version_id)
            # A search may have seen it first, and noted that it is older than its pipeline.
            if known is None or known.is_old:
                self.inbox.keep(version.as_stored(known.blob) if known else version)
        if takers:
            self.context.ledger.inbox.remove(one)
        return bool(takers)

    def _wanting(self, one: InboxEntry) -> Sequence[DataVersion]:
        return [v for v in self.catalogue.wanting(one.blob) if v.pipeline.name != one.pipeline]

    def _is_younger(self, version: DataVersion) -> bool:
        """Whether a pipeline is younger than the data: an older one finds it eligible itself."""
        return self.activations.since(version.pipeline.name) > version.blob.modified

    def _name(self, left: Sequence[InboxEntry]) -> None:
        now = self.context.clock.now()
        if not left or (
            self._reported_at is not None and now - self._reported_at < _REPORTED_EVERY
        ):
            return
        self._reported_at = now
        for pipeline, found in groupby(left, key=lambda one: one.pipeline):
            waiting = list(found)
            known = pipeline in self.catalogue.names()
            why = "does not match its data.blob any more" if known else "it is not in the file"
            log.warning(
                "pipeline %s: %d data versions wait for it and %s; the first is %s: correct the "
                "file, or they are never trained on",
                pipeline,
                len(waiting),
                why,
                waiting[0].blob.path,
            )
