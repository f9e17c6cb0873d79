"""Deletes records that are older than 400 days and needed no more, a part in each call.

A cleaning round goes through the records kind by kind. The ledger keeps its progress, so a round
may take any number of calls. The next one begins a day after the last one was completed. Some
records stay for ever: the state of a configured endpoint, the runs that it names, and each version
of a blob that is still there (design rule 16). Models are left to the lifecycle rules of the
storage account. The rules for each kind are in `shared.maintenance.retention_rules`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.core.counting import counted, they
from shared.core.run.cleaning_round import KINDS, CleaningRound, Updates, next_round, shown
from shared.errors import (
    ConflictError,
    CorruptRecordError,
    InvalidCursorError,
    OutcomeUnknownError,
    PermanentError,
    TransientError,
)
from shared.execution.context import Context
from shared.intake.catalogue import Catalogue
from shared.ledger.store import Stored
from shared.maintenance.retention_rules import RetentionRules
from shared.ports.storage import Listed
from shared.telemetry import log

#: Records in a row that cannot be read, after which the call ends.
_STREAK: Final = 3


class Retention:
    """Cleans one ledger. Safe to call at any time and by any number of workers.

    Args:
        context: what retention reads and writes.
        catalogue: the present configuration.
        sure: whether the file has no error: a file with an error may lack existing pipelines.
    """

    def __init__(
        self, context: Context, catalogue: Catalogue, sure: Callable[[], bool] = lambda: True
    ) -> None:
        self._context = context
        self._catalogue = catalogue
        self._sure = sure

    def clean(self, until: datetime) -> int:
        """Delete old records when that is due; return how many were deleted.

        The next call continues where this one ends. Safe to repeat.

        Args:
            until: when no further record may be checked.

        Raises:
            TransientError: storage does not work now.
        """
        ledger, clock = self._context.ledger, self._context.clock
        try:
            stored = ledger.cleaning.read()
        except CorruptRecordError as exc:
            log.error("%s", exc)  # the runs continue; an operator has to remove it
            return 0
        state = next_round(stored.record if stored else None, clock.now())
        if state is None:
            return 0
        before = state.deleted
        one_call = _RetentionCall(self._context, self._rules(state), until)
        while state.completed_at is None and clock.now() < until and not one_call.stopped:
            state = self._page(state, one_call)
            try:
                etag = ledger.cleaning.put(state, stored.etag if stored else None)
            except ConflictError:
                log.info("another worker cleans too")
                break
            stored = Stored(state, etag)
        if state.deleted > before:
            gone = state.deleted - before
            were, are = they(gone, "was", "were"), they(gone, "is", "are")
            log.info("%s that %s needed no more %s deleted", counted(gone, "record"), are, were)
        return state.deleted - before

    def _rules(self, state: CleaningRound) -> RetentionRules:
        pipelines = [self._catalogue.pipeline(name) for name in self._catalogue.names()]
        updates = [e.ref.name for pipeline in pipelines if pipeline for e in pipeline.endpoints]
        configured = frozenset(self._catalogue.names())
        return RetentionRules(self._context, configured, Updates(updates), self._sure(), state)

    def _page(self, state: CleaningRound, one_call: "_RetentionCall") -> CleaningRound:
        """Check one page, or as much of it as there is time for."""
        if state.kind not in KINDS:  # of another version of the app
            return state.evolve(kind=KINDS[0], cursor=None, checked_to="")
        try:
            page = self._context.ledger.old.page(state.kind, state.cursor)
        except InvalidCursorError:
            log.info("cleaning begins %s again: its cursor is not taken", state.kind)
            return state.evolve(cursor=None, checked_to="")
        items = [item for item in page.items if item.name > state.checked_to]
        state, over = one_call.check(state, items)
        if not over:
            return state
        state = state.after_page(page.cursor, self._context.clock.now())
        if state.completed_at is not None:
            _report(state)
        return state


@dataclass(slots=True)
class _RetentionCall:
    """One call: until when it runs, and whether the storage works."""

    context: Context
    rules: RetentionRules
    until: datetime
    failed: int = 0  #: records in a row that could not be read

    @property
    def stopped(self) -> bool:
        """Whether too many records in a row could not be read."""
        return self.failed >= _STREAK

    def check(self, state: CleaningRound, items: Sequence[Listed]) -> tuple[CleaningRound, bool]:
        """Apply the rules to records of one kind.

        Args:
            state: the round, at this kind.
            items: the records as they were listed.

        Returns:
            The round behind them, and whether there was time for all.
        """
        deleted, unclear, checked_to, over = 0, list[str](), state.checked_to, True
        for item in items:
            if not self.rules.concerns(state.kind, item):
                continue
            if self.stopped or self.context.clock.now() >= self.until:
                over = False
                break
            try:
                deleted += self.rules.delete_if_old(state.kind, item)
                self.failed = 0
            except ConflictError:
                self.failed = 0  # it was just written: it is in use
            except PermanentError:
                unclear.append(item.name)
            except (TransientError, OutcomeUnknownError):
                # The others are checked now, and this one in a later round.
                unclear.append(item.name)
                self.failed += 1
            checked_to = item.name
        changes = {
            "checked_to": checked_to,
            "deleted": state.deleted + deleted,
            "unclear": state.unclear + len(unclear),
            "shown": shown([*state.shown, *unclear]),
            "missing": self.rules.missing,
            "waiting": self.rules.waiting,
        }
        return state.evolve(**changes), over


def _report(state: CleaningRound) -> None:
    """Log once a round which records were left, and which data wait for no pipeline."""
    if state.unclear:
        log.error(
            "%d old records are not understood or cannot be checked, and are kept, such "
            "as %s: deploy the version that wrote them, or move them away",
            state.unclear,
            ", ".join(state.shown),
        )
    for pipeline, number in sorted(state.waiting.items()):
        log.warning(
            "%d data versions wait for pipeline %s, which is not in the pipelines file: add "
            "the pipeline again, or they are deleted after 400 days without it",
            number,
            pipeline,
        )
