"""References to app settings, and the parameters that hold them."""

import pytest

from shared.core.config.setting_references import (
    escape,
    is_reference,
    references_in,
    replace_references,
)
from shared.core.run.parameters import asked_parameters, corrected_parameters, parameters_for
from shared.core.run.record import Phase
from tests.unit.samples import blob, pipeline, run


@pytest.mark.parametrize(
    ("text", "names", "one"),
    [
        ("${A}", ("A",), True),
        ("${A_1}${b}", ("A_1", "b"), False),
        ("x${A}", ("A",), False),
        ("$$", (), False),
        ("$${A}", (), False),
        ("${1}", (), False),
        ("$A {B}", (), False),
    ],
)
def test_a_text_refers_to_the_settings_that_it_names(
    text: str, names: tuple[str, ...], *, one: bool
) -> None:
    assert references_in(text) == names
    assert is_reference(text) is one
    assert references_in(escape(text)) == ()
    assert replace_references(escape(text), str) == text


def test_a_reference_is_replaced_once_and_its_value_not_checked() -> None:
    values = {"A": "${B}$$", "B": "b"}
    assert replace_references("${A} $$ ${B}", values.__getitem__) == "${B}$$ $ b"


PARAMETERS = {"at": "{data} of {customer} in ${LAKE}", "list": "{data.manifest}", "n": 3}


def test_parameters_have_what_the_blob_captured_and_ask_for_no_setting_by_it() -> None:
    config = pipeline(
        data={"blob": "{customer}/{name}.csv"}, training__parameters=PARAMETERS, endpoints=[]
    )
    shape = run(
        Phase.RECEIVED,
        config=config,
        manifest=(blob("${KEY}/a.csv"),),
        tokens={"customer": "${KEY}", "name": "a"},
        listed_at="models/${KEY}.csv",
    )
    assert parameters_for(config, shape) == {
        "at": "training-data/$${KEY}/a.csv of $${KEY} in ${LAKE}",
        "list": "models/$${KEY}.csv",
        "n": 3,
    }
    bare = shape.model_copy(update={"manifest": ()})
    assert parameters_for(config, bare)["at"] == "{data} of $${KEY} in ${LAKE}"
    assert asked_parameters({"a": "${KEY}", "n": 3}) == {"a": "$${KEY}", "n": 3}


def test_what_an_operator_asked_for_is_kept_when_the_file_is_corrected() -> None:
    was = pipeline(training__parameters={"a": "1", "b": "1", "c": "1"})
    now = pipeline(training__parameters={"a": "2", "b": "2"})
    shape = run(Phase.RECEIVED, config=was, parameters={"a": "1", "b": "mine", "c": "1", "d": "x"})
    assert corrected_parameters(now, shape) == {"a": "2", "b": "mine", "d": "x"}
