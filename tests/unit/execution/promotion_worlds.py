"""The steps of a promotion, scripted."""

from datetime import timedelta
from typing import Any

from shared.core.run.commands import Event
from shared.core.run.promotion_events import (
    NotYetLive,
)
from shared.core.run.record import Phase, Run
from shared.core.serving.probes import EndpointCheck, ProbeAnswers, UpdateProgress
from shared.execution.leased_endpoint import LeasedEndpoint
from shared.execution.promotion import PromotionSteps
from shared.execution.verification import VerificationSteps
from tests.unit.samples import good, promotion
from tests.unit.samples import run as sample
from tests.unit.scripted_steps import Scripted

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
OLD, NEW = good("0.1", "0.2"), good("0.8", "0.9")


class Step(Scripted):
    """A run that has the endpoint, and the steps over it."""

    def __init__(self, phase: Phase = Phase.PROMOTING, **known: Any) -> None:
        super().__init__(**known.pop("config", {}))
        self.steps = PromotionSteps(self.context)
        self.checks = VerificationSteps(self.context)
        self.leased = LeasedEndpoint(self.context)
        promoted = known.pop("promotion", {})
        changes = {"config": self.world.pipeline, "model": self.model(), **known}
        self.run: Run = sample(phase, promotion=promotion(**promoted), **changes)
        self.acquire_lease(self.run)

    def seen(self, probe: ProbeAnswers | None = NEW, **check: Any) -> EndpointCheck:
        return EndpointCheck(**{"progress": UpdateProgress.NOT_REPORTED, "probe": probe, **check})

    def check(self, *probe_series: EndpointCheck) -> Event | None:
        """Probe so often, an interval apart, and return the result of the last probe."""
        event: Event | None = None
        for check in probe_series:
            self.world.clock.move(10 * SECOND)
            self.endpoint.probe_series = [check]
            event = self.checks.check(self.run)
            if not isinstance(event, NotYetLive):
                break
            self.run = event.fold(self.run, self.world.clock.now())
        return event
