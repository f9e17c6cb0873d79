"""The configuration of a pipeline as it is in a record: read once, and made ready to write once.

Most of a run's record is its configuration, and many records have the same.
"""

import marshal
from contextlib import suppress
from functools import lru_cache
from typing import Annotated, Any, Final

from pydantic import (
    PlainSerializer,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from shared.core.config.pipeline import Pipeline
from shared.core.config.setting_references import references_in
from shared.core.frozen import Same

#: Configurations that records were read with, by their stored form.
_KNOWN: Final[dict[bytes, Pipeline]] = {}
#: The stored forms of configurations.
_WRITTEN: Final[dict[Same[Pipeline], dict[str, Any]]] = {}
_MOST_KNOWN: Final = 64
_LONGEST_KNOWN: Final = 64 * 1024


def _as_known(value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    """Return the pipeline of a stored record: the same value as for an earlier read.

    Args:
        value: as it is stored.
        handler: reads it.
        info: has no context where a record is read.
    """
    written = b""
    if type(value) is dict and info.context is None:
        with suppress(ValueError):
            written = marshal.dumps(value, 0)  # tells 1, 1.0 and true apart
    if not 0 < len(written) <= _LONGEST_KNOWN:
        return handler(value)
    known = _KNOWN.get(written)
    if known is None:
        known = handler(value)
        if len(_KNOWN) >= _MOST_KNOWN:
            _KNOWN.clear()
        _KNOWN[written] = known
    return known


def _as_written(pipeline: Pipeline) -> dict[str, Any]:
    """Return the stored form of a pipeline."""
    written = _WRITTEN.get(Same(pipeline))
    if written is None:
        written = pipeline.model_dump(mode="json")
        if len(marshal.dumps(written, 0)) <= _LONGEST_KNOWN:
            if len(_WRITTEN) >= _MOST_KNOWN:
                _WRITTEN.clear()
            _WRITTEN[Same(pipeline)] = written
    return written


def settings_of(pipeline: Pipeline) -> tuple[str, ...]:
    """Return the names of the app settings that a pipeline refers to."""
    return _settings_of(Same(pipeline))


@lru_cache(maxsize=_MOST_KNOWN)  # asked for each event of a run
def _settings_of(pipeline: Same[Pipeline]) -> tuple[str, ...]:
    return references_in(pipeline.value.model_dump_json())


def form_of(pipeline: Pipeline) -> int:
    """Return the lowest schema version of a record that has a configuration."""
    return _form_of(Same(pipeline))


@lru_cache(maxsize=_MOST_KNOWN)  # asked for each change of a run
def _form_of(pipeline: Same[Pipeline]) -> int:
    return pipeline.value.form


#: A configuration in a record.
StoredPipeline = Annotated[
    Pipeline, WrapValidator(_as_known), PlainSerializer(_as_written, when_used="json")
]
