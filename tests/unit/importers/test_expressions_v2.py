"""Expressions of version 2 become window times and constants; the rest is left verbatim."""

from typing import Any

import pytest

from shared.importers.data_factory.expressions.resolved import event_filled
from shared.importers.data_factory.expressions.version_2 import Resolved, Scope, resolved

WINDOW = Scope(trigger="window", factory_parameters={"GP-Int": 3})
SCHEDULE = Scope(trigger="schedule")
BLOB = Scope(trigger="blob")
PARAMETERS = {
    "n": 5,
    "yes": True,
    "none": None,
    "text": "it's",
    "date": "2018-01-05T10:00:00Z",
    "list": [1, {"a": "z"}],
    "from": resolved("@trigger().outputs.windowStartTime", {}, WINDOW),
    "to": resolved("@trigger().outputs.windowEndTime", {}, WINDOW),
    "folder": resolved("@triggerBody().folderPath", {}, BLOB),
    "file": resolved("@trigger().outputs.body.fileName", {}, BLOB),
    "bad": resolved("@activity('Look up').output.firstRow.day", {}),
    "again": "@pipeline().parameters.again",
    "double": "@concat(pipeline().parameters.double, pipeline().parameters.double)",
    "key": {"type": "SecureString", "value": "hunter2"},
}


def given(value: Any, scope: Scope = WINDOW) -> Resolved:
    return resolved(value, PARAMETERS, scope)


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ("plain text", "plain text"),
        (" @n", " @n"),
        ("@@", "@"),
        ("@@n @{pipeline().parameters.n}", "@n 5"),
        ("Answer: @{pipeline().parameters.n}", "Answer: 5"),
        ("@{pipeline().parameters.n}", "5"),
        ("@pipeline().parameters.n", 5),
        ("@pipeline().PARAMETERS.N", 5),
        ("@pipeline().parameters['yes']", True),
        ("@pipeline()?.parameters?.none", None),
        ("@pipeline().parameters.list[1].a", "z"),
        ("@pipeline().parameters.list", [1, {"a": "z"}]),
        ({"type": "Expression", "value": "@pipeline().parameters.n"}, 5),
        ({"Value": "a", "Type": "expression"}, "a"),
        ('{"a": @{pipeline().parameters.n}}', '{"a": 5}'),
        (7, 7),
        (1.5, 1.5),
        (None, None),
        ({"a": [1]}, {"a": [1]}),
        ("@concat('a',\r\n  'b''c', string(1), true)", "ab'c1True"),
        ("@toUpper(replace(trim(' a-b '), '-', '_'))", "A_B"),
        ("@substring('abcdef', 1, 3)", "bcd"),
        ("@split('a,b', ',')[1]", "b"),
        ("@last(split('a/b', '/'))", "b"),
        ("@coalesce(null, pipeline().parameters.none, 'x')", "x"),
        ("@if(equals(pipeline().parameters.n, 5), 'a', activity('x').output)", "a"),
        ("@if(and(greater(2, 1), not(empty('x'))), 1, 2)", 1),
        ("@add(mul(2, 3), sub(div(7, 2), mod(-7, 2)))", 10),
        ("@int('12')", 12),
        ("@equals(true, 1)", False),
        ("@{mul(1.5, 2)}", "3"),
        ("@formatDateTime('2018-01-05', 'MMM', 'en-us')", "Jan"),
        ("@createArray('a', 1)", ["a", 1]),
        ("@join(skip(split('a/b/c', '/'), 1), '-')", "b-c"),
        ("@json('{\"a\": [1]}').a[0]", 1),
        ("@pipeline().globalParameters.GP-Int", 3),
        ("@formatDateTime(pipeline().parameters.date, 'yyyy/MM')", "2018/01"),
        ("@formatDateTime(addToTime('2018-01-31', 1, 'Month'), 'yyyy-MM-dd')", "2018-02-28"),
        ("@startOfDay('2018-03-15T13:30:30Z')", "2018-03-15T00:00:00.0000000Z"),
        ("@addDays('2018-03-15T00:00:00Z', -5)", "2018-03-10T00:00:00.0000000Z"),
        ("@dayOfWeek('2018-03-15T13:27:36Z')", 4),
        ("@dayOfYear('2018-03-15T13:27:36Z')", 74),
        ("@ticks('0001-01-01T00:00:01Z')", 10_000_000),
    ],
)
def test_a_constant_keeps_its_type(value: Any, result: Any) -> None:
    found = given(value)

    assert (found.value, type(found.value)) == (result, type(result)), found.why
    assert (found.exact, found.why) == (True, "")
    assert not found.uses_window


@pytest.mark.parametrize(
    ("value", "made"),
    [
        (
            "@concat('in/', formatDateTime(pipeline().parameters.from, 'yyyy/MM/dd'), '/x.csv')",
            "in/{start:yyyy/MM/dd}/x.csv",
        ),
        ("@{formatDateTime(pipeline().parameters.to,'HH')}.csv", "{end:HH}.csv"),
        (
            "@formatDateTime(addHours(trigger().outputs.windowEndTime, -24), 'yyyyMMdd')",
            "{end-1d:yyyyMMdd}",
        ),
        ("@addDays(pipeline().parameters.to, -7, 'yyMMdd')", "{end-7d:yyMMdd}"),
        (
            "@formatDateTime(subtractFromTime(pipeline().parameters.to, 1, 'Month'), 'yyyyMM')",
            "{end-1mo:yyyyMM}",
        ),
        (
            "@formatDateTime(addDays(startOfMonth(pipeline().parameters.to), -1), 'yyyyMM')",
            "{end-1mo:yyyyMM}",
        ),
        ("@startOfMonth(pipeline().parameters.to, 'yyyy-MM-dd')", "{end:yyyy-MM-01}"),
        (
            "@startOfDay(pipeline().parameters.to)",
            "{end:yyyy-MM-dd'T'00:00:00.0000000K}",
        ),
        ("@substring(pipeline().parameters.to, 0, 10)", "{end:yyyy-MM-dd}"),
        ("@replace(substring(pipeline().parameters.to, 0, 10), '-', '')", "{end:yyyyMMdd}"),
        ("@replace(substring(pipeline().parameters.to, 0, 7), '-', '/')", "{end:yyyy/MM}"),
        (
            "@join(split(substring(pipeline().parameters.to, 0, 10), '-'), '/')",
            "{end:yyyy}/{end:MM}/{end:dd}",
        ),
        ("@split(pipeline().parameters.to, 'T')[0]", "{end:yyyy-MM-dd}"),
        ("@convertFromUtc(pipeline().parameters.to, 'UTC', 'HH')", "{end:HH}"),
        (
            "@formatDateTime(formatDateTime(pipeline().parameters.to,'yyyy-MM-dd'),'ddHH')",
            "{end:dd00}",
        ),
        ("@string(dayOfMonth(pipeline().parameters.to))", "{end:%d}"),
        ("@formatDateTime(pipeline().parameters.to, 'R')", "{end:ddd, dd MMM yyyy HH:mm:ss 'GMT'}"),
    ],
)
def test_a_time_of_the_window_becomes_a_window_time(value: str, made: str) -> None:
    found = given(value)

    assert (found.text, found.exact) == (made, True), found.why
    assert found.value == made
    assert found.uses_window


@pytest.mark.parametrize(
    ("value", "made", "why"),
    [
        ("@utcNow('yyyy')", "{end:yyyy}", "due"),
        ("@formatDateTime(pipeline().TriggerTime, 'yyyy')", "{end:yyyy}", "due"),
        ("@formatDateTime(trigger().startTime, 'yyyy')", "{end:yyyy}", "due"),
        ("@getPastTime(1, 'Day', 'dd')", "{end-1d:dd}", "due"),
        ("@getFutureTime(1, 'Year', 'yyyy')", "{end+1y:yyyy}", "due"),
        ("@pipeline().parameters.to", "{end:yyyy-MM-dd'T'HH:mm:ss'Z'}", "without a format"),
        ("@formatDateTime(pipeline().parameters.to, 'd')", "{end:MM/dd/yyyy}", "culture"),
        ("@variables('v')", "1", "default value"),
    ],
)
def test_a_guess_is_said(value: str, made: str, why: str) -> None:
    found = given(value, Scope(trigger="window", variables={"V": "1"}))

    assert (found.text, found.exact) == (made, False)
    assert why in found.why


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("@activity('x').output.firstRow.a", "another activity"),
        ("@concat('a', pipeline().parameters.bad)", "another activity"),
        ("@item().name", "ForEach"),
        ("@guid()", "new value for each run"),
        ("@pipeline().RunId", "nothing for this property of pipeline()"),
        ("@trigger().outputs.other", "nothing for this property of trigger()"),
        ("@pipeline().parameters.missing", "has no value"),
        ("@variables('missing')", "has no value"),
        ("@pipeline().parameters.key", "secret"),
        ("@pipeline().parameters.again", "refer to each other"),
        ("@pipeline().parameters.double", "refer to each other"),
        ("@convertFromUtc(utcnow(), 'Pacific Standard Time')", "time zone"),
        ("@convertTimeZone(utcnow(), 'Romance Standard Time', 'UTC')", "time zone"),
        ("@dayOfWeek(utcnow())", "computes with a time"),
        ("@addDays(startOfMonth(utcnow()), -1)", "depends on the month"),
        ("@addSeconds(utcnow(), 5)", "less than a minute"),
        ("@addToTime(utcnow(), 1, 'Fortnight')", "unit"),
        ("@formatDateTime(utcnow(), 'MMM', 'de-de')", "another language"),
        ("@formatDateTime(utcnow('HH:mm'), 'yyyy')", "not read as a time"),
        ("@formatDateTime(concat(utcnow(), 'x'), 'yyyy')", "used as a time"),
        ("@formatDateTime('hello', 'yyyy')", "used as a time"),
        ("@substring(utcnow(), 0, 3)", "in the middle of a part"),
        ("@replace(utcnow(), '1', '2')", "replaces more"),
        ("@if(equals(utcnow('dd'), '01'), 1, 2)", "computes with a time"),
        ("@split(utcnow(), 'T')", "list of parts"),
        ("@createArray(split(utcnow(), 'T')[0])", "computes with a time"),
        ("@split(utcnow('HH tt'), 'P')[0]", "splits a time"),
        ("@join('a', ',')", "no list"),
        ("@substring('abc', 2, 5)", "more than the text has"),
        ("@div(1, 0)", "does not take"),
        ("@toUpper(1)", "given something else"),
        ("@toUpper()", "does not take"),
        ("@nothing('x')", "unknown here"),
        ("@nothing", "neither a function nor a constant"),
        ("@concat('a'", "not closed"),
        ("@concat('a')b", "follows its end"),
        ("a @{concat('a')", "not closed with }"),
        ("@pipeline().parameters.list[0", "not closed"),
        ("@pipeline().parameters.n.more", "a part that it does not have"),
        ("@triggerBody().folderPath", "does not start the pipeline"),
        ({"a": ["@utcnow()"]}, "within an object or a list"),
        ("@concat('{a', utcnow('yyyy'), '}')", "braces"),
        ("{data}", "braces"),
        ("@" + "concat(" * 300, "nested too deeply"),
    ],
)
def test_what_cannot_be_said_stays_verbatim_with_the_reason(value: Any, why: str) -> None:
    found = given(value)

    assert (found.text, found.value, found.exact) == (None, None, False)
    assert why in found.why
    assert "hunter2" not in found.why + repr(found)
    assert found.verbatim


def test_a_blob_event_gives_the_path_of_the_data() -> None:
    both = given("@concat(pipeline().parameters.folder, '/', pipeline().parameters.file)", BLOB)
    one = given("in/@{pipeline().parameters.file}", BLOB)

    assert (both.text, both.exact) == ("{event.path}", True)
    assert (one.text, one.uses_window) == ("in/{event.file}", False)
    assert "no window" in given("@utcnow('yyyy')", BLOB).why


@pytest.mark.parametrize(
    ("value", "text", "filled"),
    [
        ("@split(triggerBody().folderPath, '/')[0]", "{event.folder.0}", "data"),
        ("@last(split(triggerBody().folderPath, '/'))", "{event.folder.-1}", "{day}"),
        (
            "@join(skip(split(pipeline()?.TriggerEvent?.FolderPath, '/'), 1), '/')",
            "{event.folder.1:}",
            "in/{day}",
        ),
        ("@join(split(triggerBody().folderPath, '/'), '/')", "{event.folder}", "data/in/{day}"),
        (
            "@{triggerBody().folderPath}/@{triggerBody().fileName}",
            "{event.path}",
            "data/in/{day}/f",
        ),
        ("@split(triggerBody().folderPath, '/')[7]", "{event.folder.7}", "{event.folder.7}"),
    ],
)
def test_the_folders_of_a_blob_event_are_taken_apart(value: str, text: str, filled: str) -> None:
    found = given(value, BLOB)

    assert found.text == text, found.why
    assert event_filled(text, "data/in/{day}", "f") == filled
    assert "list of parts" in given("@split(triggerBody().folderPath, '/')", BLOB).why


def test_a_schedule_has_due_times_and_no_windows() -> None:
    due = given("@formatDateTime(trigger().scheduledTime, 'yyyy')", SCHEDULE)

    assert (due.text, due.exact) == ("{end:yyyy}", True)
    assert "has none" in given("@trigger().outputs.windowStartTime", SCHEDULE).why


def test_a_value_is_passed_through_a_trigger_a_pipeline_and_a_dataset() -> None:
    trigger = resolved("@trigger().outputs.windowStartTime", {}, WINDOW)
    caller = resolved("@addDays(pipeline().parameters.day, -1)", {"day": trigger}, WINDOW)
    activity = resolved("@{formatDateTime(pipeline().parameters.d, 'yyyy')}", {"d": caller})
    dataset = resolved(
        "@concat(dataset().folder, '/', linkedService().name, pipeline().globalParameters.g)",
        {},
        Scope(dataset={"folder": activity}, service={"name": "s"}, factory_parameters={"g": 1}),
    )

    assert (dataset.text, dataset.exact) == ("{start-1d:yyyy}/s1", True)
    assert resolved("@{pipeline().Pipeline}", {}, Scope(pipeline="churn")).text == "churn"
    assert resolved("@pipeline().DataFactory", {}, Scope(factory="f")).text == "f"


def test_values_that_grow_are_refused() -> None:
    grown = resolved("x" * 9_000, {})
    found = resolved("@concat(pipeline().parameters.a, pipeline().parameters.a)", {"a": grown})

    assert "longer than" in found.why
