"""Data that waits for a pipeline which does not want it any more, or is gone from the file.

A pipeline that was renamed takes what waited for it under its old name; what nobody wants is
kept and named, because the file may be put right.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from shared.catalogue import Catalogue
from shared.context import Context, log
from shared.core import names
from shared.core.blobs import BlobVersion
from shared.core.pipeline import Pipeline
from shared.records import Landed

#: How often what waits for nobody is named in the log.
_SAID_EVERY: Final = timedelta(hours=1)


@dataclass(slots=True)
class Strays:
    """Finds new homes for waiting data.

    Args:
        context: the world.
        catalogue: the pipelines as they are configured now.
        active_since: returns when a pipeline was first known.
        keep: keeps a version for a pipeline until a run takes it.
    """

    context: Context
    catalogue: Catalogue
    active_since: Callable[[str], datetime]
    keep: Callable[[Pipeline, BlobVersion, str], bool]
    _said_at: datetime | None = field(default=None, init=False)

    def settle(self, strays: Iterable[Landed], until: datetime) -> None:
        """Hand each version to the pipelines that want it and are younger than its event.

        An older one heard of the event itself. Safe to repeat.

        Args:
            strays: what waits for a pipeline that does not want it now.
            until: when no further one may be looked at.

        Raises:
            TransientError, OutcomeUnknown: the ledger does not work now.
        """
        left: list[Landed] = []
        for one in strays:
            if self.context.clock.now() >= until:
                break
            takers = [
                pipeline for pipeline in self._wanting(one) if self._is_younger(pipeline, one)
            ]
            for pipeline in takers:
                blob = one.blob
                version = names.version_id(pipeline.name, blob.container, blob.name, blob.etag)
                if self.context.ledger.version(version) is None:
                    self.keep(pipeline, blob, version)
            if takers:
                self.context.ledger.forget(one.pointer)
            else:
                left.append(one)
        self._name(left)

    def _wanting(self, one: Landed) -> Sequence[Pipeline]:
        return [p for p in self.catalogue.wanting(one.blob.name) if p.name != one.pipeline]

    def _is_younger(self, pipeline: Pipeline, one: Landed) -> bool:
        return self.active_since(pipeline.name) > one.seen_at

    def _name(self, left: Sequence[Landed]) -> None:
        now = self.context.clock.now()
        if not left or (self._said_at is not None and now - self._said_at < _SAID_EVERY):
            return
        self._said_at = now
        for pipeline, found in groupby(left, key=lambda one: one.pipeline):
            waiting = list(found)
            known = pipeline in self.catalogue.names()
            why = "does not match its data.blob any more" if known else "it is not in the file"
            log.warning(
                "pipeline %s: %d data versions wait for it and %s; the first is %s: correct the "
                "file, or they stay untrained",
                pipeline,
                len(waiting),
                why,
                waiting[0].blob.path,
            )
