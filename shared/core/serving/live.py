"""Which model serves at an endpoint with a traffic map, whoever gave it the requests."""

from datetime import datetime

from shared.core.decisions.comparison import DEPLOYMENT
from shared.core.run.planned_steps import among_others
from shared.core.run.record import Run
from shared.core.serving.references import ModelRef, ServingState
from shared.core.serving.state import Resource, ServedModel
from shared.core.serving.traffic import TrafficMap


def live_model(
    run: Run, known: Resource, now: ServingState | None, at: datetime
) -> ServedModel | None:
    """Return the model with the most requests, apart from that of the run; None: there is none.

    Where no other model has requests, it is the one that this app promoted last.

    Args:
        run: the run, whose candidate may have a share already.
        known: what this app promoted at the endpoint.
        now: what the endpoint serves; None: no deployment gets requests.
        at: when that was read.

    Returns:
        The model as it was promoted, where its deployment still has it. Else one whose `run_id`
        begins with `DEPLOYMENT`: no run promoted it.
    """
    traffic = (now.traffic if now else None) or TrafficMap()
    others = among_others(traffic, run.candidate.name if run.candidate else "")
    if not others.shares:
        return _named(known.serving) if known.serving else None
    models = {traffic.largest: now.model} if now else {}
    most = others.shares[others.largest]
    for one in map(_named, known.kept):
        share = others.shares.get(one.candidate)
        if share == most and _may_be(one.model, models.get(one.candidate)):
            return one
    model = models.get(others.largest)
    of_model = f" of model {model.name}" if model else ""
    run_id = f"{DEPLOYMENT}{others.largest}{of_model}"
    return _model_of_others(run_id, model, at, others.largest)


def model_of_others(run_id: str, name: str, at: datetime) -> ServedModel:
    """Return a model that no run promoted, and of which no record says more than a comparison.

    Args:
        run_id: what stands for its run; begins with `DEPLOYMENT`.
        name: the name of the model.
        at: when it was seen to serve.
    """
    model = ModelRef(provider="", name=name, digest="", reference={})
    return _model_of_others(run_id, model, at)


def _model_of_others(
    run_id: str, model: ModelRef | None, at: datetime, deployment: str = ""
) -> ServedModel:
    return ServedModel(
        model=model,
        candidate=deployment,
        run_id=run_id,
        since=at,
        verification="",
        manifest=(),
    )


def _named(one: ServedModel) -> ServedModel:
    """Return a model with its deployment: one that was rolled back to was no candidate."""
    traffic = one.target_model.traffic
    return one if one.candidate or traffic is None else one.evolve(candidate=traffic.largest)


def _may_be(one: ModelRef | None, other: ModelRef | None) -> bool:
    """Whether two references may be of one model: its digest identifies it."""
    return one is None or other is None or one.digest == other.digest
