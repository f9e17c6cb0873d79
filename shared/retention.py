"""Forgets what is older than 400 days, once a day, and never what an endpoint still needs.

Ended runs and data versions go; heads, and the runs that they name, stay (rule 16). Models
are left to the lifecycle rules of the storage account. A blob as old as that is no news any
more, so forgetting its version opens no second run for it.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain
from typing import Final

from shared.context import Context, log
from shared.core.head import Head
from shared.errors import Conflict
from shared.records import DueTime, Stored

_EVERY: Final = timedelta(days=1)
_KINDS: Final = ("index", "runs", "versions")


class Retention:
    """Cleans one ledger. Safe to call at any time and by any number of workers."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def clean(self, until: datetime) -> int:
        """Forget old records when that is due, and return how many were.

        What there is no time for is left to the next call. Safe to repeat.

        Args:
            until: when no further record may be looked at.

        Raises:
            CorruptRecord: a head is not understood, so that nobody knows what it needs.
            TransientError: storage does not work now.
        """
        ledger, now = self._context.ledger, self._context.clock.now()
        last = ledger.last_cleaning()
        if last is not None and now - last.record.last_due < _EVERY:
            return 0
        needed = {run for head in ledger.heads() for run in _runs_of(head)}
        needed |= {marker.run_id for marker in ledger.open_runs()}
        before, forgotten = now - self._context.limits.keep, 0
        for document in chain.from_iterable(map(ledger.listed, _KINDS)):
            if self._context.clock.now() >= until:
                break
            if document.modified < before and self._run_of(document.name) not in needed:
                ledger.forget(document)
                forgotten += 1
        else:
            self._done(now, last)
        if forgotten:
            log.info("%d records older than %s were forgotten", forgotten, before.date())
        return forgotten

    def _done(self, at: datetime, last: Stored[DueTime] | None) -> None:
        try:
            self._context.ledger.put_last_cleaning(at, last.etag if last else None)
        except Conflict:
            log.info("another worker has cleaned too")

    def _run_of(self, name: str) -> str | None:
        kind, _, key = name.partition("/")
        if kind == "runs":
            return key
        if kind == "index":
            return key.partition("-")[2]
        entry = self._context.ledger.version(key)
        return entry.run_id if entry else None


def _runs_of(head: Head) -> Iterator[str]:
    if head.reservation:
        yield head.reservation.run_id
    for resource in head.resources.values():
        if resource.held:
            yield resource.held.run_id
        for served in resource.kept:
            yield from filter(None, (served.run_id, served.set_by, served.trained_by))
