"""A person's hand over HTTP: approve, reject, pause, preview, and the history that answers."""

import base64
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import azure.functions as func
import pytest

from functions import endpoints, pipelines, runs
from shared.core.names import run_queue_id
from shared.core.run.concurrency import RunQueue
from shared.core.run.gate_events import Approved
from shared.core.run.machine import apply
from shared.core.run.record import Phase
from tests.fakes.faults import Kind
from tests.fakes.world import World
from tests.functions.calls import Api, OneLineText
from tests.functions.conftest import NO_RUN, Serve, app_over, park, present_world, secrets_of
from tests.unit.samples import run as sample_run
from tests.unit.worlds import CountingDocuments

ASK = {"pipeline": {"gate": {"approval": "required", "expires": "2d"}}}
BOSS = {"x-ms-client-principal-name": "boss@example.com"}


def tell(
    handler: Callable[[func.HttpRequest], func.HttpResponse],
    method: str = "GET",
    body: Any = None,
    *,
    query: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    **places: str,
) -> OneLineText:
    """Call a function as the host does."""
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    asked = func.HttpRequest(
        method,
        "http://localhost/api",
        headers=headers or {},
        params=query or {},
        route_params=places,
        body=raw,
    )
    answer = handler(asked)
    text = answer.get_body().decode()
    return OneLineText(answer.status_code, answer.headers, json.loads(text), text)


def approve(run_id: str, body: Any = None, **headers: str) -> OneLineText:
    return tell(runs.approve_run, "POST", body, headers=named(headers), run_id=run_id)


def reject(run_id: str, body: Any = None, **headers: str) -> OneLineText:
    return tell(runs.reject_run, "POST", body, headers=named(headers), run_id=run_id)


def cancel(run_id: str, **headers: str) -> OneLineText:
    return tell(runs.cancel_run, "POST", headers=named(headers), run_id=run_id)


def listed(**query: str) -> OneLineText:
    return tell(runs.list_runs, query=query)


def named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.fixture
def asking(serve: Serve) -> World:
    """A world whose models wait for a person."""
    world = present_world(**ASK)
    serve(app_over(world))
    return world


def until(world: World, run_id: str, phase: str, ticks: int = 40) -> dict[str, Any]:
    for _ in range(ticks):
        shown: dict[str, Any] = Api().get(run_id).body
        if shown["phase"] == phase:
            return shown
        world.tick()
    raise AssertionError(Api().get(run_id).text)


def awaiting(world: World, name: str = "new.csv", content: bytes | None = None) -> str:
    """Return a run that waits for approval."""
    world.clock.move(timedelta(minutes=1))
    if content is None:
        world.upload(name)
    else:
        world.upload(name, content)
    run_id = str(Api().start({"data": name}).body["run_id"])
    until(world, run_id, "awaiting_approval")
    return run_id


def rows(number: int) -> bytes:
    """Return data that no other number gives."""
    return f"a,b,label\n{number},2,0\n3,{number + 1},1\n".encode()


# Approve and reject


def test_nothing_is_promoted_until_a_person_says_yes(asking: World) -> None:
    before = asking.serving()
    run_id = awaiting(asking)
    for _ in range(20):
        asking.tick(300)
    assert asking.serving() == before
    said = approve(run_id, {"reason": "looks good"}, **BOSS)
    assert said.status == 202
    assert said.headers["Location"] == f"/api/runs/{run_id}"
    shown = until(asking, run_id, "promoted")
    assert asking.serving() != before
    told = shown["approval"]
    assert (told["answer"], told["by"], told["why"]) == (
        "approved",
        "boss@example.com",
        "looks good",
    )


def test_who_is_verified_by_the_platform_alone(asking: World) -> None:
    run_id = awaiting(asking)
    assert approve(run_id, {"by": "boss@example.com"}).status == 202
    assert Api().get(run_id).body["approval"]["by"] == "boss@example.com (unverified)"


def test_what_the_platform_says_goes_over_what_the_body_says(asking: World) -> None:
    run_id = awaiting(asking)
    reject(run_id, {"by": "somebody else"}, **BOSS)
    assert Api().get(run_id).body["approval"]["by"] == "boss@example.com"


def test_a_rejected_model_is_never_promoted_and_the_run_says_who_and_why(asking: World) -> None:
    before, run_id = asking.serving(), awaiting(asking)
    said = reject(run_id, {"reason": "the data was wrong"}, **BOSS)
    assert (said.status, said.body["phase"]) == (202, "rejected")
    assert said.body["reason"] == "rejected by boss@example.com: the data was wrong"
    for _ in range(10):
        asking.tick(600)
    assert asking.serving() == before
    assert not asking.open_runs()


@pytest.mark.parametrize("phase", ["training", "awaiting_approval", "promoted", "cancelled"])
def test_a_run_that_does_not_wait_for_approval_is_refused_with_its_phase(
    asking: World, phase: str
) -> None:
    asking.upload()
    run_id = str(Api().start().body["run_id"])
    if phase == "cancelled":
        cancel(run_id)
    elif phase != "training":
        until(asking, run_id, "awaiting_approval")
        approve(run_id)
    if phase == "promoted":
        until(asking, run_id, "promoted")
    now = Api().get(run_id).body["phase"]
    for told in (approve(run_id), reject(run_id)):
        assert told.status == 409
        assert now in told.body["detail"]
    assert Api().get(run_id).body["phase"] == now


def test_a_parked_run_cannot_be_approved_past_its_trouble(world: World, api: Api) -> None:
    run_id = park(world, api)
    assert approve(run_id).status == 409
    assert "parked" in approve(run_id).body["detail"]


def test_the_second_of_two_people_is_told(asking: World) -> None:
    run_id = awaiting(asking)
    assert reject(run_id).status == 202
    late = approve(run_id)
    assert late.status == 409
    assert "rejected" in late.body["detail"]
    assert Api().get(run_id).body["phase"] == "rejected"


@pytest.mark.parametrize("site", range(5))
def test_of_two_people_in_the_same_moment_one_wins_and_the_other_is_told(
    asking: World, site: int
) -> None:
    run_id = awaiting(asking)
    others: list[OneLineText] = []
    asking.faults.other_worker = lambda: others.append(reject(run_id, {"by": "bob"}))
    asking.faults.plan = {len(asking.faults.sites) + site: Kind.PREEMPT}
    mine = approve(run_id, {"by": "ada"})
    assert others
    assert sorted((mine.status, others[0].status)) == [202, 409]
    by = Api().get(run_id).body["approval"]["by"]
    late = next(said for said in (mine, others[0]) if said.status == 409)
    assert f"by {by}" in late.body["detail"]
    assert run_id in late.body["detail"]
    assert "runs/" not in late.body["detail"]
    assert by == ("ada (unverified)" if mine.status == 202 else "bob (unverified)")


def another_order(run_id: str, asking: World) -> None:
    """Have somebody approve at the moment in which the next order is stored."""
    asking.faults.other_worker = lambda: approve_in_passing(run_id)
    asking.faults.plan = {len(asking.faults.sites) + 1: Kind.PREEMPT}  # the marker comes first


def approve_in_passing(run_id: str) -> None:
    approve(run_id, {"by": "bob"})


def test_the_slower_of_two_people_is_told_the_present_phase_and_who_answered(
    asking: World,
) -> None:
    run_id = awaiting(asking)
    another_order(run_id, asking)
    late = reject(run_id, {"by": "ada"})
    phase = Api().get(run_id).body["phase"]
    assert late.status == 409
    assert f"is {phase} now (approved by bob (unverified))" in late.body["detail"]
    assert "cannot be rejected" in late.body["detail"]


def test_the_slower_of_two_people_with_a_version_is_told_that_it_is_outdated(
    asking: World,
) -> None:
    run_id = awaiting(asking)
    etag = Api().get(run_id).headers["ETag"]
    another_order(run_id, asking)
    late = reject(run_id, If_Match=etag)
    assert (late.status, late.title) == (412, "Changed meanwhile")
    assert "approved by bob" in late.body["detail"]


def test_a_refusal_says_what_may_be_done_instead(asking: World) -> None:
    run_id = awaiting(asking)
    refused = tell(runs.retry_run, "POST", run_id=run_id).body["detail"]
    assert "cannot be retried; it can be approved or rejected or cancelled" in refused
    approve(run_id)
    until(asking, run_id, "promoted")
    assert "cannot be cancelled; it is over: start another run" in cancel(run_id).body["detail"]


def test_a_version_that_is_not_the_present_one_is_refused(asking: World) -> None:
    run_id = awaiting(asking)
    etag = Api().get(run_id).headers["ETag"]
    assert approve(run_id, None, If_Match='"old"').status == 412
    assert cancel(run_id, If_Match='"old", "older"').status == 412
    assert Api().get(run_id).body["phase"] == "awaiting_approval"
    assert approve(run_id, None, If_Match=f'"old", {etag}').status == 202
    assert cancel(run_id, If_Match=etag).status == 412


@pytest.mark.parametrize("order", ["approve", "reject", "cancel", "retry"])
def test_no_order_is_carried_out_on_a_version_that_its_giver_did_not_see(
    asking: World, order: str
) -> None:
    run_id = awaiting(asking)
    etag = Api().get(run_id).headers["ETag"]
    handler = getattr(runs, f"{order}_run")
    told = tell(handler, "POST", headers={"If-Match": '"old"'}, run_id=run_id)
    assert told.status == 412
    assert Api().get(run_id).headers["ETag"] == etag


@pytest.mark.parametrize("header", ["", ",", '""', "W/"])
def test_a_precondition_without_a_version_is_never_met(asking: World, header: str) -> None:
    assert approve(awaiting(asking), None, If_Match=header).status == 412


def test_a_weak_version_is_never_the_present_one(asking: World) -> None:
    run_id = awaiting(asking)
    etag = Api().get(run_id).headers["ETag"]
    assert approve(run_id, None, If_Match=f"W/{etag}").status == 412
    assert approve(run_id, None, If_Match=f"W/{etag}, {etag}").status == 202


# If-Match is for the very reading of the record that is written over, not for one before it.
def test_what_changes_between_the_precondition_and_the_order_refuses_the_order(
    asking: World,
) -> None:
    run_id = awaiting(asking)
    etag = Api().get(run_id).headers["ETag"]

    def another() -> None:
        ledger, now = asking.intake._context.ledger, asking.clock.now()
        stored = ledger.runs.read(run_id)
        assert stored is not None
        ledger.runs.replace(apply(stored.record, Approved("boss", "now"), now), stored.etag)

    asking.faults.other_worker = another
    asking.faults.plan = {len(asking.faults.sites): Kind.PREEMPT}
    told = cancel(run_id, If_Match=etag)
    assert told.status in (409, 412), told.text


def test_a_line_about_a_rejected_run_says_it_once(
    asking: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "relearn")
    run_id = awaiting(asking)
    assert reject(run_id, {"by": "ada", "reason": "poor"}).status == 202
    (line,) = listed().body["runs"]
    said = "rejected by ada (unverified): poor"
    assert line["line"] == f"requested over HTTP; 1 blob, training-data/new.csv; {said}"
    assert f"run {run_id} of pipeline sample was {said}" in caplog.text


@pytest.mark.parametrize(("default", "end"), [("reject", "rejected"), ("approve", "promoted")])
def test_without_an_answer_in_time_the_default_is_taken_and_said(
    serve: Serve, default: str, end: str
) -> None:
    gate = {"approval": "required", "expires": "2d", "on_expiry": default}
    world = present_world(pipeline={"gate": gate})
    serve(app_over(world))
    run_id = awaiting(world)
    for _ in range(47):
        world.tick(3600)
    assert Api().get(run_id).body["phase"] == "awaiting_approval"
    world.tick(3600)
    shown = until(world, run_id, end)
    assert shown["approval"]["by"] == "nobody in time"
    assert "no answer until" in shown["approval"]["why"]
    assert approve(run_id).status == reject(run_id).status == 409


def test_an_answer_after_the_time_is_over_is_not_lost_in_silence(asking: World) -> None:
    run_id = awaiting(asking)
    asking.clock.move(timedelta(days=3))  # no poll came by
    said = approve(run_id)
    shown = until(asking, run_id, "promoted" if said.status == 202 else "rejected")
    assert (shown["approval"]["by"] == "nobody in time") is (said.status == 409)


@pytest.mark.parametrize("run_id", [NO_RUN, "..", "a/b", "", "x" * 2000, "A"])
def test_an_unknown_run_can_be_neither_approved_nor_rejected(asking: World, run_id: str) -> None:
    assert approve(run_id).status == reject(run_id).status == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        ([], 400),
        ({"by": None}, 400),
        ({"by": 5}, 400),
        ({"by": "x" * 201}, 400),
        ({"reason": "x" * 501}, 400),
        ({"because": "x"}, 400),
        (b'{"reason": "\\ud800"}', 400),
        (b"[" * 60_000, 400),
        (b" " * (64 * 1024 + 1), 413),
    ],
)
def test_a_body_that_is_not_understood_changes_nothing(
    asking: World, body: Any, status: int
) -> None:
    run_id = awaiting(asking)
    rows_before = dict(asking.documents.rows)
    for handler in (approve, reject):
        assert handler(run_id, body).status == status
    assert tell(pipelines.pause_pipeline, "POST", body, pipeline="sample").status == status
    assert asking.documents.rows == rows_before


# Whoever may reject a run must not have the log say what an operator is alerted by.
def test_what_a_person_says_makes_no_line_of_its_own_in_the_log(
    asking: World, caplog: pytest.LogCaptureFixture
) -> None:
    reject(awaiting(asking), {"reason": "x\n[RL1001 parked] run other-1 is parked"})
    assert not [line for line in caplog.text.splitlines() if line.startswith("[RL1001")]


# Pause and resume


def test_a_paused_pipeline_begins_nothing_until_it_is_resumed(serve: Serve) -> None:
    world = present_world(pipeline={"when_busy": "queue"})
    serve(app_over(world))
    told = tell(
        pipelines.pause_pipeline, "POST", {"reason": "holiday"}, headers=BOSS, pipeline="sample"
    )
    assert told.body["paused"]["by"] == "boss@example.com"
    assert told.body["paused"]["reason"] == "holiday"
    world.upload()
    world.deliver()
    for _ in range(20):
        world.tick(60)
    assert not world.starts
    again = tell(pipelines.pause_pipeline, "POST", {"by": "bob"}, pipeline="sample")
    assert again.body["paused"]["by"] == "boss@example.com"
    assert "paused" not in tell(pipelines.resume_pipeline, "POST", pipeline="sample").body
    assert tell(pipelines.resume_pipeline, "POST", pipeline="sample").status == 200
    for _ in range(20):
        world.tick(60)
    assert len(world.starts) == 1


def test_of_two_people_who_pause_in_the_same_moment_the_second_is_told(
    world: World, api: Api
) -> None:
    def another() -> None:
        tell(pipelines.pause_pipeline, "POST", {"by": "bob"}, pipeline="sample")

    world.faults.other_worker = another
    world.faults.plan = {len(world.faults.sites): Kind.PREEMPT}
    told = tell(pipelines.pause_pipeline, "POST", {"by": "ada"}, pipeline="sample")
    assert told.status == 409
    shown = tell(pipelines.get_pipeline, pipeline="sample").body
    assert shown["paused"]["by"] == "bob (unverified)"


def pause(**headers: str) -> OneLineText:
    body = {"by": "ada"}
    return tell(pipelines.pause_pipeline, "POST", body, headers=named(headers), pipeline="sample")


def resume(**headers: str) -> OneLineText:
    return tell(pipelines.resume_pipeline, "POST", headers=named(headers), pipeline="sample")


def standing_version() -> str:
    return str(tell(pipelines.get_pipeline, pipeline="sample").headers["ETag"])


def test_a_pause_and_a_resume_are_for_the_version_that_was_looked_at(
    world: World, api: Api
) -> None:
    checked = standing_version()
    assert pause(If_Match='"old"').status == 412
    assert "paused" not in tell(pipelines.get_pipeline, pipeline="sample").body
    paused = pause(If_Match=checked)
    assert paused.status == 200
    assert paused.headers["ETag"] == standing_version() != checked
    late = resume(If_Match=checked)
    assert (late.status, late.title) == (412, "Changed meanwhile")
    assert "paused by ada" in late.body["detail"]
    assert pause(If_Match=checked).status == 412
    assert resume(If_Match=paused.headers["ETag"]).status == 200
    assert "paused" not in tell(pipelines.get_pipeline, pipeline="sample").body


def test_what_runs_does_not_change_the_version_that_a_pause_is_for(world: World, api: Api) -> None:
    checked = standing_version()
    world.upload()
    api.start()
    world.until_ended()
    assert standing_version() == checked
    assert pause(If_Match=checked).status == 200


def test_a_pause_by_failures_is_another_version_for_whoever_resumes(serve: Serve) -> None:
    world = present_world(pipeline={"when_busy": "queue", "pause_after": 2})
    serve(app_over(world))
    fails(world, 1)
    checked = standing_version()
    fails(world, 2)
    world.upload("3.csv", rows(3))
    world.deliver("3.csv")
    for _ in range(5):
        world.tick()
    late = resume(If_Match=checked)
    assert late.status == 412
    assert "paused by relearn" in late.body["detail"]
    resumed = resume(If_Match=standing_version())
    assert (resumed.status, "paused" in resumed.body) == (200, False)


@pytest.mark.parametrize(("version", "status"), [(True, 412), (False, 409)])
def test_of_two_people_at_a_pipeline_the_slower_one_is_told_how_it_stands(
    world: World, api: Api, *, version: bool, status: int
) -> None:
    held = {"If_Match": standing_version()} if version else {}

    def another() -> None:
        tell(pipelines.pause_pipeline, "POST", {"by": "bob"}, pipeline="sample")

    world.faults.other_worker = another
    world.faults.plan = {len(world.faults.sites): Kind.PREEMPT}
    late = pause(**held)
    assert late.status == status
    assert "paused by bob" in late.body["detail"]
    assert "pauses/" not in late.body["detail"]


@pytest.mark.parametrize(("version", "status"), [(True, 412), (False, 409)])
def test_a_resume_never_ends_a_pause_that_nobody_looked_at(
    world: World, api: Api, *, version: bool, status: int
) -> None:
    checked = pause().headers["ETag"]

    def another() -> None:
        resume()
        tell(pipelines.pause_pipeline, "POST", {"by": "bob"}, pipeline="sample")

    world.faults.other_worker = another
    world.faults.plan = {len(world.faults.sites): Kind.PREEMPT}
    late = resume(**({"If_Match": checked} if version else {}))
    assert late.status == status
    assert "paused by bob" in late.body["detail"]
    shown = tell(pipelines.get_pipeline, pipeline="sample").body
    assert shown["paused"]["by"] == "bob (unverified)"


def test_failures_from_before_a_resume_count_no_more_whoever_paused(serve: Serve) -> None:
    world = present_world(pipeline={"when_busy": "queue", "pause_after": 3})
    serve(app_over(world))
    fails(world, 1)
    fails(world, 2)
    tell(pipelines.pause_pipeline, "POST", {"by": "ada"}, pipeline="sample")
    tell(pipelines.resume_pipeline, "POST", pipeline="sample")
    fails(world, 3)
    world.clock.move(timedelta(minutes=1))
    world.upload("4.csv", rows(4))
    world.deliver("4.csv")
    for _ in range(5):
        world.tick()
    shown = tell(pipelines.get_pipeline, pipeline="sample").body
    assert "paused" not in shown, shown["paused"]
    assert len(world.starts) == 1


def fails(world: World, number: int) -> None:
    """Have a run parked, because its key is missing."""
    world.clock.move(timedelta(minutes=1))
    world.upload(f"{number}.csv", rows(number))
    key = world.environment.pop("TRAINING_KEY")
    world.deliver(f"{number}.csv")
    for _ in range(5):
        world.tick()
    world.environment["TRAINING_KEY"] = key
    assert world.runs()[-1].phase is Phase.PARKED


def test_a_manual_run_of_a_paused_pipeline_waits_like_any_other(serve: Serve) -> None:
    world = present_world(pipeline={"when_busy": "queue"})
    serve(app_over(world))
    world.upload()
    tell(pipelines.pause_pipeline, "POST", {"by": "ada", "reason": "holiday"}, pipeline="sample")
    started = Api().start()
    assert (started.status, started.body["phase"]) == (202, "waiting")
    assert "holiday" in started.body["reason"]


@pytest.mark.parametrize(
    ("handler", "method"),
    [
        (pipelines.get_pipeline, "GET"),
        (pipelines.pause_pipeline, "POST"),
        (pipelines.resume_pipeline, "POST"),
        (pipelines.preview_pipeline, "GET"),
    ],
)
@pytest.mark.parametrize("name", ["simple", "..", "", "x" * 5000, "sample/", "\x00"])
def test_an_unknown_pipeline_is_not_found(
    world: World, api: Api, handler: Any, method: str, name: str
) -> None:
    told = tell(handler, method, pipeline=name)
    assert told.status == 404
    assert "sample" in told.body["detail"]
    assert not world.documents.rows


BUDGETS: list[tuple[dict[str, Any], str]] = [
    ({"least_interval": "2h"}, "the budget allows the next run at "),
    ({"most_per_day": 1}, "the budget's 1 run within 24 hours is used up"),
]


@pytest.mark.parametrize(("budget", "words"), BUDGETS)
def test_a_budget_that_is_used_up_is_shown_as_its_waiting_run_says_it(
    serve: Serve, budget: dict[str, Any], words: str
) -> None:
    world = present_world(pipeline={"when_busy": "queue", "budget": budget})
    serve(app_over(world))
    world.upload()
    Api().start()
    world.until_ended()
    waiting = Api().start().body
    (run_queue,) = tell(pipelines.get_pipeline, pipeline="sample").body["keys"]
    assert run_queue["over_budget"] == waiting["reason"]
    assert run_queue["over_budget"].startswith(words)
    world.clock.move(timedelta(days=1))
    (run_queue,) = tell(pipelines.get_pipeline, pipeline="sample").body["keys"]
    assert "over_budget" not in run_queue


# The list of pipelines


def with_customers(count: int) -> tuple[World, CountingDocuments]:
    """A world whose pipeline has had runs for so many customers."""
    changes = {"key": "{customer}", "data": {"blob": "{customer}/{name}.csv"}}
    world = World(config={"pipeline": changes})
    documents = CountingDocuments(world.clock, world.faults)
    world.documents = documents
    world.restart()
    for number in range(count):
        key, at = (f"customer{number}",), world.clock.now()
        run_queue = RunQueue(pipeline="sample", key=key).begin(f"sample-{number}", at, keep=1)
        world.intake._context.ledger.run_queues.put(run_queue_id("sample", key), run_queue, None)
    return world, documents


def test_the_list_of_pipelines_costs_no_more_where_there_are_many_customers(serve: Serve) -> None:
    world, documents = with_customers(300)
    serve(app_over(world))
    documents.calls.clear()
    (line,) = tell(pipelines.list_pipelines).body["pipelines"]
    assert len(documents.calls) <= 5
    shown = tell(pipelines.get_pipeline, pipeline="sample").body
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
        page = tell(pipelines.get_pipeline, pipeline="sample", query=asked).body
        seen += [one["key"] for one in page["keys"]]
        unreadable += page["unreadable"]
        asked = {"limit": "40", **({"cursor": page["next"]} if "next" in page else {})}
    assert len({*map(tuple, seen)}) == len(seen) == 94
    assert unreadable == [drift_kind]
    assert "cursor" not in asked
    assert documents.calls.count("read run_queues") == 95
    told = tell(pipelines.get_pipeline, pipeline="sample", query={"cursor": "nonsense"})
    assert (told.status, told.title) == (400, "Bad cursor")


def test_a_resume_is_one_write_however_many_customers_there_are(serve: Serve) -> None:
    world, documents = with_customers(400)
    built = app_over(world)
    documents.calls.clear()
    built.pipelines.resume("sample")
    assert documents.calls == ["read pauses", "create pauses"]
    documents.calls.clear()
    built.pipelines.pause("sample", "ada", "")
    built.pipelines.resume("sample")
    assert documents.calls == ["read pauses", "replace pauses"] * 2


def test_the_list_tells_of_a_pause_by_a_person_and_by_failures(serve: Serve) -> None:
    world = present_world(pipeline={"when_busy": "queue", "pause_after": 1})
    serve(app_over(world))
    fails(world, 1)
    world.upload("2.csv", rows(2))
    world.deliver("2.csv")
    for _ in range(5):
        world.tick()
    (line,) = tell(pipelines.list_pipelines).body["pipelines"]
    assert line["paused"]["by"] == "relearn"
    pause()
    (line,) = tell(pipelines.list_pipelines).body["pipelines"]
    assert line["paused"]["by"] == "ada (unverified)"


# Preview


def test_a_preview_shows_the_request_and_sends_and_writes_nothing(world: World, api: Api) -> None:
    world.upload("first.csv")
    world.clock.move(timedelta(minutes=1))
    world.upload("second.csv")
    sent, records = list(world.http.sent), dict(world.documents.rows)
    blobs = dict(world.blobs.store.contents)
    told = tell(pipelines.preview_pipeline, pipeline="sample")
    assert told.status == 200
    assert [one["blob"] for one in told.body["matches"]] == [
        "training-data/second.csv",
        "training-data/first.csv",
    ]
    assert "second.csv" in json.dumps(told.body["request"])
    named_ = tell(pipelines.preview_pipeline, query={"data": "first.csv"}, pipeline="sample")
    assert "first.csv" in json.dumps(named_.body["request"])
    assert (world.http.sent, world.documents.rows) == (sent, records)
    assert world.blobs.store.contents == blobs
    secrets = [*secrets_of(world), "se=", "sp="]
    assert not [secret for secret in secrets if secret in told.text + named_.text]


def test_a_preview_of_no_data_and_of_data_that_is_not_there_says_so(world: World, api: Api) -> None:
    told = tell(pipelines.preview_pipeline, pipeline="sample")
    assert told.status == 200
    assert "request" not in told.body
    assert any("no blob matches" in note for note in told.body["notes"])
    missing = tell(pipelines.preview_pipeline, query={"data": "x.csv"}, pipeline="sample")
    assert (missing.status, missing.body["title"]) == (400, "No such data")


def test_a_preview_tells_what_became_of_each_blob(world: World, api: Api) -> None:
    world.upload("taken.csv")
    (run,) = world.deliver("taken.csv")
    world.clock.move(timedelta(minutes=1))
    world.upload("new.csv")
    states = states_of(tell(pipelines.preview_pipeline, pipeline="sample"))
    assert states == {"taken.csv": f"run {run.run_id}", "new.csv": "new"}


def states_of(told: OneLineText) -> dict[str, str]:
    return {one["blob"].partition("/")[2]: one["state"] for one in told.body["matches"]}


def test_a_preview_shows_the_blob_that_the_next_run_would_train_on(serve: Serve) -> None:
    world = present_world(pipeline={"data": {"blob": "{name}.csv", "min_size": "10B"}})
    serve(app_over(world))
    world.upload("large.csv")
    world.clock.move(timedelta(minutes=1))
    world.upload("small.csv", b"a\n")
    told = tell(pipelines.preview_pipeline, pipeline="sample")
    assert states_of(told)["small.csv"] == "too small"
    assert Api().start().body["manifest"][0]["name"] == "large.csv"
    assert "large.csv" in json.dumps(told.body["request"])


def test_a_preview_counts_the_least_size_and_the_first_moment_in(serve: Serve) -> None:
    config = {"data": {"blob": "{name}.csv", "min_size": "4B", "opens_runs": False}}
    world = present_world(pipeline=config)
    serve(app_over(world))
    world.intake.activate()
    world.upload("small.csv", b"a\n1")
    world.upload("large.csv", b"a\n1\n")
    activated = world.intake._context.ledger.activations.read("sample")
    assert activated is not None
    (large,) = [facts for key, facts in world.blobs.facts.items() if key.endswith("/large.csv")]
    large.modified = activated.record.activated_at
    told = tell(pipelines.preview_pipeline, pipeline="sample")
    assert states_of(told) == {"small.csv": "too small", "large.csv": "new"}
    assert "opens_runs: false: landing alone starts nothing" in told.body["notes"]
    world.upload("old.csv")
    (old,) = [facts for key, facts in world.blobs.facts.items() if key.endswith("/old.csv")]
    old.modified = large.modified - timedelta(seconds=1)
    states = states_of(tell(pipelines.preview_pipeline, pipeline="sample"))
    assert states["old.csv"] == "older than the pipeline"


def test_a_preview_names_the_list_that_a_job_would_be_given(serve: Serve) -> None:
    world = present_world(training={"inputs": {"input1": "{data.manifest}"}})
    serve(app_over(world))
    world.upload("a.csv")
    told = tell(pipelines.preview_pipeline, pipeline="sample")
    assert "manifest.csv" in json.dumps(told.body["request"])
    assert not any("opens_runs" in note for note in told.body["notes"])


# The list of runs


def test_the_list_is_newest_first_and_says_what_came_of_each(asking: World) -> None:
    first = awaiting(asking, "one.csv")
    approve(first, **BOSS)
    until(asking, first, "promoted")
    second = awaiting(asking, "two.csv", rows(5))
    told = listed().body["runs"]
    assert [one["run_id"] for one in told] == [second, first]
    assert told[1]["approved_by"] == "boss@example.com"
    assert told[1]["data"] == "training-data/one.csv"
    assert "approved by boss@example.com" in told[1]["line"]
    assert [one["run_id"] for one in listed(open="true").body["runs"]] == [second]
    assert [one["run_id"] for one in listed(phase="promoted").body["runs"]] == [first]
    assert listed(pipeline="other").body["runs"] == []
    assert listed(parent=first).body["runs"] == []
    assert listed(key="acme").body["runs"] == []


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "51"},
        {"limit": "many"},
        {"phase": "unknown"},
        {"open": "perhaps"},
        {"cursor": "x"},
        {"cursor": ""},
        {"cursor": base64.urlsafe_b64encode(b"[1, 2]").decode()},
        {"cursor": base64.urlsafe_b64encode(b'["x", "y"]').decode()},
        {"cursor": "a" * 4097},
        {"pipeline": "a" * 201},
        {"pipeline": ""},
        {"key": ""},
        {"parent": ""},
    ],
)
def test_a_query_that_is_not_understood_is_refused(
    world: World, api: Api, query: dict[str, str]
) -> None:
    told = listed(**query)
    assert told.status == 400
    assert told.body["detail"]


@pytest.mark.parametrize(
    ("handler", "method", "allowed"),
    [
        (runs.list_runs, "GET", "pipeline, key, phase, open, parent, limit, cursor"),
        (pipelines.preview_pipeline, "GET", "data"),
        (endpoints.get_endpoint, "GET", "key"),
        (endpoints.rollback_endpoint, "POST", "key"),
        (endpoints.resume_endpoint, "POST", "key"),
    ],
)
def test_a_misspelt_query_is_refused_with_the_names_that_there_are(
    world: World, api: Api, handler: Any, method: str, allowed: str
) -> None:
    def ask(query: dict[str, str]) -> OneLineText:
        return tell(handler, method, query=query, pipeline="sample", endpoint="production")

    told = ask({"state": "parked", "code": "k"})
    assert told.status == 400
    assert told.body["detail"] == f"there is no query parameter state; there is {allowed}"
    for name in {"key", "data"} & set(allowed.split(", ")):
        assert ask({name: ""}).status == 400
    assert not world.documents.rows


@pytest.mark.parametrize("name", ["code", "Code"])
def test_a_function_key_may_be_given_in_the_query(world: World, api: Api, name: str) -> None:
    assert listed(**{name: "k"}).status == 200


def test_a_cursor_of_nested_lists_is_refused_and_no_server_error(world: World, api: Api) -> None:
    nested = base64.urlsafe_b64encode(b"[" * 3000).decode()
    assert listed(cursor=nested).status == 400


def counted(count: int) -> tuple[World, CountingDocuments]:
    """A world with so many finished runs, and its documents that count calls."""
    world = World()
    documents = CountingDocuments(world.clock, world.faults)
    world.documents = documents
    world.restart()
    ledger = world.intake._context.ledger
    start = datetime(2026, 1, 1, tzinfo=UTC)
    model = sample_run(Phase.PROMOTED)
    for number in range(count):
        update = {
            "run_id": f"sample-{number:020d}",
            "opened_at": start + timedelta(seconds=number // 3),  # three of the same moment
            "phase": Phase.FAILED if number % 50 == 0 else Phase.PROMOTED,
            "pipeline": "other" if number % 7 == 0 else "sample",
            "parent": "sample-parent" if number % 11 == 0 else None,
        }
        ledger.runs.create(model.model_copy(update=update))
    return world, documents


@pytest.fixture(scope="module")
def hundred() -> tuple[World, CountingDocuments]:
    return counted(100)


@pytest.fixture(scope="module")
def thousands() -> tuple[World, CountingDocuments]:
    return counted(3000)


FILTERS: list[dict[str, str]] = [
    {},
    {"limit": "7"},
    {"pipeline": "sample"},
    {"pipeline": "other"},
    {"phase": "failed"},
    {"open": "false"},
    {"pipeline": "sample", "phase": "promoted", "limit": "13"},
    {"parent": "sample-parent"},
]


def pages(documents: CountingDocuments, query: dict[str, str], most: int) -> list[dict[str, Any]]:
    """Turn pages, each at the promised price, and return the lines on them."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    for _ in range(most):
        documents.calls.clear()
        told = listed(**query, **cursor)
        assert told.status == 200, told.text
        found += told.body["runs"]
        assert len(told.body["runs"]) <= int(query.get("limit", 50))
        assert sum(call.startswith("list") for call in documents.calls) <= 2
        assert sum(call.startswith("read") for call in documents.calls) <= 50
        assert not [call for call in documents.calls if call.startswith(("create", "replace"))]
        if "next" not in told.body:
            break
        cursor = {"cursor": told.body["next"]}
    times = [one["opened_at"] for one in found]
    assert times == sorted(times, reverse=True)
    return found


@pytest.mark.parametrize("query", FILTERS, ids=str)
def test_each_run_that_fits_is_on_one_page_and_a_page_has_a_known_price(
    serve: Serve, hundred: tuple[World, CountingDocuments], query: dict[str, str]
) -> None:
    world, documents = hundred
    serve(app_over(world))
    found = pages(documents, query, 101)
    assert sorted(one["run_id"] for one in found) == wanted(world, query)


@pytest.mark.parametrize("query", FILTERS, ids=str)
def test_a_page_costs_no_more_where_there_are_thousands_of_runs(
    serve: Serve, thousands: tuple[World, CountingDocuments], query: dict[str, str]
) -> None:
    world, documents = thousands
    serve(app_over(world))
    pages(documents, query, 3)


def test_each_of_thousands_of_runs_is_on_one_page(
    serve: Serve, thousands: tuple[World, CountingDocuments]
) -> None:
    world, documents = thousands
    serve(app_over(world))
    found = pages(documents, {"pipeline": "other"}, 100)
    theirs = [f"sample-{n:020d}" for n in range(0, 3000, 7) if n % 11]
    assert sorted(one["run_id"] for one in found) == theirs


def wanted(world: World, query: dict[str, str]) -> list[str]:
    """Return the ids of the runs that fit, by looking at each."""
    return sorted(
        run.run_id
        for run in world.runs()
        if query.get("pipeline") in (None, run.pipeline)
        and query.get("phase") in (None, str(run.phase))
        and run.parent == query.get("parent")
    )


def test_a_run_that_is_opened_while_somebody_turns_pages_moves_no_other(serve: Serve) -> None:
    world, _ = counted(27)
    serve(app_over(world))
    first = listed(limit="10").body
    world.upload()
    newest = Api().start().body["run_id"]
    rest, cursor = [], first["next"]
    while cursor:
        page = listed(limit="10", cursor=cursor).body
        rest += [one["run_id"] for one in page["runs"]]
        cursor = page.get("next")
    whole = [one["run_id"] for one in first["runs"]] + rest
    assert len(whole) == len(set(whole)) == 24
    assert newest not in whole
    assert listed(limit="1").body["runs"][0]["run_id"] == newest


# A listing holds four pages: what was shown of it may be pushed over its edge into the next one.
@pytest.mark.parametrize("arrivals", [7, 31, 35, 75])
def test_runs_that_arrive_across_the_edge_of_a_listing_have_none_shown_twice(
    serve: Serve, arrivals: int
) -> None:
    world, _ = counted(55)
    serve(app_over(world))
    there = wanted(world, {})
    page = listed(limit="10").body
    shown = [one["run_id"] for one in page["runs"]]
    turned = 0
    while "next" in page:
        turned += 1
        arrive(world, f"{turned}-", arrivals)
        page = listed(limit="10", cursor=page["next"]).body
        shown += [one["run_id"] for one in page["runs"]]
    assert sorted(shown) == there


def arrive(world: World, name: str, count: int) -> None:
    """Have new runs listed before all others."""
    world.clock.move(timedelta(minutes=1))
    model = sample_run(Phase.PROMOTED).model_copy(update={"opened_at": world.clock.now()})
    for number in range(count):
        run_id = f"sample-new-{name}{number}"
        world.intake._context.ledger.runs.create(model.model_copy(update={"run_id": run_id}))


# Endpoints


def endpoint_told() -> dict[str, Any]:
    told: dict[str, Any] = Api().endpoint().body
    return told


def test_the_line_of_an_endpoint_says_which_data_made_the_model_and_who_approved_it(
    asking: World,
) -> None:
    run_id = awaiting(asking, "monday.csv")
    approve(run_id, **BOSS)
    until(asking, run_id, "promoted")
    told = endpoint_told()
    assert "training-data/monday.csv" in told["line"]
    assert "approved by boss@example.com" in told["line"]
    assert run_id in told["line"]
    (line,) = told["history"]
    assert (line["data"], line["blobs"]) == (["training-data/monday.csv"], 1)
    assert line["approved_by"] == "boss@example.com"
    assert line["run_id"] == line["trained_by"] == run_id
    (one,) = tell(endpoints.list_endpoints).body["endpoints"]
    assert one["line"] == told["line"]


def test_what_served_last_tuesday_is_known_after_more_promotions_than_models_are_kept(
    world: World, api: Api
) -> None:
    served: list[tuple[str, str]] = []
    moments = []
    for number in range(8):
        world.clock.move(timedelta(days=1))
        world.upload(f"day{number}.csv", rows(number))
        (run,) = world.deliver(f"day{number}.csv")
        until(world, run.run_id, "promoted")
        served.append((run.run_id, f"training-data/day{number}.csv"))
        moments.append(world.clock.now() + timedelta(hours=12))
    told = endpoint_told()
    assert len(told["previous"]) == 5
    assert [(one["trained_by"], one["data"][0]) for one in told["history"]] == served
    for moment, (_, data) in zip(moments, served, strict=True):
        earlier = [one for one in told["history"] if datetime.fromisoformat(one["at"]) <= moment]
        assert earlier[-1]["data"] == [data]


def test_a_rollback_is_a_line_of_its_own_with_the_data_of_the_older_model(
    asking: World,
) -> None:
    ids = []
    for number in range(2):
        run_id = awaiting(asking, f"{number}.csv", rows(number))
        approve(run_id, {"by": f"person {number}"})
        until(asking, run_id, "promoted")
        ids.append(run_id)
    back = Api().rollback({"reason": "sales fell"}, who="boss@example.com").body["run_id"]
    until(asking, back, "promoted")
    told = endpoint_told()
    last = told["history"][-1]
    assert (last["run_id"], last["trained_by"]) == (back, ids[0])
    assert last["data"] == ["training-data/0.csv"]
    assert last["approved_by"] == "person 0 (unverified)"
    assert "sales fell" in last["why"]
    assert "held by boss@example.com" in told["line"]
    assert "held" not in Api().resume().body
    assert Api().resume().status == 200
    new = awaiting(asking, "2.csv", rows(2))
    approve(new)
    until(asking, new, "promoted")
    assert [one["trained_by"] for one in endpoint_told()["history"]] == [*ids, ids[0], new]


# The model of the endpoint's own service is none of ours: `model` is left out of the answer.
def test_an_endpoint_back_at_its_own_model_is_told(world: World, api: Api) -> None:
    world.upload()
    (run,) = world.deliver()
    until(world, run.run_id, "promoted")
    back = Api().rollback({"to": "baseline"})
    assert back.status == 202
    until(world, back.body["run_id"], "promoted")
    told = Api().endpoint()
    assert told.status == 200, told.text
    assert len(told.body["history"]) == 2
    assert Api().resume().status == 200


@pytest.mark.parametrize(("name", "key"), [("staging", None), ("..", None), ("production", "acme")])
def test_an_unknown_endpoint_is_not_found(
    world: World, api: Api, name: str, key: str | None
) -> None:
    query = {} if key is None else {"key": key}
    for handler, method in (
        (endpoints.get_endpoint, "GET"),
        (endpoints.resume_endpoint, "POST"),
        (endpoints.rollback_endpoint, "POST"),
    ):
        told = tell(handler, method, query=query, pipeline="sample", endpoint=name)
        assert told.status == 404
    told = tell(endpoints.get_endpoint, pipeline="simple", endpoint="production")
    assert told.status == 404
    assert not world.documents.rows


def test_what_may_be_changed_is_not_changed_by_looking(asking: World) -> None:
    awaiting(asking)
    before, sent = dict(asking.documents.rows), list(asking.http.sent)
    tell(pipelines.list_pipelines)
    tell(pipelines.get_pipeline, pipeline="sample")
    tell(pipelines.preview_pipeline, pipeline="sample")
    tell(endpoints.list_endpoints)
    listed()
    endpoint_told()
    assert asking.documents.rows == before
    assert asking.http.sent == sent


def test_a_schedule_shows_which_due_times_came_and_which_comes_next(serve: Serve) -> None:
    world = present_world(pipeline={"schedule": "0 0 3 * * *"})
    serve(app_over(world))
    world.poll.start_scheduled()
    shown = tell(pipelines.get_pipeline, pipeline="sample").body
    due, now = datetime.fromisoformat(shown["next_due"]), world.clock.now()
    assert (due.hour, due.minute) == (3, 0)
    assert "last_due" not in shown  # the one before was not ours
    assert timedelta() < due - now <= timedelta(days=1)
    world.upload()
    world.clock.move(due - now)
    world.poll.start_scheduled()
    after = tell(pipelines.get_pipeline, pipeline="sample").body
    assert datetime.fromisoformat(after["last_due"]) == due
    assert datetime.fromisoformat(after["next_due"]) == due + timedelta(days=1)
