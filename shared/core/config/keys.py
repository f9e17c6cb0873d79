"""Whose data a blob is."""

from shared.core.config.pattern import match
from shared.core.config.pipeline import Pipeline


def key_of(pipeline: Pipeline, name: str) -> tuple[str, ...]:
    """Return whose data a blob of this name is.

    Args:
        pipeline: as it is configured now.
        name: of the blob, inside its container.
    """
    tokens = (match(pipeline.data.blob, name) if pipeline.data else None) or {}
    return tuple(tokens.get(token, "") for token in pipeline.key_tokens)
