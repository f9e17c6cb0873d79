"""The parameters of a job: what the configuration says, with what a blob's name captured."""

from collections.abc import Mapping

from shared.core.config_types import Scalar
from shared.core.pattern import fill
from shared.core.pipeline import Pipeline
from shared.core.references import escape
from shared.core.run import Run
from shared.core.training import MANIFEST


def parameters_for(pipeline: Pipeline, run: Run) -> dict[str, Scalar]:
    """Return the pipeline's parameters; `${NAME}` stays as it is until it is sent.

    Args:
        pipeline: whose parameters they are.
        run: what `{data}`, `{data.manifest}` and the tokens stand for.
    """
    captured = dict(run.tokens)
    if run.newest is not None:
        captured["data"] = run.newest.path
    safe = {name: escape(value) for name, value in captured.items()}
    return {
        name: fill(value.replace(MANIFEST, escape(run.listed_at)), safe)
        if isinstance(value, str)
        else value
        for name, value in pipeline.training.parameters.items()
    }


def asked_parameters(given: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return the parameters of a request so that none of them can ask for an app setting."""
    return {
        name: escape(value) if isinstance(value, str) else value for name, value in given.items()
    }


def corrected_parameters(was: Pipeline, now: Pipeline, run: Run) -> dict[str, Scalar]:
    """Return the run's parameters as `now` would have them.

    What a person asked for over what `was` said is kept.
    """
    usual = parameters_for(was, run)
    asked = {name: value for name, value in run.parameters.items() if usual.get(name) != value}
    return {**parameters_for(now, run), **asked}
