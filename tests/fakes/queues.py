"""The `Queues` port in memory."""

from collections import Counter
from dataclasses import dataclass, field

from shared.execution.context import EventPlaces
from shared.ports.storage import Blobs


@dataclass
class FakeQueues:
    """Queues of one account; those that hold messages, or that a test made."""

    account: str = "account"
    messages: Counter[str] = field(default_factory=Counter)
    made: set[str] = field(default_factory=set)  #: also those that are empty
    asked: list[str] = field(default_factory=list)
    failure: Exception | None = None  #: what each call raises

    def put(self, name: str, messages: int = 1) -> None:
        """Make a queue, and add messages to it."""
        self.made.add(name)
        self.messages[name] += messages

    def count(self, name: str) -> int | None:
        self.asked.append(name)
        if self.failure is not None:
            raise self.failure
        return self.messages[name] if name in self.made else None


def event_places(blobs: Blobs, queues: FakeQueues) -> EventPlaces:
    """Return the places of the usual names, in one account."""
    return EventPlaces(
        "relearn-storage-events",
        "relearn-workspace-events",
        "relearn-dead-letters",
        blobs,
        (queues,),
    )
