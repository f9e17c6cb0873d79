"""The parameters of a job: those of the configuration, with the tokens of the blob filled in."""

from collections.abc import Mapping

from shared.core.config.pattern import fill
from shared.core.config.pipeline import Pipeline
from shared.core.config.setting_references import escape
from shared.core.config.training import MANIFEST
from shared.core.config.types import Scalar
from shared.core.run.record import Run


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


def asked_over(run: Run) -> dict[str, Scalar]:
    """Return the parameters that the request of a run set, over its configuration.

    One of another type than the configuration's is another value: 1 is neither true nor 1.0.
    """
    usual = {name: (type(value), value) for name, value in parameters_for(run.config, run).items()}
    return {
        name: value
        for name, value in run.parameters.items()
        if usual.get(name) != (type(value), value)
    }


def corrected_parameters(now: Pipeline, run: Run) -> dict[str, Scalar]:
    """Return the run's parameters as `now` would have them; what its request set is kept.

    Args:
        now: the present configuration.
        run: the run, with the configuration that it was opened with.
    """
    return {**parameters_for(now, run), **asked_over(run)}
