"""Looks whether messages or events were given up, and raises an alert where that is so.

The host gives a message up after several tries, and moves it to a poison queue; Event Grid gives an
event up after a day, and writes it to the dead-letter container. The search finds the data all the
same, so nothing is lost for good; but what waits there shows that something does not work.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from shared.core.counting import counted
from shared.errors import ConflictError, CorruptRecordError, RelearnError
from shared.execution.context import Context
from shared.ledger.progress import PoisonQueue, Undelivered
from shared.ports.storage import Queues
from shared.telemetry import Alert, LogRateLimit, log, report

#: How often is looked, by all processes together; it costs about six calls.
EVERY: Final = timedelta(minutes=5)
#: What is still there after this time is reported again.
AGAIN: Final = timedelta(hours=24)
#: Where the host puts the events of blob triggers that failed (azure-functions §2.4).
BLOB_TRIGGER_POISON: Final = "webjobs-blobtrigger-poison"
#: How many dead letters are counted, as one page of a listing has them.
_MOST_LETTERS: Final = 5000


def poison_of(queue: str) -> str:
    """Return the name of the poison queue of a queue (azure-functions §9.1)."""
    return f"{queue}-poison"


@dataclass(slots=True)
class UndeliveredEvents:
    """The looks of one process. Two at once are harmless: an alert may come twice."""

    context: Context
    _next: datetime | None = field(default=None, init=False)
    _found_last: Undelivered | None = field(default=None, init=False)
    _logged: LogRateLimit = field(default_factory=lambda: LogRateLimit(AGAIN), init=False)

    def look(self) -> None:
        """Look, unless that was done a short time ago. Never raises: the poll does not need it."""
        now = self.context.clock.now()
        if self._next is not None and self._next - EVERY <= now < self._next:
            return  # else it is due, or the clock was corrected
        self._next = now + EVERY
        try:
            self._look(now)
        except RelearnError as exc:
            if self._logged.allows("look"):
                log.warning("undelivered events cannot be checked now: %s", exc)

    def _look(self, now: datetime) -> None:
        record, stored, unread = self.context.ledger.undelivered, None, False
        try:
            stored = record.read()
        except CorruptRecordError as exc:
            unread = True  # never overwritten; what is found is reported all the same
            if self._logged.allows("record"):
                log.error("%s", exc)
        if stored is not None and timedelta() <= now - stored.record.at < EVERY:
            self._next = stored.record.at + EVERY
            return
        known = stored.record if stored else (unread and self._found_last) or Undelivered(at=now)
        found = Undelivered(
            at=now, poison=tuple(self._poison(known)), dead_letters=self._letters(known)
        )
        found = self._found_last = found.evolve(reported_at=self._reported(found, known))
        if unread:
            return
        try:
            record.put(found, stored.etag if stored else None)
        except ConflictError:
            return  # another process looked at this moment

    def _poison(self, known: Undelivered) -> Iterator[PoisonQueue]:
        """Yield the queues that exist; one that cannot be counted now as it was counted last."""
        before = _counts(known)
        for (account, name), queues in self.poison_queues().items():
            try:
                messages = queues.count(name)
            except RelearnError as exc:  # the others are counted all the same
                if self._logged.allows(f"{account}/{name}"):
                    log.warning("queue %s of account %s is not looked at: %s", name, account, exc)
                messages = before.get((account, name))
            if messages is not None:
                yield PoisonQueue(account=account, name=name, messages=messages)

    def _letters(self, known: Undelivered) -> int | None:
        """Return how many events were given up; as last counted where that cannot be seen now."""
        try:
            return self.dead_letters()
        except RelearnError as exc:  # the queues are reported all the same
            if self._logged.allows("dead letters"):
                name = self.context.events.dead_letter_container
                log.warning("container %s of dead letters is not looked at: %s", name, exc)
            return known.dead_letters

    def poison_queues(self) -> dict[tuple[str, str], Queues]:
        """Return by account and name the queues that may hold messages which were given up."""
        events = self.context.events
        here = [
            (self.context.queues, poison_of(name))
            for name in (events.storage_queue, events.workspace_queue)
        ]
        there = [
            (queues, BLOB_TRIGGER_POISON) for queues in (self.context.queues, *events.blob_queues)
        ]
        return {(queues.account, name): queues for queues, name in (*here, *there)}

    def dead_letters(self) -> int | None:
        """Return how many events Event Grid gave up, up to 5,000, in two calls at most."""
        events = self.context.events
        if not events.dead_letters.exists(events.dead_letter_container):
            return None
        return len(events.dead_letters.page(events.dead_letter_container, None).items)

    def _reported(self, found: Undelivered, known: Undelivered) -> datetime | None:
        """Raise alerts for new events, or those still there after a day; return when that was."""
        before = _counts(known)
        due = known.reported_at is None or found.at - known.reported_at >= AGAIN
        reported = known.reported_at
        for queue in found.poison:
            more = queue.messages > before.get((queue.account, queue.name), 0)
            if queue.messages and (due or more):
                report(Alert.POISON, self._poison_text(queue), pipeline="")
                reported = found.at
        letters = found.dead_letters or 0
        if letters and (due or letters > (known.dead_letters or 0)):
            report(Alert.DEAD_LETTER, self._dead_letter_text(letters), pipeline="")
            reported = found.at
        return reported

    def _poison_text(self, queue: PoisonQueue) -> str:
        return (
            f"queue {queue.name} of account {queue.account} holds "
            f"{counted(queue.messages, 'message')} that could not be handled. {self._found()} To "
            "do: look at one (az storage message peek), find its error among the failures of the "
            f"function, correct the cause, and empty the queue (az storage message clear "
            f"--queue-name {queue.name} --account-name {queue.account} --auth-mode login)"
        )

    def _dead_letter_text(self, letters: int) -> str:
        events = self.context.events
        least = "at least " if letters >= _MOST_LETTERS else ""
        return (
            f"container {events.dead_letter_container} of account {events.dead_letters.account} "
            f"holds {least}{counted(letters, 'blob')} of events that Event Grid could not deliver. "
            f"{self._found()} To do: read deadLetterReason and lastDeliveryOutcome in the newest "
            "blob, correct the event subscription or the roles of its identity, and delete the "
            "blobs"
        )

    def _found(self) -> str:
        minutes = -(-self.context.limits.search_every // timedelta(minutes=1)) + 10
        return (
            f"The search has found the data that they announced, or finds it within {minutes} "
            "minutes of its upload."
        )


def _counts(known: Undelivered) -> dict[tuple[str, str], int]:
    return {(queue.account, queue.name): queue.messages for queue in known.poison}
