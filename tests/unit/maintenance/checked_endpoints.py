"""Endpoints that are checked for drift."""

from datetime import timedelta
from typing import Any

from shared.core.run.record import Origin, Phase, Run
from shared.core.serving.drift import DriftCheck
from shared.core.serving.probes import EndpointCheck, ProbeAnswers, UpdateProgress
from shared.core.serving.state import Resource, ServedModel
from shared.execution.drift_schedule import drift_check_id
from shared.maintenance.drift import Drift
from tests.fakes.world import RESOURCE
from tests.unit.samples import NOW, blob, good, ref
from tests.unit.samples import run as sample
from tests.unit.scripted_steps import Scripted

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
OURS, OTHER = good("0.1", "0.2"), good("0.8", "0.9")


class CheckedEndpoint(Scripted):
    """An endpoint that serves our model, as its record says, and is due to be checked."""

    def __init__(self, **served: Any) -> None:
        super().__init__()
        self.model_ = self.model()
        self.run: Run = sample(
            Phase.PROMOTED, config=self.world.pipeline, model=self.model_, tokens={"name": "new"}
        )
        self.ledger.runs.create(self.run)
        known = {"model": self.model_, "answers": OURS, "manifest": (blob(),), **served}
        self.served = ServedModel(run_id="sample-1", since=NOW, verification="", **known)
        self.put_endpoint_state(resources={RESOURCE: Resource(serving=self.served)})
        self.name = drift_check_id(ref(self.url), RESOURCE)
        self.drift_check()
        self.configured = tuple(self.world.pipeline.endpoints)
        app = self.world.app_over(self.context)
        self.drift = Drift(self.context, app.factory, app.writer, lambda _: self.configured)

    def drift_check(self, **changes: Any) -> None:
        known = {
            "ref": ref(self.url),
            "resource": RESOURCE,
            "pipeline": "sample",
            "endpoint": "production",
            "next_check": NOW,
            "host": "studio.example",
            **changes,
        }
        stored = self.ledger.drift_checks.read(self.name)
        self.ledger.drift_checks.put(
            self.name, DriftCheck(**known), stored.etag if stored else None
        )

    def now(self) -> DriftCheck:
        stored = self.ledger.drift_checks.read(self.name)
        assert stored is not None
        return stored.record

    def wait(self) -> timedelta:
        """How long it is to the next check."""
        return self.now().next_check - self.world.clock.now()

    def check(self, probe: ProbeAnswers | Exception | None = OURS, **check: Any) -> list[Run]:
        """Look once, and return the runs that were opened to set the model again."""
        known: Any = probe
        if not isinstance(probe, Exception):
            known = EndpointCheck(
                **{"progress": UpdateProgress.NOT_REPORTED, "probe": probe, **check}
            )
        self.endpoint.probe_series = [known]
        self.drift.check(self.world.clock.now() + MINUTE)
        return [run for run in self.world.runs() if run.origin is Origin.DRIFT]

    def drifted(self) -> list[Run]:
        """Have two probes agree that another model serves."""
        self.check(OTHER)
        self.world.clock.time = self.now().next_check
        return self.check(OTHER)
