"""Values are changed by `evolve`, which refuses names and values that do not fit."""

import pytest
from pydantic import ValidationError

from shared.core.config.studio_endpoint import StudioEndpoint
from shared.core.run.record import Phase
from tests.unit.samples import NOW, blob, pipeline, run


def test_an_evolved_value_has_the_changes_and_the_rest_as_it_was() -> None:
    known = run(Phase.TRAINING)
    changed = known.evolve(reason="slow", attempt=2)
    assert (changed.reason, changed.attempt) == ("slow", 2)
    assert changed.evolve(reason=known.reason, attempt=known.attempt) == known


def test_a_field_that_is_not_there_is_refused_by_its_name() -> None:
    with pytest.raises(TypeError, match="Run has no field 'reasons'"):
        run(Phase.TRAINING).evolve(reasons="slow")
    with pytest.raises(TypeError, match="Run has no field 'reasons'"):
        run(Phase.TRAINING).moved_to(Phase.TRAINED, NOW, reasons="slow")


def test_a_value_that_does_not_fit_its_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="attempt"):
        run(Phase.TRAINING).evolve(attempt="many")
    with pytest.raises(ValidationError, match="recorded_at"):
        blob().evolve(recorded_at="yesterday")


def test_a_stored_configuration_is_read_though_it_does_not_pass_a_newer_check() -> None:
    stored = pipeline().endpoints[0].evolve(resource=None).model_dump()
    assert StudioEndpoint.model_validate(stored).resource is None
    with pytest.raises(ValidationError, match="resource is missing"):
        StudioEndpoint.model_validate(stored, context={})


def test_a_record_holds_its_configuration_as_that_is_written_by_itself() -> None:
    known = pipeline(max_parallel=2)
    for config in (known, known.evolve(max_parallel=3), known):
        stored = run(Phase.TRAINING).evolve(config=config).model_dump_json()
        assert f'"config":{config.model_dump_json()},' in stored


def test_a_configuration_is_evolved_with_values_that_were_read_before() -> None:
    known = pipeline()
    assert known.evolve(endpoints=known.endpoints) == known
