"""The list of pipelines and the view of one, with its keys."""

from dataclasses import replace
from datetime import datetime, timedelta

from functions import pipelines
from shared.core.names import run_queue_id
from shared.core.run.concurrency import RunQueue
from shared.operations.commands import OperatorCommand
from tests.fakes.world import World
from tests.functions.conftest import Serve, app_over, present_world
from tests.functions.operators import (
    call,
    fails,
    pause,
    rows,
)
from tests.unit.worlds import CountingDocuments


def with_customers(count: int) -> tuple[World, CountingDocuments]:
    """A world whose pipeline has had runs for a number of customers."""
    changes = {"key": "{customer}", "data": {"blob": "{customer}/{name}.csv"}}
    world = World(config={"pipeline": changes})
    documents = CountingDocuments(world.clock, world.faults)
    world.documents = documents
    world.restart()
    for number in range(count):
        key, at = (f"customer{number}",), world.clock.now()
        run_queue = RunQueue(pipeline="sample", key=key).begin(f"sample-{number}", at, keep=1)
        world.context.ledger.run_queues.put(run_queue_id("sample", key), run_queue, None)
    return world, documents


def test_the_list_of_pipelines_costs_no_more_where_there_are_many_customers(serve: Serve) -> None:
    world, documents = with_customers(300)
    serve(app_over(world))
    documents.calls.clear()
    (line,) = call(pipelines.list_pipelines).body["pipelines"]
    assert len(documents.calls) <= 5
    shown = call(pipelines.get_pipeline, pipeline="sample").body
    assert (len(shown.pop("keys")), shown["unreadable"]) == (50, [])
    assert shown.pop("next")
    assert shown.pop("open_runs") == []
    assert line == shown


def test_the_customers_of_a_pipeline_are_shown_page_by_page_each_at_one_read(serve: Serve) -> None:
    world, documents = with_customers(95)
    serve(app_over(world))
    (drift_kind, *_) = [name for name in documents.rows if name.startswith("run_queues/")]
    documents.rows[drift_kind] = replace(documents.rows[drift_kind], body=b"{")
    documents.calls.clear()
    seen, unreadable, asked = [], [], {"limit": "40"}
    for _ in range(3):
        page = call(pipelines.get_pipeline, pipeline="sample", query=asked).body
        seen += [one["key"] for one in page["keys"]]
        unreadable += page["unreadable"]
        asked = {"limit": "40", **({"cursor": page["next"]} if "next" in page else {})}
    assert len({*map(tuple, seen)}) == len(seen) == 94
    assert unreadable == [drift_kind]
    assert "cursor" not in asked
    assert documents.calls.count("read run_queues") == 95
    answer = call(pipelines.get_pipeline, pipeline="sample", query={"cursor": "nonsense"})
    assert (answer.status, answer.title) == (400, "Invalid cursor")


def test_a_resume_is_one_write_however_many_customers_there_are(serve: Serve) -> None:
    world, documents = with_customers(400)
    built = app_over(world)
    documents.calls.clear()
    built.pipelines.resume("sample")
    assert documents.calls == ["read pauses", "create pauses"]
    documents.calls.clear()
    built.pipelines.pause("sample", OperatorCommand("ada"))
    built.pipelines.resume("sample")
    # The second read is for the form: a record that a later release wrote is not replaced.
    assert documents.calls == ["read pauses", "read pauses", "replace pauses"] * 2


def test_the_list_reports_a_pause_by_an_operator_and_by_failures(serve: Serve) -> None:
    world = present_world(pipeline={"when_busy": "queue", "pause_after": 1})
    serve(app_over(world))
    fails(world, 1)
    world.upload("2.csv", rows(2))
    world.deliver("2.csv")
    for _ in range(5):
        world.tick()
    (line,) = call(pipelines.list_pipelines).body["pipelines"]
    assert line["paused"]["by"] == "relearn"
    pause()
    (line,) = call(pipelines.list_pipelines).body["pipelines"]
    assert line["paused"]["by"] == "ada (unverified)"


def test_a_schedule_shows_which_due_times_came_and_which_comes_next(serve: Serve) -> None:
    world = present_world(pipeline={"schedule": "0 0 3 * * *"})
    serve(app_over(world))
    world.poll.start_scheduled()
    shown = call(pipelines.get_pipeline, pipeline="sample").body
    due, now = datetime.fromisoformat(shown["next_due"]), world.clock.now()
    assert (due.hour, due.minute) == (3, 0)
    assert "last_due" not in shown  # the one before was not ours
    assert timedelta() < due - now <= timedelta(days=1)
    world.upload()
    world.clock.move(due - now)
    world.poll.start_scheduled()
    after = call(pipelines.get_pipeline, pipeline="sample").body
    assert datetime.fromisoformat(after["last_due"]) == due
    assert datetime.fromisoformat(after["next_due"]) == due + timedelta(days=1)
