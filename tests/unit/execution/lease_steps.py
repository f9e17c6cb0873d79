"""The steps by which a run leases its endpoint, scripted."""

from datetime import timedelta
from typing import Any

from shared.core.run.commands import Event
from shared.core.run.record import Phase, Run
from shared.core.serving.probes import EndpointCheck, ProbeAnswers, UpdateProgress
from shared.core.serving.state import Resource, ServedModel
from shared.execution.endpoint_lease import EndpointLeaseSteps
from shared.providers.studio.scoring import Current
from tests.fakes.blobs import ACCOUNT
from tests.fakes.world import RESOURCE
from tests.unit.samples import NOW, good
from tests.unit.samples import run as sample
from tests.unit.scripted_steps import Scripted

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OLD = good("0.1", "0.2")


class Asking(Scripted):
    """A run that wants the endpoint, which answers as before and can be refreshed."""

    def __init__(self, pipeline: dict[str, Any] | None = None, **changes: Any) -> None:
        endpoint = changes.pop("endpoint", {})
        super().__init__(pipeline=pipeline or {}, endpoint=endpoint)
        self.steps = EndpointLeaseSteps(self.context)
        known = {"config": self.world.pipeline, "model": self.model(), "promotion": None}
        self.run: Run = sample(Phase.PROMOTING, **{**known, **changes})
        self.endpoint.probe_series = [self.seen(OLD)]

    def seen(self, probe: ProbeAnswers | None) -> EndpointCheck:
        return EndpointCheck(UpdateProgress.NOT_REPORTED, probe)

    def acquire_lease_(self) -> Event:
        return self.steps.acquire_lease(self.run)

    def served(self, run_id: str = "sample-0", **known: Any) -> ServedModel:
        given = {"since": NOW, "verification": "", "manifest": (), **known}
        return ServedModel(run_id=run_id, **given)

    def serves(self, *served: ServedModel, **more: Any) -> None:
        first, *others = served
        resource = Resource(serving=first, previous=tuple(others), **more)
        self.put_endpoint_state(resources={RESOURCE: resource})

    def names(self, relative: str, base: str = ACCOUNT, sas: str = "") -> None:
        self.endpoint.current_ = Current(location=(base, relative, sas), refreshable=True)
