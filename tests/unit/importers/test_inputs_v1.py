"""Inputs of a job of version 1: which one is waited for, and whether its slices are the windows."""

from typing import Any

import pytest

from shared.importers.data_factory.account import ImportOutcome
from tests.unit.importers.version_1 import WEEKLY, training, walk_through

MAPPED, ABOUT, LEFT = (
    ImportOutcome.MAPPED,
    ImportOutcome.APPROXIMATED,
    ImportOutcome.NOT_CARRIED_OVER,
)
DATA = "dataset/trainingData"
DAY = {"type": "DateTime", "date": "SliceStart", "format": "dd"}
NO_OUTPUT = {"webServiceInput": "trainingData"}
DAILY, MONTHLY = ({"frequency": unit, "interval": 1} for unit in ("Day", "Month"))


@pytest.mark.parametrize(
    ("first", "second", "chosen"),
    [
        ({}, {}, "labeledexamples.arff"),
        ({"externalData": {"maximumRetry": 1}}, {"externalData": {}}, "labeledexamples.arff"),
        ({"validation": {"minimumSizeMB": 5}}, {"externalData": {}}, "more.csv"),
        ({}, {"validation": {"minimumSizeMB": 5}}, "more.csv"),
    ],
)
def test_policies_of_an_input_that_is_not_the_data_are_not_written(
    first: dict[str, Any], second: dict[str, Any], chosen: str
) -> None:
    inputs = [{"name": "trainingData"}, {"name": "more"}]
    typed = {"webServiceInputs": {"a": "trainingData", "b": "more"}}
    factory = walk_through(training(inputs=inputs, typeProperties=typed))
    factory.blob("more", "labeledexamples", "more.csv", policy=second)
    data = next(one for one in factory.all if one.name == "trainingData")
    data.properties.value["policy"] = first
    timing = factory.only().timing
    assert timing.data is not None
    assert timing.data.name == chosen
    mine, other = (second, DATA) if chosen == "more.csv" else (first, "dataset/more")
    assert bool(timing.wait_for_data) == ("externalData" in mine)
    assert bool(timing.min_size) == ("validation" in mine)
    of_others = [one for one in factory.lines("policy") if one.file == f"{other}.json"]
    assert {one.outcome for one in of_others} <= {LEFT}
    assert "waits only for one input" in factory.line(other, "").text
    assert "schedule.delay" in factory.line(other, "").to_do


@pytest.mark.parametrize(
    ("checks", "job", "said"),
    [
        ({"maximumRetry": 0, "retryInterval": "01:00:00"}, {}, "no check but the first one"),
        ({"maximumRetry": 1}, {"outputs": [], "typeProperties": NO_OUTPUT}, "walk has no schedule"),
        ({}, {"outputs": [], "typeProperties": NO_OUTPUT}, "walk has no schedule"),
    ],
)
def test_a_wait_that_does_not_exist_is_not_reported(
    checks: dict[str, Any], job: dict[str, Any], said: str
) -> None:
    factory = walk_through(training(**job))
    data = next(one for one in factory.all if one.name == "trainingData")
    data.properties.value["policy"] = {"externalData": checks}
    assert factory.only().timing.wait_for_data is None
    lines = [one for one in factory.lines("policy") if one.file == f"{DATA}.json"]
    assert len(lines) == max(len(checks), 1)
    assert all(one.outcome is LEFT and said in one.text for one in lines)


@pytest.mark.parametrize("checks", [{"retryInterval": "00:02:00"}, {"maximumRetry": []}])
def test_checks_that_are_left_out_are_said(checks: dict[str, Any]) -> None:
    factory = walk_through()
    data = next(one for one in factory.all if one.name == "trainingData")
    data.properties.value["policy"] = {"externalData": checks}
    waits = factory.only().timing.wait_for_data
    assert waits is not None
    assert f"wait_for_data.at_most: {waits['at_most']}" in factory.line(DATA, "").text


@pytest.mark.parametrize(
    ("file", "writer", "at_most", "said"),
    [
        ("{Day}.csv", False, "33m", "as long as a factory checks for external data by default"),
        ("{Day}.csv", True, "33m", "it waits until its activity has ended"),
        ("rows.csv", True, "33m", "it waits until its activity has ended"),
        ("rows.csv", False, None, ""),
    ],
)
def test_data_of_a_window_is_waited_for_without_a_policy(
    file: str, *, writer: bool, at_most: str | None, said: str
) -> None:
    copy = {"name": "copy", "type": "Copy", "outputs": [{"name": "trainingData"}]}
    factory = walk_through(training(), *([copy] if writer else []))
    factory.all = [one for one in factory.all if one.name != "trainingData"]
    typed = {"partitionedBy": [{"name": "Day", "value": DAY}]}
    factory.blob("trainingData", "data", file, typed=typed)
    waits = factory.only().timing.wait_for_data
    assert waits == ({"every": "1m", "at_most": at_most} if at_most else None)
    line = factory.line(DATA, "")
    assert (line.outcome, said in line.text) == (ABOUT if said else MAPPED, True)
    assert ("a longer wait_for_data.at_most" in line.to_do) is writer


@pytest.mark.parametrize(
    ("own", "driver", "said"),
    [
        (WEEKLY, {**WEEKLY, "offset": "06:00:00"}, "begin at other times"),
        (WEEKLY, {**WEEKLY, "anchorDateTime": "2016-02-10"}, "begin at other times"),
        ({**DAILY, "interval": 30}, MONTHLY, "begin at other times"),
        (WEEKLY, {**DAILY, "interval": 7}, ""),
        (WEEKLY, {**WEEKLY, "offset": "7.00:00:00", "style": "StartOfInterval"}, ""),
    ],
)
def test_a_path_with_times_whose_slices_are_not_the_windows(
    own: dict[str, Any], driver: dict[str, Any], said: str
) -> None:
    typed = {"partitionedBy": [{"name": "Day", "value": DAY}]}
    factory = walk_through()
    of_model = next(one for one in factory.all if one.name == "trainedModelBlob")
    of_model.properties.value["availability"] = driver
    factory.all = [one for one in factory.all if one.name != "trainingData"]
    more = {"availability": own, "policy": {"externalData": {"maximumRetry": 1}}}
    factory.blob("trainingData", "data/{Day}", "rows.csv", typed=typed, **more)
    factory.only()
    line = factory.line(DATA, "")
    assert (line.outcome, said in line.text) == (ABOUT if said else MAPPED, True)


@pytest.mark.parametrize(
    ("driver", "value", "said"),
    [
        ({**WEEKLY, "interval": "<n>"}, "1", "interval of the availability cannot be read"),
        ({**WEEKLY, "anchorDateTime": "[variables('from')]"}, "1", "anchorDateTime of the"),
        (WEEKLY, "$$Text.Format('{0:yyyy}', Date.Unknown(SliceStart))", "parameter `q` has no"),
        (WEEKLY, "[parameters('query')]", "parameter `q` has no value"),
        (WEEKLY, "<your query>", "parameter `q` has no value"),
        (WEEKLY, "<user>@server", "parameter `q` has no value"),
        (WEEKLY, None, "parameter `q` has no value"),
        (WEEKLY, 1, ""),
        (WEEKLY, "<query>1</query>", ""),
        (WEEKLY, "SELECT a WHERE b <c AND d> e", ""),
        (WEEKLY, "Password=<your password>", ""),  # a setting has its value
    ],
)
def test_nothing_runs_before_what_cannot_be_read_is_written(
    driver: dict[str, Any], value: object, said: str
) -> None:
    typed = {"webServiceInput": "trainingData", "webServiceOutputs": {"o": "trainedModelBlob"}}
    factory = walk_through(training(typeProperties={**typed, "globalParameters": {"q": value}}))
    of_model = next(one for one in factory.all if one.name == "trainedModelBlob")
    of_model.properties.value["availability"] = driver
    schedule = factory.only().timing.schedule
    assert isinstance(schedule, dict)
    assert schedule.get("paused", False) is bool(said)
    line = factory.line("pipeline/walk", "activities[0]")
    assert said in line.text
    assert ("remove schedule.paused" in line.to_do) is bool(said)


@pytest.mark.parametrize(
    ("start", "file", "name", "said"),
    [
        ("Date.AddDays(SliceStart, -7)", "{Day}.csv", "{start-7d:dd}.csv", "in the path {start-7d"),
        ("$$SliceStart", "{Day}.csv", "{start:dd}.csv", "in the path {start:dd}"),
        ("Date.AddDays(SliceStart, -7)", "a.csv", "a.csv", "the path a.csv has no times"),
        ("Date.Unknown(SliceStart)", "{Day}.csv", "{start:dd}.csv", "no time of a window"),
    ],
)
def test_the_times_that_an_input_names(start: str, file: str, name: str, said: str) -> None:
    factory = walk_through(training(inputs=[{"name": "trainingData", "startTime": start}]))
    factory.all = [one for one in factory.all if one.name != "trainingData"]
    typed = {"partitionedBy": [{"name": "Day", "value": DAY}]}
    factory.blob("trainingData", "data", file, typed=typed)
    timing = factory.only().timing
    assert timing.data is not None
    assert timing.data.name == name
    line = factory.line("pipeline/walk", "inputs[0].startTime")
    assert said in line.text
    is_lost = said == "no time of a window"
    assert line.outcome is (LEFT if is_lost else ABOUT)
    assert isinstance(timing.schedule, dict)
    assert ("paused" in timing.schedule) is is_lost


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"webServiceInputs": {" ": "trainingData"}}, "webServiceInputs has an entry without"),
        ({"webServiceInputs": {"a": {"name": "trainingData"}}}, "webServiceInputs has an entry"),
        ({"webServiceOutputs": {"second": "gone"}}, "output `second` names a dataset that is"),
    ],
)
def test_nothing_runs_without_an_input_or_output(typed: dict[str, Any], said: str) -> None:
    factory = walk_through(training(typeProperties={**NO_OUTPUT, **typed}))
    schedule = factory.only().timing.schedule
    assert isinstance(schedule, dict)
    assert schedule["paused"] is True
    assert said in factory.line("pipeline/walk", "activities[0]").text
