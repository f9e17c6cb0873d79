"""Runs in each phase, as far as events distinguish them."""

from collections.abc import Iterator
from functools import cache
from itertools import product

from shared.core.run.promotion import Step
from shared.core.run.record import Phase, Run
from shared.core.serving.references import Candidate, ServingState
from tests.unit.samples import (
    HOUR,
    MODEL,
    NOW,
    OPEN_PHASES,
    pipeline,
    promotion,
    run,
    step_failure,
)

CANDIDATE = Candidate(name="m-1", state=ServingState(model=MODEL))
TWICE = pipeline(training__attempts=2)
BACK = ("rolled_back", "unchanged", "cancelled", "start")
LASTING = Step(share=10, bake=HOUR, sent_at=NOW, began_at=NOW)


@cache  # they are frozen, and each event is tried on all of them
def variants(phase: Phase) -> tuple[Run, ...]:
    """Every kind of run that can be in `phase`, as far as events distinguish them."""
    return tuple(_variants(phase))


def _variants(phase: Phase) -> Iterator[Run]:
    parked_in = OPEN_PHASES if phase is Phase.PARKED else (None,)
    choices = product((1, 2), (False, True), (None, step_failure(NOW - HOUR)), BACK)
    for where, (attempt, cancelling, since, rollback) in product(parked_in, choices):
        shape = run(where or phase)
        yield shape.model_copy(
            update={
                "phase": phase,
                "config": TWICE,
                "attempt": attempt,
                "cancelling": cancelling,
                "step_failure": since,
                "parked_in": where,
                "promotion": shape.promotion and promotion(after_rollback=rollback),
            }
        )
        if (where or phase) is Phase.VERIFYING:
            lasts = promotion(steps=(LASTING, Step(share=100)))
            yield shape.model_copy(update={"phase": phase, "parked_in": where, "promotion": lasts})
        if (where or phase) is Phase.AWAITING_APPROVAL:
            waits = {"phase": phase, "parked_in": where, "asks_at": NOW}
            yield shape.model_copy(update=waits)
        if (where or phase) is Phase.PROMOTING:
            yield shape.model_copy(update={"phase": phase, "parked_in": where, "promotion": None})
