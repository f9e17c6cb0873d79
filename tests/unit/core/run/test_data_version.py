"""A data version as one pipeline sees it: its tokens, key and ids."""

import pytest

from shared.core.names import run_id
from shared.core.run.data_version import DataVersion
from shared.core.run.record import Origin
from shared.core.versions import version_id
from tests.fakes.world import MODELS
from tests.unit.samples import NOW, blob, pipeline

KEYED = pipeline(data={"blob": "{customer}/{name}.csv", "min_size": "1KB"}, key="customer")


def test_a_version_has_the_tokens_the_key_and_the_ids_of_its_blob() -> None:
    one = blob("acme/1.csv")
    version = DataVersion.of(KEYED, one)
    assert version is not None
    assert (version.tokens, version.key) == ({"customer": "acme", "name": "1"}, ("acme",))
    assert version.version_id == version_id(KEYED.name, one)
    assert version.run_id == run_id(KEYED.name, Origin.DATA, version.version_id)
    assert DataVersion.of(KEYED, blob("nothing")) is None


def test_an_operators_model_has_the_key_of_its_path_and_no_least_size() -> None:
    one = blob(f"promote/{KEYED.name}/acme/m.ilearner", container=MODELS, size=1)
    version = DataVersion.of_model(KEYED, one)
    assert (version.key, version.is_model, version.is_large_enough) == (("acme",), True, True)
    assert version.run_id == run_id(KEYED.name, Origin.MODEL, version.version_id)
    assert not DataVersion.of_model(KEYED, one.model_copy(update={"size": 0})).is_large_enough


@pytest.mark.parametrize(("size", "enough"), [(1024, True), (1023, False)])
def test_data_is_large_enough_from_the_size_on_that_its_pipeline_asks_for(
    size: int, *, enough: bool
) -> None:
    version = DataVersion.of(KEYED, blob("acme/1.csv", size=size))
    assert version is not None
    assert version.is_large_enough is enough


def test_when_a_version_was_first_recorded_does_not_change() -> None:
    version = DataVersion.of(KEYED, blob("acme/1.csv"))
    assert version is not None
    recorded = version.recorded(NOW)
    assert recorded.blob.recorded_at == NOW
    assert recorded.recorded(NOW.replace(year=2030)).blob.recorded_at == NOW
    assert (recorded.key, recorded.version_id) == (version.key, version.version_id)
