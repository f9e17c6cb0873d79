"""The properties of each kind of training and endpoint are declared once, for all kinds."""

from typing import Any

import pytest

from shared.core.config.endpoint import ScoringEndpoint
from shared.core.config.kinds import ENDPOINT_CLASSES, TRAINING_KINDS, uploaded_model
from shared.core.config.training import TrainingConfig
from tests.unit.samples import MODEL, MODEL_BLOB


def members(kind: type[Any]) -> set[str]:
    """Return the names of a class other than its fields in the file and those of pydantic."""
    return {name for name in dir(kind) if not name.startswith("_")} - set(kind.model_fields)


@pytest.mark.parametrize(
    ("kinds", "declared"),
    [(TRAINING_KINDS, TrainingConfig), (ENDPOINT_CLASSES, ScoringEndpoint)],
)
def test_what_the_kinds_have_in_common_is_declared_by_what_they_are(
    kinds: dict[str, type[Any]], declared: type[Any]
) -> None:
    common = set[str].intersection(*map(members, kinds.values()))
    assert common <= members(declared)


def test_a_blob_that_is_a_complete_model_is_one_of_the_kind_with_its_suffix() -> None:
    assert uploaded_model(MODEL_BLOB) == MODEL
