"""Decides which endpoints of a run get its model next, and when the roll-out is over.

The canaries are verified before any other is updated; a failure stops those not yet begun.
"""

from dataclasses import dataclass, replace
from typing import Final

from shared.core.config.pipeline import Pipeline
from shared.core.counting import counted, they
from shared.core.names import delivery_run_id
from shared.core.run.record import Delivery, Phase, Run

#: Ends of a delivery that count as good: an endpoint with newer data needs none.
_GOOD: Final = frozenset({Phase.PROMOTED, Phase.SUPERSEDED})


@dataclass(frozen=True, slots=True)
class Tally:
    """The deliveries of a run, sorted."""

    good: tuple[Delivery, ...] = ()
    bad: tuple[Delivery, ...] = ()
    open: tuple[Delivery, ...] = ()

    @property
    def parked(self) -> bool:
        """Whether one waits for an operator."""
        return any(delivery.outcome is Phase.PARKED for delivery in self.bad)


@dataclass(frozen=True, slots=True)
class RolloutOutcome:
    """How a roll-out ended: in an end of the run, or parked for an operator."""

    phase: Phase
    reason: str


def tally(run: Run) -> Tally:
    """Return the deliveries of `run` by their state."""
    sorted_ = Tally()
    for delivery in run.deliveries:
        if delivery.outcome is None:
            sorted_ = replace(sorted_, open=(*sorted_.open, delivery))
        elif delivery.outcome in _GOOD:
            sorted_ = replace(sorted_, good=(*sorted_.good, delivery))
        else:
            sorted_ = replace(sorted_, bad=(*sorted_.bad, delivery))
    return sorted_


def not_begun(run: Run) -> tuple[str, ...]:
    """Return the names of the endpoints that have no delivery yet, in order."""
    begun = {delivery.endpoint for delivery in run.deliveries}
    return tuple(e.name for e in run.config.endpoints if e.name not in begun)


def next_deliveries(run: Run) -> tuple[Delivery, ...]:
    """Return the deliveries that are to be begun now, in the order of the configuration."""
    so_far, rolls = tally(run), run.config.rolls
    if so_far.bad or run.cancelling:
        return ()
    # An endpoint that serves newer data says nothing about this model.
    live = sum(delivery.outcome is Phase.PROMOTED for delivery in so_far.good)
    wanted = rolls.first - live if live < rolls.first else rolls.then
    room = wanted - len(so_far.open)
    return tuple(
        Delivery(endpoint=name, run_id=delivery_run_id(run.pipeline, run.run_id, name, 1))
        for name in not_begun(run)[: max(room, 0)]
    )


def outcome(run: Run) -> RolloutOutcome | None:
    """Return how the roll-out ended, or None while it continues."""
    so_far, left = tally(run), not_begun(run)
    if so_far.open or (left and not so_far.bad and not run.cancelling):
        return None
    all_ = {e.name for e in run.config.endpoints} | {d.endpoint for d in run.deliveries}
    total = counted(len(all_), "endpoint")
    done = f"{len(so_far.good)} of {total} {they(len(all_), 'is', 'are')} done"
    if run.cancelling:
        return RolloutOutcome(Phase.CANCELLED, f"{run.cancelled}; {done}")
    if not so_far.bad:
        promoted = any(one.outcome is Phase.PROMOTED for one in so_far.good)
        return RolloutOutcome(Phase.PROMOTED if promoted else Phase.SUPERSEDED, done)
    failures = "; ".join(f"{one.endpoint} {one.outcome}: {one.reason}" for one in so_far.bad[:5])
    more = f"; not begun: {', '.join(left[:10])}{', …' if len(left) > 10 else ''}" if left else ""  # noqa: PLR2004 -- enough to read
    if not so_far.good and not so_far.parked and so_far.bad[0].outcome is not None:
        return RolloutOutcome(so_far.bad[0].outcome, f"{failures}{more}")
    return RolloutOutcome(Phase.PARKED, f"{done}; {failures}{more}")


def delivered(delivery: Delivery, child: Run) -> Delivery:
    """Return a delivery as its run ended, or was parked.

    A model that failed at one endpoint has failed for all. A run that took the endpoint over during
    a rollback has completed that rollback, and says nothing about the model.

    Args:
        delivery: as it is in the record.
        child: the run that delivers, over or parked.
    """
    failed = child.promotion.after_rollback if child.promotion else None
    end = child.phase
    if end is Phase.SUPERSEDED and failed in ("rolled_back", "unchanged"):
        end = Phase(failed)
    return delivery.evolve(outcome=end, reason=(child.reason or "")[:500])


def tried_again(run: Run, was: Pipeline, *, judged: bool = True) -> tuple[Delivery, ...]:
    """Return the deliveries as a retry begins them: the good ones are never repeated.

    Args:
        run: the run, by its present configuration.
        was: what was configured when the deliveries were begun.
        judged: whether the verdict on the model still counts; else a parked run does not
            continue, and another follows.
    """
    again = []
    for delivery in run.deliveries:
        if delivery.outcome in _GOOD or delivery.outcome is None:
            again.append(delivery)
        elif delivery.endpoint in {endpoint.name for endpoint in run.config.endpoints}:
            goes_on = judged and still_wanted(delivery.endpoint, was, run.config)
            again.append(_again(run, delivery, goes_on=goes_on))
    return tuple(again)


def still_wanted(endpoint: str, was: Pipeline, now: Pipeline) -> bool:
    """Whether a delivery can continue: its endpoint is configured with the same model as before.

    Args:
        endpoint: the name of the endpoint.
        was: the configuration that the delivery began with.
        now: the present configuration.
    """
    one, other = ({e.name: e for e in p.endpoints}.get(endpoint) for p in (was, now))
    return one is not None and other is not None and one.model == other.model


def collects_again(run: Run, now: Pipeline) -> bool:
    """Whether the configuration names models of a finished job that were not collected.

    Args:
        run: the run.
        now: the present configuration.
    """
    was = {endpoint.name: endpoint for endpoint in run.config.endpoints}
    return not now.endpoints or any(
        e.name not in run.models or e.name not in was or was[e.name].model != e.model
        for e in now.endpoints
    )


def waiting_again(run: Run) -> tuple[Delivery, ...]:
    """Return the deliveries; those that wait for an operator are checked again."""
    return tuple(
        one.evolve(outcome=None) if one.outcome is Phase.PARKED else one for one in run.deliveries
    )


def _again(run: Run, delivery: Delivery, *, goes_on: bool) -> Delivery:
    # A parked run is retried itself; an ended one is never rewritten, so another follows it.
    tries = delivery.tries + (delivery.outcome is not Phase.PARKED or not goes_on)
    run_id = delivery_run_id(run.pipeline, run.run_id, delivery.endpoint, tries)
    return Delivery(endpoint=delivery.endpoint, run_id=run_id, tries=tries)
