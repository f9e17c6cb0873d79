"""Finds the live model of an endpoint with a traffic map, whether Relearn set it or not."""

from datetime import datetime

from shared.core.decisions.comparison import OfNoRun
from shared.core.run.planned_steps import among_others
from shared.core.run.record import Run
from shared.core.serving.references import ModelRef, ServingState
from shared.core.serving.state import Resource, ServedModel
from shared.core.serving.traffic import TrafficMap


def live_model(
    run: Run, known: Resource, now: ServingState | None, at: datetime
) -> ServedModel | None:
    """Return the model with the most requests, apart from that of the run; None: there is none.

    Where no other model has requests, it is the one that this app promoted last; before its first
    promotion the one that a comparison of the run began with, or that served before its update.

    Args:
        run: the run, whose candidate may have a share already.
        known: what this app promoted at the endpoint.
        now: what the endpoint serves; None: no deployment gets requests.
        at: when that was read.

    Returns:
        The model as it was promoted, where its deployment still has it. Else one of no run.
    """
    traffic = (now.traffic if now else None) or TrafficMap()
    others = among_others(traffic, run.candidate.name if run.candidate else "")
    if not others.shares:
        return _with_deployment(known.serving) if known.serving else _earlier(run, known, at)
    models = {traffic.largest: now.model} if now else {}
    most = others.shares[others.largest]
    for one in map(_with_deployment, known.kept):
        share = others.shares.get(one.candidate)
        if share == most and _may_be(one.model, models.get(one.candidate)):
            return one
    return _of_others(others.largest, models.get(others.largest), at)


def model_of_others(other: OfNoRun, at: datetime) -> ServedModel:
    """Return a model that no run promoted, as far as its name says it.

    Args:
        other: the model.
        at: when it was seen to serve.
    """
    name = other.model
    model = ModelRef(provider="", name=name, digest="", reference={}) if name else None
    return _of_others(other.deployment, model, at)


def _earlier(run: Run, known: Resource, at: datetime) -> ServedModel | None:
    scored = run.evidence.holdout if run.evidence else None
    if scored is not None and (other := OfNoRun.named(scored.live)):
        return model_of_others(other, at)
    before = known.baseline
    if before is None or before.traffic is None or not before.traffic.shares:
        return None
    return _of_others(before.traffic.largest, before.model, at)


def _of_others(deployment: str, model: ModelRef | None, at: datetime) -> ServedModel:
    return ServedModel(
        model=model,
        candidate=deployment,
        run_id=str(OfNoRun(deployment, model.name if model else "")),
        since=at,
        verification="",
        manifest=(),
    )


def _with_deployment(one: ServedModel) -> ServedModel:
    """Return a model with its deployment: one that was rolled back to was not a candidate."""
    traffic = one.target_model.traffic
    return one if one.candidate or traffic is None else one.evolve(candidate=traffic.largest)


def _may_be(one: ModelRef | None, other: ModelRef | None) -> bool:
    """Whether two references may be of one model: its digest identifies it."""
    return one is None or other is None or one.digest == other.digest
