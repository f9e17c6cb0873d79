"""The parameters of a job: what the configuration says, with what a blob's name captured."""

from collections.abc import Mapping

from shared.core.blobs import BlobVersion
from shared.core.pattern import fill, match
from shared.core.pipeline import Pipeline, Scalar
from shared.core.references import escape


def parameters_for(pipeline: Pipeline, blob: BlobVersion) -> dict[str, Scalar]:
    """Return the pipeline's parameters for `blob`; `${NAME}` stays as it is until it is sent."""
    captured = {**(match(pipeline.data.blob, blob.name) or {}), "data": blob.path}
    tokens = {name: escape(value) for name, value in captured.items()}
    return {
        name: fill(value, tokens) if isinstance(value, str) else value
        for name, value in pipeline.training.parameters.items()
    }


def asked_parameters(given: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return the parameters of a request so that none of them can ask for an app setting."""
    return {
        name: escape(value) if isinstance(value, str) else value for name, value in given.items()
    }


def corrected_parameters(
    was: Pipeline, now: Pipeline, blob: BlobVersion, given: Mapping[str, Scalar]
) -> dict[str, Scalar]:
    """Return `given` as `now` would have it, keeping what a person asked for over `was`."""
    usual = parameters_for(was, blob)
    asked = {name: value for name, value in given.items() if usual.get(name) != value}
    return {**parameters_for(now, blob), **asked}
