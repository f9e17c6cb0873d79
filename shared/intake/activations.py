"""Since when each pipeline is active: data that is older is not eligible."""

import re
from contextlib import suppress
from datetime import datetime

from shared.core.config.configuration import Configuration
from shared.core.config.pipeline import PIPELINE_NAME
from shared.errors import CorruptRecordError
from shared.execution.context import Context
from shared.intake.last_good import LastGood
from shared.telemetry import log


class Activations:
    """The activations of the pipelines in the present file, as one process knows them.

    Args:
        context: the ledger, the storage and the clock.
        last_good: the pipelines file, and the last good configurations.
        started_at: when this process started, by its own clock; a pipeline seen for the first
            time counts as activated then, or when its file was changed.
    """

    def __init__(self, context: Context, last_good: LastGood, started_at: datetime) -> None:
        self._context = context
        self._last_good = last_good
        self._started_at = started_at
        file = last_good.file
        self._known_since = dict.fromkeys((*file.pipelines, *file.broken), started_at)
        self._activated: dict[str, datetime] = {}

    def take(
        self, configuration: Configuration, changed_at: datetime, eligible_from: datetime
    ) -> None:
        """Use a pipelines file that was changed while the app runs; nothing is stored.

        Args:
            configuration: the present content of the file.
            changed_at: since when it may say so, by the clock of this process.
            eligible_from: data from then on is eligible for pipelines that are new in the file.
        """
        for name in (*configuration.pipelines, *configuration.broken):
            self._known_since.setdefault(name, eligible_from)
        self._last_good.take(configuration, changed_at)

    def refresh(self) -> None:
        """Read the configurations in use and the activation of each pipeline, or store them.

        Raises:
            TransientError: storage does not work now.
        """
        self._last_good.refresh()
        # Also those that have an error: what arrives before they are corrected is eligible.
        broken = [n for n in self._last_good.file.broken if re.fullmatch(PIPELINE_NAME, n)]
        for name in dict.fromkeys((*self._last_good.served, *broken)):
            try:
                self.since(name)
            except CorruptRecordError as exc:
                log.error("pipeline %s: %s", name, exc)  # the others continue

    def since(self, pipeline: str) -> datetime:
        """Return when the pipeline was first active; older data is not eligible."""
        if pipeline not in self._activated:
            # Its clock may have been corrected since: then it started now at the latest.
            known_since = self._known_since.get(pipeline, self._started_at)
            started = self._context.storage_time(known_since)
            started = min(started, self._context.clock.now())
            started = started.replace(microsecond=0)  # as the storage dates blobs
            activated = self._context.ledger.activations.activate(pipeline, started)
            self._activated[pipeline] = activated
        return self._activated[pipeline]

    def scheduled_since(self, pipeline: str) -> datetime | None:
        """Return since when the pipeline has its schedule; None where that is not known.

        Raises:
            TransientError: storage does not work now.
        """
        self._last_good.refresh()
        with suppress(CorruptRecordError):  # reported by `refresh`; the schedule does not need it
            self.since(pipeline)
        return self._last_good.scheduled_since(pipeline)
