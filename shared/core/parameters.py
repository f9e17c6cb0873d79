"""The parameters of a job: what the configuration says, with what a blob's name captured."""

from collections.abc import Mapping

from shared.core.blobs import BlobVersion
from shared.core.config_types import Scalar
from shared.core.pattern import fill
from shared.core.pipeline import Pipeline
from shared.core.references import escape
from shared.core.run import Run


def parameters_for(
    pipeline: Pipeline, blob: BlobVersion | None, tokens: Mapping[str, str]
) -> dict[str, Scalar]:
    """Return the pipeline's parameters; `${NAME}` stays as it is until it is sent.

    Args:
        pipeline: whose parameters they are.
        blob: what `{data}` stands for; None where the pipeline has no data of ours.
        tokens: what the path of the data captured.
    """
    captured = {**tokens, "data": blob.path} if blob else dict(tokens)
    safe = {name: escape(value) for name, value in captured.items()}
    return {
        name: fill(value, safe) if isinstance(value, str) else value
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
    usual = parameters_for(was, run.newest, run.tokens)
    asked = {name: value for name, value in run.parameters.items() if usual.get(name) != value}
    return {**parameters_for(now, run.newest, run.tokens), **asked}
