"""Forgets what is older than 400 days, once a day, and never what an endpoint still needs.

Ended runs and data versions go; heads, and the runs that they name, stay (rule 16). Models
are left to the lifecycle rules of the storage account. A blob as old as that is no news any
more, so forgetting its version opens no second run for it.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from shared.context import Context, log
from shared.core.head import Head
from shared.errors import Conflict

_EVERY: Final = timedelta(days=1)


class Retention:
    """Cleans one ledger. Safe to call at any time and by any number of workers."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def clean(self) -> int:
        """Forget old records when that is due, and return how many were.

        Raises:
            CorruptRecord: a head is not understood, so that nobody knows what it needs.
            TransientError: storage does not work now.
        """
        ledger, now = self._context.ledger, self._context.clock.now()
        last = ledger.last_cleaning()
        if last is not None and now - last.record.last_due < _EVERY:
            return 0
        try:
            ledger.put_last_cleaning(now, last.etag if last else None)
        except Conflict:
            return 0  # another worker does it
        needed = {run for head in ledger.heads() for run in _runs_of(head)}
        needed |= {marker.run_id for marker in ledger.open_runs()}
        before, forgotten = now - self._context.limits.keep, 0
        for kind in ("index", "runs", "versions"):
            for document in ledger.listed(kind):
                if document.modified < before and self._run_of(document.name) not in needed:
                    ledger.forget(document)
                    forgotten += 1
        if forgotten:
            log.info("%d records older than %s were forgotten", forgotten, before.date())
        return forgotten

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
            yield served.run_id
            if served.set_by:
                yield served.set_by
