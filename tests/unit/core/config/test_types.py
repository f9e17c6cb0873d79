"""Values of the pipelines file are never taken for another type."""

from typing import Any

import pytest
from pydantic import ValidationError

from shared.core.config.azureml_training import AzureMlTraining
from shared.core.config.data import Data
from shared.core.config.pipeline import Pipeline
from shared.core.config.studio_endpoint import StudioEndpoint
from shared.core.config.studio_training import StudioTraining
from shared.core.config.types import Strict
from tests.unit.core.config.test_studio_training import BARE, FILE
from tests.unit.samples import BASE


class DueTimePart(Strict):
    number: int = 0
    share: float | None = None
    several: dict[str, int] | None = None
    either: bool | int = 0
    text: str | int = ""
    flag: bool = False
    words: bool | str = ""


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"number": True}, "must be a number, not true or false"),
        ({"share": False}, "must be a number, not true or false"),
        ({"several": {"a": True}}, "a number, not true or false"),
        ({"text": True}, "must be text or a number, not true or false"),
        ({"flag": "no"}, "must be true or false, without quotes"),
        ({"either": "no"}, "must be true or false, without quotes"),
    ],
)
def test_nothing_of_the_file_is_taken_for_another_kind_and_a_record_is_read_as_it_is(
    written: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        DueTimePart.model_validate(written, context=FILE)
    assert message in str(caught.value)
    if "no" not in written.values() or "flag" in written:
        assert isinstance(DueTimePart.model_validate(written), DueTimePart)


def test_what_is_of_its_kind_is_taken_without_the_blanks_around_it() -> None:
    given = {"number": 1, "share": 1, "several": {"a": 1}, "either": True, "text": " a ", "flag": 1}
    assert DueTimePart.model_validate({"words": "no"}, context=FILE).words == "no"
    known = DueTimePart.model_validate(given, context=FILE)
    assert known == DueTimePart(
        number=1, share=1.0, several={"a": 1}, either=True, text="a", flag=True
    )
    assert known.either is True


@pytest.mark.parametrize("part", [StudioTraining, AzureMlTraining, Data, StudioEndpoint, Pipeline])
@pytest.mark.parametrize("given", [5, "x", [], None])
def test_what_is_no_part_of_a_file_at_all_is_refused_like_any_other_mistake(
    part: type[Strict], given: object
) -> None:
    with pytest.raises(ValidationError):
        part.model_validate(given, context=FILE)


def test_a_url_is_corrected_where_it_is_written_and_left_alone_in_a_record() -> None:
    plain = {**BARE, "service": f"{BASE}/jobs."}
    corrected = StudioTraining.model_validate(plain, context=FILE).service
    assert corrected == f"{BASE}/jobs?api-version=2.0"
    assert StudioTraining.model_validate(plain).service == f"{BASE}/jobs."
    local = {**BARE, "service": "http://127.0.0.1:1/workspaces/w/services/e/jobs"}
    known = StudioTraining.model_validate(local, context={"development": True})
    assert known.service.startswith("http://127.0.0.1:1/")
