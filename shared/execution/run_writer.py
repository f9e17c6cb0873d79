"""Writes run records: each is created once, and then changed by events only."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from shared import tracing
from shared.core.blobs import BlobVersion
from shared.core.config.pipeline import Pipeline
from shared.core.run.commands import Event
from shared.core.run.control_events import StepFailed
from shared.core.run.machine import apply
from shared.core.run.record import Phase, Run
from shared.core.serving.references import Candidate, ModelRef, ServingState
from shared.execution.context import Context
from shared.ledger.open_markers import hints_of
from shared.ledger.store import Stored
from shared.telemetry import log, report_phase, report_run

#: Fields that name a blob, a model or an endpoint, or are configured, are not redacted.
_KEPT: Final = (BlobVersion, Pipeline, ModelRef, ServingState, Candidate)
#: Where a run waits for an operator.
FOR_OPERATORS: Final = (Phase.PARKED, Phase.AWAITING_APPROVAL)


class RunWriter:
    """Writes runs by compare-and-swap, without secrets, and logs their events.

    Args:
        context: the ledger and the clock.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def create(self, run: Run, *, announced: bool = False, unused: bool = False) -> Stored[Run]:
        """Store a new run; that fixes its manifest.

        Args:
            run: the new run.
            announced: whether its open marker was written before, by the caller.
            unused: whether the caller saw a moment ago that its id has no tombstone.

        Returns:
            The run as it is stored.

        Raises:
            ConflictError: there is a run of this id.
            RunIdUsedError: there was one, and its record was removed.
            TransientError, OutcomeUnknownError: the ledger does not work now.
        """
        if not announced:
            self._context.ledger.open_markers.announce(run.run_id, hints_of(run))
        with tracing.opening(run) as opening:
            trace = opening.traceparent
            runs = self._context.ledger.runs
            create = runs.create_unused if unused else runs.create
            stored = create(run.evolve(trace=trace) if trace else run)
        report_phase(run)
        report_run(run, str(stored.etag))
        tracing.measure_phase(run)
        return stored

    def record(
        self,
        stored: Stored[Run],
        event: Event,
        claim: Callable[[Run], str | None] | None = None,
    ) -> Stored[Run]:
        """Apply an event to a run, and store it.

        Args:
            stored: the run as it was read.
            event: the new information about it.
            claim: returns the claim that the run has then; None: the claim stays.

        Returns:
            The run as it is stored now.

        Raises:
            InvalidTransitionError: the event is not valid in the phase of the run.
            ConflictError: another worker changed the run.
        """
        before = stored.record
        event = self._clean(event, before)
        run = apply(before, event, self._context.clock.now())
        if claim is not None and (claimed_by := claim(run)) != run.claim:
            run = run.evolve(claim=claimed_by)
        replaced = self.replace(stored, run)
        _log(before, replaced, event)
        return replaced

    def note(self, stored: Stored[Run], event: Event) -> Stored[Run]:
        """Record an event between two steps. Arguments and errors as `record`.

        If the run waits for an operator then, its marker says so: some readers read only that.
        """
        noted = self.record(stored, event)
        self.hint(noted.record)
        return noted

    def replace(self, stored: Stored[Run], run: Run) -> Stored[Run]:
        """Store a run over the version that it was made from.

        Args:
            stored: that version.
            run: the run as it is to be.

        Returns:
            The run as it is stored now.

        Raises:
            ConflictError: another worker changed the run.
        """
        return self._context.ledger.runs.replace(run, stored.etag)

    def hint(self, run: Run) -> None:
        """Write into the marker of a run that it waits for an operator."""
        if run.phase in FOR_OPERATORS:
            self._context.ledger.open_markers.mark(run.run_id, hints_of(run))

    def learn_secrets(self, run: Run) -> None:
        """Redact the secrets of a run's configuration from now on: the file may name others."""
        self._context.redactor.learn(*self._context.providers.secrets_of(run.config))

    def _clean(self, learned: Event, run: Run) -> Event:
        # Errors of the storage, evaluations and operators may hold a secret too.
        self.learn_secrets(run)
        return self._context.redactor.clean(learned, keep=_KEPT)


def _log(before: Run, stored: Stored[Run], learned: Event) -> None:
    """Log the event of a run after it is stored: another worker may have been faster."""
    after = stored.record
    if after.phase is not before.phase:
        report_phase(after)
        tracing.measure_phase(after)
    if after.verdict is not None and before.verdict is None:
        said = "passed" if after.verdict.passed else "not passed"
        said = "unsure" if after.verdict.unsure else said
        tracing.measure(tracing.VERDICTS, 1, verdict=said, pipeline=after.pipeline)
    asked_before = after.phase is before.phase is Phase.AWAITING_APPROVAL and not before.asks_at
    if not asked_before and report_run(after, str(stored.etag)):
        return
    if isinstance(learned, StepFailed):
        at = learned.next_check.isoformat(timespec="seconds")
        text = "run %s (%s) will try again at %s: %s"
        log.warning(text, after.run_id, after.phase, at, learned.reason)


@dataclass(frozen=True, slots=True)
class StepResult:
    """The event of a step; the data that it found is kept before the event is recorded."""

    event: Event | None  #: None: the run does not change
    replacements: tuple[BlobVersion, ...] = ()  #: versions that replaced data of the run
    requeued: tuple[BlobVersion, ...] = ()  #: data that the run will not train on
    opened: int = 0  #: runs that the step opened
