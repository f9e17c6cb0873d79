"""What a job is given, which data is news, and how the values of the file are read."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from shared.core.config.data import Data
from shared.core.config.kinds import Endpoint, Training
from shared.core.config.pipeline import Pipeline
from shared.core.config.setting_references import (
    escape,
    is_reference,
    references_in,
    replace_references,
)
from shared.core.config.studio_training import SINGLE_INPUT
from shared.core.config.types import Strict
from shared.core.run.parameters import asked_parameters, corrected_parameters, parameters_for
from shared.core.run.record import Phase
from tests.unit.samples import BASE, blob, pipeline, run

BARE = {"service": f"{BASE}/jobs", "api_key": "${KEY}"}
FILE = {"development": False}


def training(**changes: Any) -> Training:
    return Training.model_validate({**BARE, **changes}, context=FILE)


def data(**changes: Any) -> Data:
    return Data.model_validate({"blob": "{name}.csv", **changes}, context=FILE)


@pytest.mark.parametrize(
    ("changes", "sources"),
    [
        ({}, {"input1": "{data}"}),
        ({"inputs": {}}, {}),
        ({"inputs": {"a": "x/{name}"}}, {"a": "x/{name}"}),
        ({"input": "{data}"}, {SINGLE_INPUT: "{data}"}),
        ({"input": "{data}", "inputs": {}}, {SINGLE_INPUT: "{data}"}),
    ],
)
def test_a_job_is_given_named_inputs_or_a_single_one(
    changes: dict[str, Any], sources: dict[str, str]
) -> None:
    assert training(**changes).sources == sources


@pytest.mark.parametrize(
    ("changes", "data_", "manifest"),
    [
        ({}, True, False),
        ({"inputs": {}}, False, False),
        ({"inputs": {"a": "{data.manifest}"}}, False, True),
        ({"inputs": {"a": "x.csv"}}, False, False),
        ({"inputs": {}, "parameters": {"a": "at {data}"}}, True, False),
        ({"inputs": {}, "parameters": {"a": "at {data.manifest}", "b": 1}}, False, True),
        ({"input": "{data.manifest}", "parameters": {"a": "{data}"}}, True, True),
    ],
)
def test_a_job_wants_the_newest_blob_or_the_list_of_all(
    changes: dict[str, Any], *, data_: bool, manifest: bool
) -> None:
    known = training(**changes)
    assert (known.wants_data, known.wants_manifest) == (data_, manifest)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"input": "{data}", "inputs": {"a": "x.csv"}}, "input and inputs: a job is given one"),
        ({"inputs": {"a": "x{data}"}}, "{data} and {data.manifest} stand alone"),
        ({"inputs": {"a": "x{data.manifest}"}}, "{data} and {data.manifest} stand alone"),
        ({"inputs": {"a": "/x.csv"}}, "a path starts below the container"),
        ({"inputs": {"a": ""}}, "a path starts below the container"),
        ({"inputs": {"a": "x*.csv"}}, "* and ? are not known here"),
        ({"inputs": {"": "x.csv"}}, "inputs"),
        ({"inputs": {"a" * 201: "x.csv"}}, "inputs"),
        ({"timeout": "6d22h1s"}, "timeout: at most 6d22h"),
        ({"timeout": "0s"}, "must be longer than 0s"),
        ({"outputs": {"a": "m.csv", "b": "m.csv"}}, "two outputs cannot be written to one file"),
        ({"outputs": {"a": "x/m.csv"}}, "not an output file name"),
        ({"outputs": {"a": ".csv"}}, "not an output file name"),
        (
            {"outputs": {"a": "m.txt"}},
            "not an output file name: the service writes .ilearner, .csv",
        ),
        ({"attempts": 0}, "attempts"),
        ({"attempts": 11}, "attempts"),
        ({"attempts": True}, "must be a number, not true or false"),
        ({"max_parallel": 0}, "max_parallel"),
        ({"max_parallel": 1001}, "max_parallel"),
        ({"azure_batch_pool_id": "x"}, "azure_batch_pool_id"),
        ({"azure_batch_pool_id": ""}, "azure_batch_pool_id"),
        ({"api_key": "a-key"}, "name the app setting that holds the key, as ${NAME}"),
        ({"connection_string": "a"}, "name the app setting that holds the key"),
        ({"service": "http://host/workspaces/w/services/e/jobs"}, "https is required"),
        ({"service": f"{BASE}/execute"}, "request-response"),
    ],
)
def test_a_training_that_cannot_work_is_refused_with_what_to_write(
    changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        training(**changes)
    assert says in str(caught.value)


def test_the_bounds_of_a_training_are_taken() -> None:
    assert training(timeout="6d22h").timeout == timedelta(days=6, hours=22)
    for attempts in (1, 10):
        assert training(attempts=attempts).attempts == attempts
    for most in (1, 1000):
        assert training(max_parallel=most).max_parallel == most
    assert training(azure_batch_pool_id="00aF-9").azure_batch_pool_id == "00aF-9"
    names = {"a": "m.ilearner", "b": "m.csv", "c": "m.tsv", "d": "m.arff"}
    assert training(outputs=names).outputs == names
    assert training(inputs={"a" * 200: "x.csv"}).inputs == {"a" * 200: "x.csv"}
    bare = training()
    assert (bare.timeout, bare.attempts, bare.pause) == (timedelta(hours=2), 1, timedelta())


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("0", 0),
        ("7", 7),
        (7, 7),
        ("7B", 7),
        ("1KB", 1024),
        ("2 kb", 2048),
        ("1MB", 1024**2),
        (" 1gb ", 1024**3),
    ],
)
def test_a_size_is_written_as_people_do(written: object, size: int) -> None:
    assert data(min_size=written).min_size == size


@pytest.mark.parametrize("written", ["", "KB", "-1", "1TB", "1.5KB", "1KBx"])
def test_what_is_no_size_is_refused(written: str) -> None:
    with pytest.raises(ValidationError, match="write it like 1KB"):
        data(min_size=written)


@pytest.mark.parametrize(
    ("changes", "least"),
    [
        ({}, 1),
        ({"min_size": 0}, 1),
        ({"min_size": 5}, 5),
        ({"marker": True}, 0),
        ({"marker": True, "min_size": 5}, 5),
        ({"marker": False}, 1),
    ],
)
def test_only_a_marker_may_be_empty(changes: dict[str, Any], least: int) -> None:
    assert data(**changes).least == least


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"settle": "31m"}, "settle: must not be longer than settle_at_most"),
        ({"settle_at_most": "0s"}, "must be longer than 0s"),
        ({"blob": "/a.csv"}, "starts with a slash"),
        ({"blob": ""}, "blob"),
        ({"blob": "a" * 1025}, "blob"),
        ({"blob": "a/"}, "names a folder"),
        ({"blob": "a/../b"}, "a part . or .. matches no blob"),
        ({"marker": "yes"}, "must be true or false, without quotes"),
        ({"opens_runs": "no"}, "must be true or false, without quotes"),
        ({"backfill": "some"}, "backfill"),
    ],
)
def test_data_that_cannot_land_is_refused_with_what_to_write(
    changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        data(**changes)
    assert says in str(caught.value)


def test_a_burst_is_waited_for_where_that_is_written() -> None:
    assert not data().settles
    assert data(settle="1s").settles
    assert data(settle="30m").settle == data().settle_at_most == timedelta(minutes=30)
    assert len(data(blob="a" * 1024).blob) == 1024


class DueTimePart(Strict):
    number: int = 0
    share: float | None = None
    several: dict[str, int] | None = None
    either: bool | int = 0
    text: str | int = ""
    flag: bool = False
    words: bool | str = ""


@pytest.mark.parametrize(
    ("written", "says"),
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
    written: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        DueTimePart.model_validate(written, context=FILE)
    assert says in str(caught.value)
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


@pytest.mark.parametrize("part", [Training, Data, Endpoint, Pipeline])
@pytest.mark.parametrize("given", [5, "x", [], None])
def test_what_is_no_part_of_a_file_at_all_is_refused_like_any_other_mistake(
    part: type[Strict], given: object
) -> None:
    with pytest.raises(ValidationError):
        part.model_validate(given, context=FILE)


def test_a_url_is_mended_where_it_is_written_and_left_alone_in_a_record() -> None:
    plain = {**BARE, "service": f"{BASE}/jobs."}
    mended = Training.model_validate(plain, context=FILE).service
    assert mended == f"{BASE}/jobs?api-version=2.0"
    assert Training.model_validate(plain).service == f"{BASE}/jobs."
    local = {**BARE, "service": "http://127.0.0.1:1/workspaces/w/services/e/jobs"}
    known = Training.model_validate(local, context={"development": True})
    assert known.service.startswith("http://127.0.0.1:1/")


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


def test_a_reference_is_replaced_once_and_its_value_not_looked_into() -> None:
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


def test_what_a_person_asked_for_is_kept_when_the_file_is_corrected() -> None:
    was = pipeline(training__parameters={"a": "1", "b": "1", "c": "1"})
    now = pipeline(training__parameters={"a": "2", "b": "2"})
    shape = run(Phase.RECEIVED, config=was, parameters={"a": "1", "b": "mine", "c": "1", "d": "x"})
    assert corrected_parameters(was, now, shape) == {"a": "2", "b": "mine", "d": "x"}
