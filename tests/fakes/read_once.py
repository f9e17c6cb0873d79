"""Caches values that many worlds read: a pipeline of the file, and a run of the ledger.

Both are frozen, so all who read the same text can share one value.
"""

import json
from functools import lru_cache
from typing import Any

from shared.core.config.pipeline import Pipeline
from shared.core.run.record import Run


def pipeline_of(tree: dict[str, Any]) -> Pipeline:
    """Return a pipeline as the file has it."""
    try:
        written = json.dumps(tree)
    except TypeError:  # it holds what only Python can say
        return Pipeline.model_validate(tree, context={"development": False})
    return _pipeline_of(written)


@lru_cache(maxsize=256)
def _pipeline_of(written: str) -> Pipeline:
    return Pipeline.model_validate(json.loads(written), context={"development": False})


@lru_cache(maxsize=1024)
def stored_run(body: bytes) -> Run:
    """Return the run of a document; most are asked for again before they change."""
    return Run.model_validate_json(body)
