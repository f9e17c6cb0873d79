"""The ledger: every record of the app, typed, over the `Documents` port.

It is one container, which is never the data container. Each module of this folder has records that
belong together, and says how they are named; `old` has them all as retention sees them.
"""

from datetime import datetime

from shared.core.run.cleaning_round import CleaningRound
from shared.ledger.configurations import Configurations
from shared.ledger.endpoints import DriftChecks, EndpointStates
from shared.ledger.full_listings import FullListingRecords
from shared.ledger.inbox import Inbox
from shared.ledger.open_markers import OpenMarkers
from shared.ledger.progress import (
    Heartbeat,
    LastEvent,
    Rotation,
    SearchState,
    Tick,
    Undelivered,
)
from shared.ledger.run_queues import PipelinePauses, RunQueues
from shared.ledger.runs import Index, Runs, Tombstones
from shared.ledger.schedules import ActivationRecords, ScheduleRecords
from shared.ledger.store import OldRecords, SingleRecord, Store
from shared.ledger.versions import Versions
from shared.ports.storage import Documents


class Ledger:
    """The records of the app, kind by kind.

    Args:
        documents: the container.
    """

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        store = Store(documents)
        self.index = Index(store)
        self.tombstones = Tombstones(store)
        self.runs = Runs(store, self.index, self.tombstones)
        self.open_markers = OpenMarkers(store)
        self.versions = Versions(store)
        self.inbox = Inbox(store)
        self.run_queues = RunQueues(store)
        self.pauses = PipelinePauses(store)
        self.endpoint_states = EndpointStates(store)
        self.drift_checks = DriftChecks(store)
        self.activations = ActivationRecords(store)
        self.schedules = ScheduleRecords(store)
        self.configurations = Configurations(store)
        self._full_listings = {
            models: FullListingRecords(store, "_models" if models else "")
            for models in (False, True)
        }
        self.search = SingleRecord(store, "search", SearchState)
        self.search_models = SingleRecord(store, "search_models", SearchState)
        self.heartbeat = SingleRecord(store, "poll", Heartbeat)
        self.tick = SingleRecord(store, "tick", Tick)
        self.rotation = SingleRecord(store, "rotation", Rotation)
        self.last_event = SingleRecord(store, "last_event", LastEvent)
        self.undelivered = SingleRecord(store, "undelivered", Undelivered)
        self.cleaning = SingleRecord(store, "cleaning", CleaningRound)
        self.old = OldRecords(documents)

    def full_listings(self, *, models: bool = False) -> FullListingRecords:
        """Return the records of the full listing of the data, or of an operator's models."""
        return self._full_listings[models]

    def time(self) -> datetime:
        """Return what time the storage says it is. Raises TransientError."""
        return self._documents.time()
