"""Takes data that is older than its pipeline, where the configuration wants it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.context import Context, log
from shared.core.blobs import BlobVersion
from shared.core.pipeline import Pipeline
from shared.errors import Conflict


@dataclass(frozen=True, slots=True)
class Backfill:
    """Done once for each pipeline; a crash on the way repeats what meets its own records.

    Args:
        context: the world.
        pipelines: the present configuration.
        newest_of: returns the newest blob for each key of a pipeline.
        take: keeps an old blob for its run.
    """

    context: Context
    pipelines: Mapping[str, Pipeline]
    newest_of: Callable[[Pipeline], Iterable[BlobVersion]]
    take: Callable[[Pipeline, BlobVersion], None]

    def wanted(self) -> bool:
        """Whether a pipeline wants all that is there, and has not had it."""
        ledger = self.context.ledger
        return any(ledger.activated(pipeline.name) for pipeline in self._not_done("all"))

    def newest(self, until: datetime) -> None:
        """Have the newest old blob of each key trained on, where that is wanted."""
        for pipeline in self._not_done("newest"):
            known = self.context.ledger.activated(pipeline.name)
            if known is None:
                continue
            for blob in self.newest_of(pipeline):
                if self.context.clock.now() >= until:
                    return
                if blob.modified < known.record.activated_at:
                    self.take(pipeline, blob)
            self._mark(pipeline)

    def done(self, searched_from: datetime) -> None:
        """Remember that everything was looked at, from `searched_from` on."""
        for pipeline in self._not_done("all"):
            known = self.context.ledger.activated(pipeline.name)
            if known is not None and known.record.activated_at <= searched_from:
                self._mark(pipeline)

    def _not_done(self, which: str) -> list[Pipeline]:
        wanting = [p for p in self.pipelines.values() if p.data and p.data.backfill == which]
        return [pipeline for pipeline in wanting if not self.is_done(pipeline)]

    def is_done(self, pipeline: Pipeline) -> bool:
        """Whether older data was taken already, as far as it is wanted."""
        known = self.context.ledger.activated(pipeline.name)
        return known is not None and known.record.backfilled_at is not None

    def _mark(self, pipeline: Pipeline) -> None:
        known = self.context.ledger.activated(pipeline.name)
        if known is None:
            return
        now = self.context.clock.now()
        record = known.record.model_copy(update={"backfilled_at": now})
        try:
            self.context.ledger.put_activation(pipeline.name, record, known.etag)
        except Conflict:
            log.info("pipeline %s: another worker noted its backfill", pipeline.name)
