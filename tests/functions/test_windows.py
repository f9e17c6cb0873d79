"""Windows in the API: of a pipeline, in its preview, of a run, and in problems."""

import json
from datetime import timedelta
from typing import Any, Final

import pytest

from functions import pipelines
from tests.fakes.world import World
from tests.functions.calls import Api, OneLineText
from tests.functions.conftest import Serve, app_over
from tests.functions.operators import call, listed

#: The time of a world is 2026-03-01 12:00 UTC, a Sunday.
LAST: Final = {
    "start": "2026-02-22T00:00:00Z",
    "end": "2026-03-01T00:00:00Z",
    "due": "2026-03-01T00:00:00Z",
}
SUNDAYS: Final = {"frequency": "Week", "anchor": "2026-02-01T00:00:00Z", "delay": "1h"}


def windowed(serve: Serve, schedule: dict[str, Any] | None = None, **more: Any) -> World:
    """Return a world with a pipeline whose runs are of windows, which the app serves."""
    world = World(
        config={
            "pipeline": {
                "data": {"blob": "{start:yyyy/MM/dd}/{name}.csv", "opens_runs": False},
                "schedule": SUNDAYS | (schedule or {}),
                "when_busy": "queue",
                **more,
            },
            "training": {"parameters": {"From": "{start:yyyy-MM-dd}", "To": "{end:yyyy-MM-dd}"}},
        }
    )
    serve(app_over(world))
    return world


def preview(**query: str) -> OneLineText:
    return call(pipelines.preview_pipeline, query=query, pipeline="sample")


def shown() -> dict[str, Any]:
    body: dict[str, Any] = call(pipelines.get_pipeline, pipeline="sample").body
    return body


def refusal(answer: OneLineText) -> str:
    assert (answer.status, answer.body["kind"]) == (400, "invalid_request"), answer.text
    return str(answer.body["detail"])


def test_a_pipeline_says_what_its_schedule_does_and_which_windows_come_next(serve: Serve) -> None:
    windowed(serve)
    body = shown()
    assert body["schedule_in_words"] == (
        "every week, from Sunday 00:00 UTC; a run begins 1h after the end of its window"
    )
    assert body["schedule_waits_for"] == (
        "its due time 2026-03-08 00:00 UTC, a run begins 1h later, "
        "for the window 2026-03-01 00:00 to 2026-03-08 00:00 UTC"
    )
    following = body["windows"]["next"]
    assert len(following) == 10
    assert following[0] == {
        "start": "2026-03-01T00:00:00Z",
        "end": "2026-03-08T00:00:00Z",
        "due": "2026-03-08T00:00:00Z",
        "begins": "2026-03-08T01:00:00Z",
    }
    (line,) = call(pipelines.list_pipelines).body["pipelines"]
    assert line["schedule_in_words"] == body["schedule_in_words"]
    assert "windows" not in line


def test_a_pipeline_without_a_schedule_has_no_windows(api: Api) -> None:
    assert not {"schedule_in_words", "schedule_waits_for", "windows"} & set(shown())


def test_a_window_that_waits_for_its_data_says_so(serve: Serve) -> None:
    waits = {"every": "10m", "at_most": "6h"}
    world = windowed(serve, wait_for_data=waits)
    world.poll.start_scheduled()
    world.clock.move(timedelta(days=6, hours=13, minutes=30))
    assert shown()["schedule_waits_for"].startswith("its due time 2026-03-15 00:00 UTC")
    world.poll.start_scheduled()
    (pending,) = shown()["windows"]["pending"]
    assert shown()["windows"]["waiting"] == 1
    assert pending["end"] == pending["due"] == "2026-03-08T00:00:00Z"
    assert "data" in pending["waits_for"]
    assert "the next check is 2026-03-08 01:40 UTC" in pending["waits_for"]
    assert shown()["schedule_waits_for"].startswith(
        "the window 2026-03-01 00:00 to 2026-03-08 00:00 UTC waits for data that has no run yet; "
        "the next check is 2026-03-08 01:40 UTC, and the last one 2026-03-08 07:00 UTC; "
        "then its due time 2026-03-15 00:00 UTC"
    )


def test_a_paused_schedule_says_so_and_counts_what_passed(serve: Serve) -> None:
    world = windowed(serve)
    world.poll.start_scheduled()
    windowed_again = windowed(serve, {"paused": True})
    windowed_again.documents.rows = world.documents.rows
    windowed_again.clock.move(timedelta(days=15))
    windowed_again.poll.start_scheduled()
    body = shown()
    assert body["schedule_in_words"].endswith("; paused")
    assert "an operator: the schedule is paused" in body["schedule_waits_for"]
    assert body["windows"]["passed"] == 2
    assert "begins" not in body["windows"]["next"][0]
    (hint,) = Api().health_details().body["hints"]
    assert "it is paused, so that no due time opens a run" in hint


def test_a_period_that_is_over_says_so(serve: Serve) -> None:
    world = windowed(serve, {"start": "2016-02-13T00:00:00Z", "end": "2016-02-14T00:00:00Z"})
    body = shown()
    assert body["schedule_waits_for"] == (
        "nothing: its active period was over at 2016-02-14 00:00 UTC, no window follows"
    )
    assert body["windows"]["next"] == []
    (hint,) = world.app.hints
    assert "write a later `end`, or remove the schedule" in str(hint)
    assert preview().body["window"]["end"] == "2016-02-14T00:00:00Z"


def test_a_preview_shows_the_last_window_and_the_request_with_its_times(serve: Serve) -> None:
    world = windowed(serve)
    world.upload("2026/02/22/new.csv")
    world.upload("2026/02/15/old.csv")
    body = preview().body
    assert body["window"] == LAST
    assert [one["blob"] for one in body["matches"]] == ["training-data/2026/02/22/new.csv"]
    asked = json.dumps(body["request"])
    assert "2026/02/22/new.csv" in asked
    assert body["request"]["body"]["GlobalParameters"] == {"From": "2026-02-22", "To": "2026-03-01"}
    which, filled, _, each = body["notes"]
    assert each.startswith("each window has a run of its own")
    assert which == "the window 2026-02-22 00:00 to 2026-03-01 00:00 UTC, due 2026-03-01 00:00 UTC"
    assert filled == (
        "the times of the window give data.blob: 2026/02/22/{name}.csv; "
        "parameter From: 2026-02-22; parameter To: 2026-03-01"
    )


@pytest.mark.parametrize(
    "due", ["2026-02-22", "2026-02-25T13:00:00+02:00", "2026-02-25T13:00:00 02:00"]
)
def test_a_preview_of_another_window_is_of_the_one_that_was_due_last(
    serve: Serve, due: str
) -> None:
    world = windowed(serve)
    world.upload("2026/02/15/old.csv")
    body = preview(due=due).body
    assert body["window"]["due"] == "2026-02-22T00:00:00Z"
    assert "2026/02/15/old.csv" in json.dumps(body["request"])


def test_a_preview_shows_windows_that_are_still_to_come(serve: Serve) -> None:
    windowed(serve)
    body = preview(due="2030-01-10").body
    assert body["window"]["due"] == "2030-01-06T00:00:00Z"
    assert "which has not come yet" in body["notes"][0]
    assert "parameter To: 2030-01-06" in body["notes"][1]
    assert "request" not in body  # there is no blob yet that it could name


def test_a_manual_run_is_of_the_last_window_or_of_the_one_that_is_asked_for(serve: Serve) -> None:
    world = windowed(serve)
    world.upload("2026/02/22/new.csv")
    world.upload("2026/02/15/old.csv")
    run = Api().start().body
    assert run["window"] == LAST
    assert run["manifest"][0]["name"] == "2026/02/22/new.csv"
    assert run["tokens"] == {"name": "new"}
    assert run["parameters"] == {"From": "2026-02-22", "To": "2026-03-01"}
    earlier = Api().start({"due": "2026-02-22T00:00:00Z"}).body
    assert earlier["window"]["end"] == "2026-02-22T00:00:00Z"
    assert earlier["parameters"]["From"] == "2026-02-15"
    lines = [one["line"] for one in listed().body["runs"]]
    assert any("window 2026-02-15 00:00 to 2026-02-22 00:00 UTC" in line for line in lines)
    assert all("window" in one for one in listed().body["runs"])


def test_a_run_of_a_schedule_shows_its_window(serve: Serve) -> None:
    world = windowed(serve)
    world.poll.start_scheduled()
    world.upload("2026/03/01/new.csv")
    world.clock.move(timedelta(days=7))
    world.poll.start_scheduled()
    (line,) = listed().body["runs"]
    assert line["window"]["start"] == "2026-03-01T00:00:00Z"
    assert Api().get(line["run_id"]).body["window"] == line["window"]


def test_the_same_request_returns_the_same_run_and_another_window_is_another_request(
    serve: Serve,
) -> None:
    world = windowed(serve)
    world.upload("2026/02/22/new.csv")
    first = Api().start({"due": "2026-03-01T00:00:00Z"}, key="k")
    again = Api().start({"due": "2026-03-01T00:00:00+00:00"}, key="k")
    assert first.body["run_id"] == again.body["run_id"]
    assert Api().start({"due": "2026-02-22T00:00:00Z"}, key="k").status == 422
    assert Api().start(key="k").status == 422


def test_a_due_time_that_cannot_be_meant_is_refused_with_what_to_write(serve: Serve) -> None:
    windowed(serve, {"start": "2026-01-01T00:00:00Z"})
    none = "due: not a time: write it like 2026-01-05T03:00:00Z"
    assert refusal(preview(due="monday")) == none
    assert refusal(Api().start({"due": "monday"})) == none
    assert "due: must be" in refusal(Api().start({"due": 5}))
    early = "due: no due time is at or before 2020-01-05 00:00 UTC: the first one is 2026-01-04"
    assert refusal(preview(due="2020-01-05")).startswith(early)
    assert refusal(Api().start({"due": "2020-01-05"})).startswith(early)
    assert refusal(Api().start({"due": "2026-03-08"})) == (
        "due: 2026-03-08 00:00 UTC has not come yet, and the newest that has come is 2026-03-01 "
        "00:00 UTC: the preview of the pipeline shows later ones too"
    )
    both = {"due": "2026-03-01", "model": "azureml:churn:1"}
    assert "model: leave data, parameters and due out" in refusal(Api().start(both))


def test_data_of_another_window_is_refused(serve: Serve) -> None:
    world = windowed(serve)
    world.upload("2026/02/15/old.csv")
    answer = Api().start({"data": "2026/02/15/old.csv", "due": "2026-03-01"})
    assert (answer.status, answer.body["kind"]) == (400, "no_such_data")
    assert answer.body["detail"] == (
        "'2026/02/15/old.csv' does not match 2026/02/22/{name}.csv: the run would be of the "
        "window 2026-02-22 00:00 to 2026-03-01 00:00 UTC; `due` names another one"
    )
    assert Api().start({"data": "2026/02/15/old.csv", "due": "2026-02-22"}).status == 202


def test_a_pipeline_without_windows_takes_no_due_time(serve: Serve, api: Api) -> None:
    assert refusal(api.start({"due": "2026-03-01"})) == (
        "due: pipeline sample has no schedule, and so no due times: leave it out"
    )
    world = World(config={"pipeline": {"schedule": "0 0 3 * * *"}})
    serve(app_over(world))
    unused = "due: pipeline sample holds no time of a window, as {start:yyyy/MM/dd}"
    assert refusal(api.start({"due": "2026-03-01"})).startswith(unused)
    assert refusal(preview(due="2026-03-01")).startswith(unused)
    world.upload("new.csv")
    assert "window" not in api.start().body
