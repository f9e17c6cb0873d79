"""Checks of a pipeline's endpoints against each other, its training and its gate.

A field that is wrong has the value `UNKNOWN` here; what needs it is then not checked
(`cross_field`).
"""

from collections.abc import Iterable, Iterator

from shared.core.config.compare import Compare, Way
from shared.core.config.cross_field import UnknownValueError, is_unknown, known_pairs
from shared.core.config.gate import Gate
from shared.core.config.kinds import Endpoint, Training
from shared.core.config.problems import Mistake
from shared.core.config.training import OTHER_MODELS

Endpoints = tuple[Endpoint, ...]


def clear_models(training: Training, endpoints: Endpoints) -> Iterator[Mistake]:
    """Yield endpoints of which it is not clear which model they get.

    Args:
        training: what makes the models.
        endpoints: of the pipeline.
    """
    outputs, models = training.outputs, training.models
    form = training.model_suffix or "model"
    for name, model in known_pairs(endpoints, "name", "model"):
        if model is None and len(models) > 1:
            what = f"{name} needs `model:`, the name of one of the {form} outputs"
            yield Mistake(f"{what} {', '.join(models)}", at=("endpoints",))
        if model in outputs and model not in models:
            what = f"{name}.model does not name a {form} output; there is"
            yield Mistake(f"{what} {', '.join(models) or 'none'}", at=("endpoints",))


def not_apart(endpoints: Endpoints) -> Iterator[Mistake]:
    """Yield endpoints that repeat an earlier one."""
    yield from _twice("name", [(one, one) for (one,) in known_pairs(endpoints, "name")])
    for keys in sorted({keys for (keys,) in known_pairs(endpoints, "identity_keys")}):
        alike = [one for one in endpoints if not is_unknown(one) and one.identity_keys == keys]
        yield from _twice(keys, known_pairs(alike, "name", "identity"))


def not_served(training: Training, endpoints: Endpoints) -> Iterator[Mistake]:
    """Yield endpoints of a service that cannot serve what is trained.

    Args:
        training: what makes the models.
        endpoints: of the pipeline.
    """
    there = training.endpoint_kinds
    for name, kind in known_pairs(endpoints, "name", "kind"):
        if kind not in there:
            what = f"{name}, of kind {kind}, cannot serve models of {training.kind}"
            yield Mistake(what, f"use {' or '.join(there)}", ("endpoints",))


def not_fitting(training: Training, endpoints: Endpoints) -> Iterator[Mistake]:
    """Yield what keeps an endpoint from serving what is trained, at its own key.

    Args:
        training: what makes the models.
        endpoints: of the pipeline.
    """
    for at, endpoint in enumerate(endpoints):
        try:
            found = [] if is_unknown(endpoint) else list(endpoint.fits(training))
        except UnknownValueError:
            continue
        for one in found:
            yield Mistake(one.what, one.advice, ("endpoints", at, *one.at))


def approval_of_nothing(gate: Gate, endpoints: Endpoints) -> Iterator[Mistake]:
    """Yield an approval that nothing waits for.

    Args:
        gate: of the pipeline.
        endpoints: of the pipeline.
    """
    if endpoints == () and gate.approval == "required":
        yield Mistake(
            "approval is given before an endpoint gets the model, and there is no endpoint",
            "name one under `endpoints`, or leave `approval` out",
            ("gate", "approval"),
        )


def compared_with_nothing(gate: Gate, endpoints: Endpoints) -> Iterator[Mistake]:
    """Yield a comparison with a model that nothing serves.

    Args:
        gate: of the pipeline.
        endpoints: of the pipeline.
    """
    if endpoints:
        return
    compared = [rule for rule in gate.rules if rule.compares]
    if compared:
        yield Mistake(
            f"{compared[0].kind} compares with the live model, and there is no endpoint",
            "name one under `endpoints`, or write at_least or at_most",
            ("gate", "rules"),
        )


def compared_at_an_endpoint(
    gate: Gate, training: Training, endpoints: Endpoints
) -> Iterator[Mistake]:
    """Yield a comparison on rows that these endpoints do not allow.

    Args:
        gate: of the pipeline.
        training: of the pipeline.
        endpoints: of the pipeline.
    """
    if training.other_models and len(endpoints) != 1:
        name = min(training.other_models)
        what = f"{name} needs the model of an endpoint, and there is not exactly one endpoint"
        yield Mistake(what, "remove it", ("training",))
    compare = gate.compare
    if compare is None:
        return
    if compare.way is Way.SCORED:
        for name, takes in known_pairs(endpoints, "name", "takes_candidates"):
            if not takes:
                what = f"{name} cannot hold a candidate next to the live model to score a holdout"
                advice = "have the job score it: name its output as predictions"
                yield Mistake(what, advice, ("gate", "compare"))
    yield from _not_handed_over(compare, training, endpoints)
    if compare.anchor is not None and len(endpoints) > 1:
        what = "each of several endpoints has an anchor of its own"
        yield Mistake(what, "remove it", ("gate", "compare", "anchor"))
    if compare.way is Way.TWO_FILES and not training.takes_copies:
        output = compare.predictions or ""
        if output not in training.outputs:
            what = f"the file of output {output} is read again for later runs"
            advice = "name it under training.outputs"
            yield Mistake(what, advice, ("gate", "compare", "predictions"))
    if compare.way is not Way.TWO_FILES and len(endpoints) > 1:
        what = "the model is compared with one live model, and there are several endpoints"
        advice = "have each job score a holdout: name predictions and holdout"
        yield Mistake(what, advice, ("gate", "compare"))


def _not_handed_over(
    compare: Compare, training: Training, endpoints: Endpoints
) -> Iterator[Mistake]:
    """Yield each model that the job is to score and is not given.

    Args:
        compare: how the models are compared.
        training: of the pipeline.
        endpoints: of the pipeline; of several none has the one live model.
    """
    if compare.way is not Way.ONE_FILE or len(endpoints) != 1:
        return
    wanted = {"live": "live model"} | ({"anchor": "anchor"} if compare.anchor else {})
    given = training.other_models.values()
    for text, against in OTHER_MODELS.items():
        if against in wanted and against not in given:
            what = f"the job must score the {wanted[against]}, and does not get it"
            advice = f"give {text} to an input or parameter, or name a holdout that each job scores"
            yield Mistake(what, advice, ("training",))


def _twice(what: str, named: Iterable[tuple[object, ...]]) -> Iterator[Mistake]:
    """Yield a mistake for each endpoint that repeats an earlier one.

    Args:
        what: the name of the values that must differ.
        named: the name of each endpoint, and its value.
    """
    seen: set[object] = set()
    for name, mine in named:
        if mine in seen:
            yield Mistake(f"{name} is there twice (same {what})", at=("endpoints",))
        seen.add(mine)
