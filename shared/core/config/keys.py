"""The tokens and the key of a blob, by its name and its pipeline."""

from shared.core.config.pattern import match
from shared.core.config.pipeline import Pipeline


def captured(pipeline: Pipeline, name: str) -> dict[str, str] | None:
    """Return what the path of the data captures from `name`; None where it does not match.

    Args:
        pipeline: as it is configured now.
        name: of the blob, inside its container.

    Returns:
        The values of the tokens, or None.
    """
    return match(pipeline.data.blob, name) if pipeline.data else None


def key_of(pipeline: Pipeline, name: str) -> tuple[str, ...]:
    """Return whose data a blob of this name is.

    Args:
        pipeline: as it is configured now.
        name: of the blob, inside its container.

    Returns:
        The values of the pipeline's key tokens, in order.
    """
    tokens = captured(pipeline, name) or {}
    return tuple(tokens.get(token, "") for token in pipeline.key_tokens)
