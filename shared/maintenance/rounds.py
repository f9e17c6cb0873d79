"""One round over the open runs: those that are due, the queues, and endpoints that became free."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared import tracing
from shared.core.names import pipeline_of
from shared.core.run.record import Phase
from shared.errors import RelearnError
from shared.execution.bulkheads import Bulkheads, host_of, service_of
from shared.execution.context import Context
from shared.execution.driver import Driver
from shared.execution.queues import CheckResult, EndpointQueue, PolledQueues, Queue
from shared.intake.catalogue import Catalogue
from shared.ledger.open_markers import Marker
from shared.maintenance.run_checks import RunChecks
from shared.telemetry import log

_OPEN: Final = tuple(phase for phase in Phase if not phase.ended)


@dataclass(frozen=True, slots=True)
class Round:
    """The result of one pass over the open runs."""

    checked: int = 0
    open: int = 0
    parked: int = 0
    resume_after: str = ""  #: where the next tick continues, where this one had no more time
    opened: int = 0  #: runs that the steps of other runs opened


class Rounds:
    """Makes rounds over the open runs, by a listing of their markers.

    Args:
        context: the ledger and the clock.
        catalogue: the pipelines as they are configured now.
        driver: takes the steps of runs.
        checks: checks one run.
    """

    def __init__(
        self, context: Context, catalogue: Catalogue, driver: Driver, checks: RunChecks
    ) -> None:
        self._context = context
        self._catalogue = catalogue
        self._driver = driver
        self._checks = checks
        self._queues = PolledQueues(context)
        self._endpoint_queue = EndpointQueue(context)

    def run(
        self,
        until: datetime,
        resume: str = "",
        *,
        only_new: bool = False,
        only: Collection[str] | None = None,
    ) -> Round:
        """Check the open runs that are due.

        Args:
            until: when no further run may be begun.
            resume: the run behind which to begin.
            only_new: whether only runs are checked that this process has not checked yet.
            only: the ids of the only runs to check, whether they are due or not.

        Returns:
            The result of the round.

        Raises:
            TransientError: the open runs cannot be listed now.
        """
        began = self._context.clock.now()
        markers = list(self._context.ledger.open_markers.listed())
        queues = [] if only_new or only is not None else self._queues.found(markers)
        if only is None:  # another timer's runs were opened a moment ago
            self._endpoint_queue.found(markers)
        order = [m for m in markers if m.run_id > resume] + [
            m for m in markers if m.run_id <= resume
        ]
        if only is not None:
            due = [marker for marker in order if marker.run_id in only]
        else:
            there = [m for m in order if self._checks.is_new(m)] if only_new else order
            due = [marker for marker in there if self._checks.is_due(marker, began)]
        # If the last tick ran out of time, the queues got none: now they are first.
        items: list[Marker | Queue] = [*queues, *due] if resume else [*due, *queues]
        results: list[CheckResult] = []
        bulkheads = self._bulkheads(items, began, until, results)
        not_begun = bulkheads.run()
        left = {item.run_id for item in not_begun if isinstance(item, Marker)}
        partly = only_new or only is not None
        _measure(markers, None if partly else len(not_begun))
        opened = sum(result.advanced.opened for result in results)
        opened += self._continue_roll_outs(results, until)
        self._checks.forget({marker.run_id for marker in markers})
        begun = [marker.run_id for marker in due if marker.run_id not in left]
        parked = sum(marker.hints.phase is Phase.PARKED for marker in markers)
        resume_after = begun[-1] if left and begun else ""
        return Round(bulkheads.done, len(markers), parked, resume_after, opened)

    def continue_at_endpoints(self, until: datetime) -> None:
        """Have the next run of each free endpoint continue, until one has it or none waits."""
        clock = self._context.clock
        results: list[CheckResult] = []

        def work(marker: Marker) -> bool:
            result = self._checks.check(marker, until, free=True)
            results.append(result)
            return result.well

        while clock.now() < until and (following := self._endpoint_queue.next(until)):
            Bulkheads(
                following,
                self._service_of,
                work,
                lambda: clock.now() < until,
                self._context.limits.at_once,
                group_of=host_of,
            ).run()
        self._continue_roll_outs(results, until)

    def _bulkheads(
        self,
        items: list[Marker | Queue],
        began: datetime,
        until: datetime,
        results: list[CheckResult],
    ) -> "Bulkheads[Marker | Queue]":
        def check(marker: Marker) -> CheckResult:
            result = self._checks.check(marker, until)
            results.append(result)
            return result

        def work(item: Marker | Queue) -> bool:
            if isinstance(item, Queue):
                return self._queues.bring_forward(item, until, check)
            result = check(item)
            self._queues.note(item, result.advanced.run)
            return result.well

        now = self._context.clock.now
        half = began + (until - began) / 2  # the time limit for failing services
        return Bulkheads(
            items,
            self._service_of,
            work,
            lambda: now() < until,
            self._context.limits.at_once,
            group_of=host_of,
            suspect=lambda item: isinstance(item, Marker) and item.run.failing,
            spend=lambda: now() < half,
        )

    def _service_of(self, item: Marker | Queue) -> str:
        """Return the service that a check is likely to call; each has a bulkhead of its own."""
        if isinstance(item, Queue):
            return service_of(item.service)
        if service := item.hints.service:
            return service_of(service)
        name = item.hints.pipeline or pipeline_of(item.run_id)
        try:
            pipeline = self._catalogue.pipeline(name)
        except RelearnError:  # it has an error, and the run its own configuration
            return ""
        return service_of(pipeline.training.address) if pipeline else ""

    def _continue_roll_outs(self, results: Sequence[CheckResult], until: datetime) -> int:
        """Advance the roll-outs whose deliveries ended, each once; return how many runs opened."""
        opened = 0
        for run_id in dict.fromkeys(result.advanced.roll_out for result in results):
            if run_id is None:
                continue
            if self._context.clock.now() >= until:
                break  # the next tick checks it anyway
            try:
                opened += self._driver.advance(run_id, until).opened
            except RelearnError as exc:
                log.info("run %s continues at the next tick: %s", run_id, exc)
        return opened


def _measure(markers: Sequence[Marker], not_begun: int | None) -> None:
    """Record how many runs are open in each phase, and how many items a round had no time for.

    Args:
        markers: of all open runs.
        not_begun: that number; None: the round was not about all of them.
    """
    phases = Counter(marker.hints.phase for marker in markers)
    for phase in _OPEN:
        tracing.measure(tracing.OPEN_RUNS, phases[phase], phase=phase)
    if not_begun is not None:
        tracing.measure(tracing.BACKLOG, not_begun)
