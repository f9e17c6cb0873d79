"""A world with one endpoint, whose records a test writes."""

from datetime import timedelta
from typing import Any

from shared.core.run.record import Run
from shared.core.serving.references import EndpointAddress
from shared.core.serving.state import (
    EndpointState,
    Resource,
    ServedModel,
)
from shared.operations.commands import OperatorCommand
from shared.operations.endpoints import (
    EndpointStatus,
)
from tests.fakes.world import MODELS, RESOURCE
from tests.unit.samples import NOW, blob, model_ref, ref, state_of
from tests.unit.worlds import Observed

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


ADA = OperatorCommand(by="ada", reason="sales fell")


OLDER = blob("runs/sample/sample-0/1/model.ilearner", container=MODELS)


class EndpointDesk:
    """The operations of an endpoint, whose record a test writes."""

    def __init__(self, **config: Any) -> None:
        self.world = Observed(config={"pipeline": config})
        self.world.app.activations.refresh()
        self.ledger = self.world.context.ledger
        self.endpoints = self.world.app.endpoints
        self.url = next((one.address for one in self.world.pipeline.endpoints), "")

    def put(self, resource: Resource | None = None, **endpoint_state: Any) -> str:
        known = EndpointState(
            ref=ref(self.url), resources={RESOURCE: resource} if resource else {}, **endpoint_state
        )
        stored = self.ledger.endpoint_states.read(ref(self.url).id)
        etag = self.ledger.endpoint_states.put(
            ref(self.url).id, known, stored.etag if stored else None
        ).etag
        return str(etag)

    def known(self) -> Resource:
        stored = self.ledger.endpoint_states.read(ref(self.url).id)
        assert stored is not None
        return stored.record.resource(RESOURCE)

    def roll_back(self, to: str | None = None, command: OperatorCommand = ADA) -> Run:
        return self.endpoints.rollback(EndpointAddress("sample", "production"), to, command)

    def show(self) -> EndpointStatus:
        return self.endpoints.show(EndpointAddress("sample", "production"))


def served(name: str, hours: int = 0, **more: Any) -> ServedModel:
    model = model_ref(f"runs/sample/{name}/1/m.ilearner")
    known = {"model": model, "manifest": (), **more}
    return ServedModel(run_id=name, since=NOW + hours * HOUR, verification="", **known)


#: Newest first: sample-3 serves, and the others did.
THREE = Resource(
    serving=served("sample-3", 3),
    previous=(served("sample-1", 1), served("sample-2", 2, trained_by="sample-t")),
    baseline=state_of(OLDER),
)
