"""Old records, and the rules of retention over them."""

from datetime import timedelta
from typing import Any

from shared.core.run.cleaning_round import CleaningRound, Updates
from shared.core.run.record import Phase
from shared.core.serving.state import EndpointState, ServedModel
from shared.ledger.ledger import Ledger
from shared.maintenance.retention_rules import RetentionRules
from shared.ports.storage import ETag, Listed
from tests.unit.samples import NOW, UPDATE, ref
from tests.unit.samples import run as sample
from tests.unit.worlds import Observed

DAY = timedelta(days=1)

KEEP = timedelta(days=400)


#: By now every pipeline that is missing has been so for as long as records are kept.
LONG = {"gone": NOW - KEEP, "sample": NOW - KEEP}


RESOURCE_NAME = "Sample [trained model]"


class Old:
    """A ledger of old records, and the rules of one call over it."""

    def __init__(
        self,
        configured: frozenset[str] = frozenset({"sample"}),
        updates: tuple[str, ...] = (UPDATE,),
        *,
        sure: bool = True,
        **round_: Any,
    ) -> None:
        self.world = Observed()
        self.context = self.world.context
        self.ledger: Ledger = self.context.ledger
        known = {"started_at": NOW, "all_at": NOW, "since": NOW - DAY, **round_}
        self.rules = RetentionRules(
            self.context, configured, Updates(updates), sure, CleaningRound(**known)
        )
        self.calls = self.world.calls

    def listed(self, name: str) -> Listed:
        return next(item for item in self.world.documents.listing(name) if item.name == name)

    def goes(self, name: str) -> bool:
        """Apply the rules to a record, and return whether it was deleted."""
        gone = self.rules.delete_if_old(name.partition("/")[0], self.listed(name))
        assert gone is (name not in self.world.documents.rows)
        return gone

    def raw(self, name: str, body: bytes = b"", **hints: str) -> None:
        self.world.documents.create(name, body, hints)

    def run(self, name: str = "sample-1", phase: Phase = Phase.PROMOTED, **changes: Any) -> None:
        self.ledger.runs.create(sample(phase, run_id=name, **changes))

    def endpoint_state(
        self, update: str = UPDATE, hints: dict[str, str] | None = None, **known: Any
    ) -> str:
        name = f"endpoints/{ref(update).id}"
        body = EndpointState(ref=ref(update), **known).model_dump_json().encode()
        self.world.documents.create(name, body, hints)
        return name


def served(run_id: str, **more: Any) -> ServedModel:
    return ServedModel(run_id=run_id, since=NOW, verification="answers", manifest=(), **more)


def item(name: str, age: timedelta) -> Listed:
    return Listed(name, ETag(""), NOW - age, {})
