"""Works through the schedules of all pipelines in turn, so that none delays the others.

Each call opens a part of one pipeline's due runs; then the next pipeline follows.
When time runs out, the ledger keeps the next pipeline, so that any worker continues there.
"""

from collections import deque
from datetime import datetime

from shared.core.config.pipeline import Pipeline
from shared.core.service import service
from shared.errors import ConflictError, CorruptRecordError, RelearnError
from shared.execution.context import Context
from shared.intake.catalogue import Catalogue
from shared.intake.due_times import DueTimes, DueTimesResult, NewestByKey
from shared.intake.eligibility import Activations
from shared.ledger.progress import Rotation
from shared.ledger.store import Stored
from shared.telemetry import log


@service
class Schedules:
    """The due times of all pipelines. Safe for any number of workers at once."""

    context: Context
    catalogue: Catalogue
    activations: Activations
    due_times: DueTimes

    def open_due(self, until: datetime) -> list[str]:
        """Open the runs whose due times have come, and return their ids; none is advanced.

        Args:
            until: when no further run may be opened.
        """
        pipelines = sorted(self.catalogue.scheduled(), key=lambda one: one.name)
        if not pipelines:
            return []
        stored = self._rotation()
        first = stored.record.first if stored else ""
        at = next((at for at, one in enumerate(pipelines) if one.name >= first), 0)
        order = deque(pipelines[at:] + pipelines[:at])
        opened: list[str] = []
        listed: NewestByKey = {}
        while order and self.context.clock.now() < until:
            pipeline = order.popleft()
            started = self._start(pipeline, until, listed)
            opened += started.opened
            if started.more:
                order.append(pipeline)
        following = order[0].name if order else ""
        if following != first:
            self._keep(following, stored)
        return opened

    def _start(self, pipeline: Pipeline, until: datetime, listed: NewestByKey) -> DueTimesResult:
        try:
            since = self.activations.scheduled_since(pipeline.name)
            return self.due_times.start(pipeline, since, until, listed)
        except RelearnError as exc:
            log.error("pipeline %s: its schedule must wait: %s", pipeline.name, exc)
            return DueTimesResult()

    def _rotation(self) -> Stored[Rotation] | None:
        try:
            return self.context.ledger.rotation.read()
        except CorruptRecordError as exc:
            log.error("%s", exc)  # it only says which pipeline is first
        except RelearnError as exc:
            log.warning("the pipeline whose due times come first cannot be read: %s", exc)
        return None

    def _keep(self, first: str, stored: Stored[Rotation] | None) -> None:
        try:
            etag = stored.etag if stored else None
            self.context.ledger.rotation.put(Rotation(first=first), etag)
        except ConflictError:
            return  # another worker stored it: both are right
        except RelearnError as exc:
            log.warning("the pipeline whose due times come first cannot be stored: %s", exc)
