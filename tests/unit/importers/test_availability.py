"""When pipelines of version 1 run: TimeSpans, availability, active period."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.config.schedule import Recurrence
from shared.importers.data_factory.account import ImportOutcome
from shared.importers.data_factory.values import timespan, written
from tests.unit.importers.version_1 import VersionOne, training, updating, walk_through

MAPPED, ABOUT, LEFT = list(ImportOutcome)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("00:10:00", timedelta(minutes=10)),
        ("1.00:00:00", timedelta(days=1)),
        ("24:00:00", timedelta(days=24)),
        ("1.12:30", timedelta(days=1, hours=12, minutes=30)),
        ("3:01:02:03", timedelta(days=3, hours=1, minutes=2, seconds=3)),
        ("23:59", timedelta(hours=23, minutes=59)),
        ("48:30:10", timedelta(days=48, hours=30, minutes=10)),
        ("-1.02:00:00", -timedelta(days=1, hours=2)),
        ("00:00:30.5000000", timedelta(seconds=30)),
        ("7", timedelta(days=7)),
        (" 02:00:00 ", timedelta(hours=2)),
        ("", None),
        ("1h", None),
        ("@pipeline().parameters.t", None),
        ("99999999.00:00:00", timedelta(days=99999999)),
        (None, None),
    ],
)
def test_a_timespan_as_net_reads_it(text: Any, span: timedelta | None) -> None:
    assert timespan(text) == span


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(), "0s"),
        (timedelta(days=6, hours=22), "6d22h"),
        (-timedelta(days=1, minutes=5), "-1d5m"),
        (timedelta(days=24), "24d"),
    ],
)
def test_a_span_as_the_pipelines_file_has_it(span: timedelta, text: str) -> None:
    assert written(span) == text


def with_availability(**availability: Any) -> VersionOne:
    factory = walk_through()
    factory.all = [one for one in factory.all if one.name != "trainedModelBlob"]
    factory.blob("trainedModelBlob", "out", "model.ilearner", availability=availability)
    return factory


def schedule(factory: VersionOne) -> dict[str, Any]:
    found = factory.only().timing.schedule
    assert isinstance(found, dict)
    Recurrence.model_validate(found)
    return found


def line(factory: VersionOne, key: str) -> tuple[ImportOutcome, str]:
    found = factory.line("dataset/trainedModelBlob", f"availability.{key}")
    assert found.kind == "availability"
    return found.outcome, found.text


def test_each_key_of_the_availability_is_a_key_of_the_schedule() -> None:
    factory = with_availability(
        frequency="hour",
        interval="12",
        anchorDateTime="2017-01-01T06:00:00-05:00",
        offset="-01:30:00",
        style="StartOfInterval",
    )
    assert schedule(factory) == {
        "frequency": "Hour",
        "interval": 12,
        "anchor": "2017-01-01T11:00:00Z",
        "offset": "-1h30m",
        "style": "StartOfInterval",
        "start": "2016-02-13T00:00:00Z",
        "end": "2016-02-14T00:00:00Z",
    }
    assert line(factory, "offset") == (MAPPED, "walk: schedule.offset: -1h30m")
    assert line(factory, "anchorDateTime")[1] == "walk: schedule.anchor: 2017-01-01T11:00:00Z"


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("interval", 0, "cannot be read"),
        ("interval", "soon", "cannot be read"),
        ("offset", "one hour", "cannot be read"),
        ("anchorDateTime", "<date>", "cannot be read"),
        ("style", "MiddleOfInterval", "cannot be read"),
        ("externalData", {}, "nothing for this key"),
    ],
)
def test_what_cannot_be_read_is_said_and_left_out(key: str, value: Any, text: str) -> None:
    factory = with_availability(**{"frequency": "Day", "interval": 1, key: value})
    assert schedule(factory)["interval"] == 1
    assert line(factory, key)[0] is LEFT
    assert text in line(factory, key)[1]


def test_an_offset_that_is_read_as_days_is_said() -> None:
    factory = with_availability(frequency="Month", interval=1, offset="24:00:00")
    assert schedule(factory)["offset"] == "24d"
    assert line(factory, "offset")[0] is ABOUT


def test_without_an_availability_the_scheduler_is_the_schedule() -> None:
    hourly = {"frequency": "Hour", "interval": 6}
    factory = walk_through(training(outputs=[{"name": "gone"}], scheduler=hourly), updating())
    assert schedule(factory)["frequency"] == "Hour"
    found = factory.line("pipeline/walk", "activities[0].scheduler.interval")
    assert (found.outcome, found.text) == (MAPPED, "walk: schedule.interval: 6")
    assert "not among the definitions" in factory.line("pipeline/walk", "outputs[0].name").text


def test_a_scheduler_that_differs_is_said() -> None:
    factory = walk_through(training(scheduler={"frequency": "Week", "interval": 2}), updating())
    assert schedule(factory)["interval"] == 1
    lines = [factory.line("pipeline/walk", f"scheduler.{key}") for key in ("frequency", "interval")]
    assert [one.outcome for one in lines] == [MAPPED, ABOUT]


def test_a_scheduler_that_says_the_same_in_another_unit_is_no_difference() -> None:
    factory = walk_through(training(scheduler={"frequency": "Day", "interval": 7}), updating())
    assert len(factory.drafts()) == 1
    lines = [factory.line("pipeline/walk", f"scheduler.{key}") for key in ("frequency", "interval")]
    assert {one.outcome for one in lines} == {MAPPED}
    assert lines[0].text == "7 times Day is as often as Week, which is the schedule"


def test_a_month_is_no_30_days() -> None:
    factory = walk_through(training(scheduler={"frequency": "Day", "interval": 30}), updating())
    output = next(one for one in factory.all if one.name == "trainedModelBlob")
    output.properties.value["availability"] = {"frequency": "Month", "interval": 1}
    assert len(factory.drafts()) == 1
    assert factory.line("pipeline/walk", "activities[0].scheduler.interval").outcome is ABOUT


def test_no_availability_at_all() -> None:
    factory = with_availability()
    assert factory.only().timing.schedule is None
    found = factory.line("pipeline/walk", "activities[0]")
    assert (found.outcome, "there is no schedule" in found.text) == (ABOUT, True)


def test_without_a_schedule_the_active_period_is_not_carried_over() -> None:
    delayed = training(policy={"delay": "00:20:00", "timeout": "01:00:00"})
    factory = walk_through(delayed, updating())
    factory.all = [one for one in factory.all if one.name != "trainedModelBlob"]
    factory.only()
    for key in ("start", "end"):
        found = factory.line("pipeline/walk", f"properties.{key}")
        assert (found.outcome, "walk has no schedule" in found.text) == (LEFT, True)
    assert factory.line("pipeline/walk", "policy.delay").outcome is LEFT


def test_a_job_whose_update_waits_for_it_is_no_scoring() -> None:
    factory = walk_through()
    factory.all = [one for one in factory.all if one.name != "trainedModelBlob"]
    factory.only()
    found = factory.line("pipeline/walk", "activities[0]")
    assert "update `update`, which waits for its model" in found.text
    assert "as a scoring does" not in found.text


def test_paths_with_times_need_a_schedule() -> None:
    factory = with_availability(frequency="<frequency>", interval=1)
    factory.all = [one for one in factory.all if one.name != "trainingData"]
    day = {"type": "DateTime", "date": "SliceStart", "format": "yyyyMMdd"}
    typed = {"partitionedBy": [{"name": "Day", "value": day}]}
    factory.blob("trainingData", "in/{Day}", "a.csv", typed=typed)
    assert factory.drafts() == []
    found = factory.line("pipeline/walk", "activities[0]")
    assert (found.outcome, "its paths or parameters hold times" in found.text) == (LEFT, True)


PERIODS: dict[str, tuple[dict[str, Any], dict[str, Any], str, ImportOutcome]] = {
    "no end": (
        {"end": None},
        {"start": "2016-02-13T00:00:00Z", "end": "2016-02-15T00:00:00Z"},
        "start",
        ABOUT,
    ),
    "for ever": ({"end": "9999-09-09"}, {"start": "2016-02-13T00:00:00Z"}, "end", MAPPED),
    "an offset": (
        {"start": "2016-02-12T19:00:00-05:00"},
        {"start": "2016-02-13T00:00:00Z", "end": "2016-02-14T00:00:00Z"},
        "start",
        ABOUT,
    ),
    "a placeholder as start": (
        {"start": "<start>"},
        {"end": "2016-02-14T00:00:00Z", "paused": True},
        "start",
        LEFT,
    ),
    "a placeholder as end": (
        {"end": "<end>"},
        {"start": "2016-02-13T00:00:00Z", "paused": True},
        "end",
        LEFT,
    ),
    "an end before the start": (
        {"end": "2016-02-13T00:00:00Z"},
        {"start": "2016-02-13T00:00:00Z", "paused": True},
        "end",
        LEFT,
    ),
    "neither": ({"start": None, "end": None}, {"paused": True}, "", ABOUT),
    "paused": (
        {"isPaused": True},
        {"start": "2016-02-13T00:00:00Z", "end": "2016-02-14T00:00:00Z", "paused": True},
        "isPaused",
        MAPPED,
    ),
    "once": (
        {"start": None, "end": None, "pipelineMode": "OneTime"},
        {"paused": True},
        "pipelineMode",
        ABOUT,
    ),
    "an expiration": (
        {"expirationTime": "3.00:00:00"},
        {"start": "2016-02-13T00:00:00Z", "end": "2016-02-14T00:00:00Z"},
        "expirationTime",
        ABOUT,
    ),
}


@pytest.mark.parametrize("named", PERIODS)
def test_the_active_period(named: str) -> None:
    keys, expected, key, outcome = PERIODS[named]
    period = {"start": "2016-02-13T00:00:00Z", "end": "2016-02-14T00:00:00Z", **keys}
    factory = walk_through()
    pipeline = next(one for one in factory.all if one.kind == "pipeline").properties.value
    for name, value in period.items():
        pipeline[name] = value
        if value is None:
            del pipeline[name]
    found = schedule(factory)
    assert found == {"frequency": "Week", "interval": 1, **expected}
    there = f"properties.{key}" if key else ""
    assert factory.line("pipeline/walk", there).outcome is outcome


def test_windows_of_the_past_are_said_unless_they_are_asked_for() -> None:
    plain, asked = walk_through(), walk_through(backfill=True)
    for factory in (plain, asked):
        factory.only()
    assert "--backfill" in plain.line("pipeline/walk", "start").to_do
    assert asked.line("pipeline/walk", "start").outcome is MAPPED


@pytest.mark.parametrize(
    ("frequency", "interval", "text"),
    [("Hour", 1, "one of these blobs"), ("Month", 1, "the same blob"), ("Day", 7, "")],
)
def test_an_input_with_other_slices_than_the_runs_is_said(
    frequency: str, interval: int, text: str
) -> None:
    factory = walk_through()
    factory.all = [one for one in factory.all if one.name != "trainingData"]
    when = {"type": "DateTime", "date": "SliceStart", "format": "yyyyMMddHH"}
    typed = {"partitionedBy": [{"name": "At", "value": when}]}
    slices = {"frequency": frequency, "interval": interval}
    more = {"availability": slices, "policy": {"externalData": {"maximumRetry": 1}}}
    factory.blob("trainingData", "in/{At}", "a.csv", typed=typed, **more)
    factory.only()
    found = factory.line("dataset/trainingData", "")
    assert (found.outcome, bool(found.to_do)) == ((ABOUT, True) if text else (MAPPED, False))
    assert text in found.text


def test_an_update_that_is_not_as_often_as_its_training_is_said() -> None:
    factory = walk_through()
    factory.all = [one for one in factory.all if one.name != "placeholderBlob"]
    factory.blob("placeholderBlob", "any", availability={"frequency": "Month", "interval": 1})
    factory.only()
    found = factory.line("pipeline/walk", "activities[1]")
    assert (found.outcome, bool(found.to_do)) == (ABOUT, True)
    assert "for each Month in the factory" in found.text
