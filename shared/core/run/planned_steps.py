"""The steps in which a candidate gets the requests of an endpoint with a traffic map.

They are planned from the traffic that is there, if this app has left it or an operator accepts it.
"""

from collections.abc import Sequence
from datetime import timedelta

from shared.core.run.control_events import StepBlocked
from shared.core.run.promotion import Step
from shared.core.run.record import Origin, Run
from shared.core.serving.references import ServingState
from shared.core.serving.state import Resource
from shared.core.serving.traffic import ALL, TrafficMap


def planned_steps(
    run: Run,
    before: TrafficMap,
    shares: Sequence[int],
    *,
    mirror: int = 0,
    bake: timedelta = timedelta(),
    ruled: bool = False,
) -> tuple[Step, ...]:
    """Return the steps of a promotion; an earlier serving state is restored in one step.

    For a first model no other deployment has traffic: it is given all of it at once.

    Args:
        run: the run.
        before: the traffic when the lease was taken.
        shares: the percentages that are configured, the last of them 100.
        mirror: the percentage that is copied ahead of them; 0: none is.
        bake: how long each step lasts.
        ruled: whether rules about requests decide when a step is over.
    """
    if run.origin.repeats or run.candidate is None:
        return (Step(share=ALL, before=before, wanted=run.target_model.traffic),)
    name = run.candidate.name
    others = among_others(before, name)
    if not others.shares:
        return (Step(share=ALL, before=before, wanted=before.giving(name, ALL)),)
    has = before.shares.get(name, 0)
    given = [(share, 0) for share in shares if share > has] or [(ALL, 0)]
    if mirror and not has and not others.mirror:  # copies go to one deployment at most
        given.insert(0, (0, mirror))
    steps: list[Step] = []
    for share, copied in given:
        wanted = others.giving(name, share, copied)
        was = steps[-1].wanted if steps else before
        one = Step(share=share, mirror=copied, before=was, wanted=wanted, bake=bake, ruled=ruled)
        steps.append(one)
    return tuple(steps)


def ahead_of(run: Run | None, base: ServingState | None) -> tuple[ServingState, ...]:
    """Return the state ahead of a run's first update, which a rollback restores first.

    Args:
        run: the run; None: no run has updated the endpoint.
        base: what served when the lease was taken.

    Returns:
        The state, or nothing where the endpoint has no traffic map, or no other deployment.
    """
    if base is None or base.traffic is None or run is None:
        return ()
    others = among_others(base.traffic, run.candidate.name if run.candidate else "")
    return (base.evolve(traffic=others),) if others.shares else ()


def among_others(traffic: TrafficMap, name: str) -> TrafficMap:
    """Return the traffic that shares are taken from: that of the others, as it was among them.

    Args:
        traffic: the traffic of an endpoint.
        name: the candidate; may be empty.
    """
    has = name in traffic.shares or name in traffic.mirror
    return traffic.without(name) if has else traffic


def gets_requests(run: Run, base: ServingState | None) -> bool:
    """Whether the model of a run has a share already, from before its plan was made anew.

    Args:
        run: the run.
        base: what serves now, where it is known.
    """
    traffic, candidate = base.traffic if base else None, run.candidate
    return traffic is not None and candidate is not None and candidate.name in traffic.shares


def changed_before(run: Run, known: Resource, base: ServingState | None) -> StepBlocked | None:
    """Return that an operator has to decide, where others changed what serves; else None.

    Who gets copies of requests does not count.

    Args:
        run: the run.
        known: what this app left at the endpoint.
        base: what serves now, where it is known.
    """
    serving = known.serving.target_model.traffic if known.serving else None
    now = (base.traffic if base else None) or TrafficMap()
    if serving is None or run.origin is Origin.ROLLBACK:  # it is asked for, whichever model is live
        return None
    if now in run.accepts:
        return None
    if not now.routes_as(serving):
        what = f"its traffic is {now}; Relearn left it at {serving}"
    elif (model := _other_model(known, base)) is not None:
        what = f"its traffic goes to {model}; Relearn left it at {_name(known)}"
    else:
        return None
    name = run.config.endpoint.name if run.config.endpoint else "the endpoint"
    return StepBlocked(
        f"others changed {name}: {what}",
        "retry the run to continue from the present traffic, or cancel it",
        now,
    )


def _other_model(known: Resource, base: ServingState | None) -> str | None:
    """Return the model that serves, where others put it into a deployment of this app; else None.

    A reference holds more or less, as it was read; its digest identifies the model.
    """
    left = known.serving.model if known.serving else None
    now = base.model if base else None
    if left is None or now is None or now.digest == left.digest:
        return None
    return now.name


def _name(known: Resource) -> str:
    return known.serving.target_model.name if known.serving else ""
