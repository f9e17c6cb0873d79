"""Approve and reject over HTTP: by an operator, once, and on which version."""

import logging
from datetime import timedelta
from typing import Any

import pytest

from functions import endpoints, pipelines, runs
from shared.core.run.gate_events import Approved
from shared.core.run.machine import apply
from tests.fakes.faults import Kind
from tests.fakes.world import World
from tests.functions.calls import Api, OneLineText
from tests.functions.conftest import NO_RUN, Serve, app_over, park, present_world
from tests.functions.operators import (
    BOSS,
    approve,
    awaiting,
    call,
    cancel,
    endpoint_shown,
    listed,
    reject,
    until,
)


def test_nothing_is_promoted_until_an_operator_says_yes(asking: World) -> None:
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
    answer = shown["approval"]
    assert (answer["answer"], answer["by"], answer["why"]) == (
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
    for answer in (approve(run_id), reject(run_id)):
        assert answer.status == 409
        assert now in answer.body["detail"]
    assert Api().get(run_id).body["phase"] == now


def test_a_parked_run_cannot_be_approved_past_its_step_failure(world: World, api: Api) -> None:
    run_id = park(world, api)
    assert approve(run_id).status == 409
    assert "parked" in approve(run_id).body["detail"]


def test_the_second_of_two_operators_is_refused(asking: World) -> None:
    run_id = awaiting(asking)
    assert reject(run_id).status == 202
    late = approve(run_id)
    assert late.status == 409
    assert "rejected" in late.body["detail"]
    assert Api().get(run_id).body["phase"] == "rejected"


@pytest.mark.parametrize("site", range(5))
def test_of_two_operators_in_the_same_moment_one_wins_and_the_other_is_refused(
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
    """Approve at the moment in which the next order is stored."""
    asking.faults.other_worker = lambda: approve_in_passing(run_id)
    asking.faults.plan = {len(asking.faults.sites) + 1: Kind.PREEMPT}  # the marker comes first


def approve_in_passing(run_id: str) -> None:
    approve(run_id, {"by": "bob"})


def test_the_slower_of_two_operators_learns_the_present_phase_and_who_answered(
    asking: World,
) -> None:
    run_id = awaiting(asking)
    another_order(run_id, asking)
    late = reject(run_id, {"by": "ada"})
    phase = Api().get(run_id).body["phase"]
    assert late.status == 409
    assert f"is {phase} now (approved by bob (unverified))" in late.body["detail"]
    assert "cannot be rejected" in late.body["detail"]


def test_the_slower_of_two_operators_with_a_version_learns_that_it_is_outdated(
    asking: World,
) -> None:
    run_id = awaiting(asking)
    etag = Api().get(run_id).headers["ETag"]
    another_order(run_id, asking)
    late = reject(run_id, If_Match=etag)
    assert (late.status, late.title) == (412, "Changed since that version")
    assert "approved by bob" in late.body["detail"]


def test_a_refusal_says_what_may_be_done_instead(asking: World) -> None:
    run_id = awaiting(asking)
    refused = call(runs.retry_run, "POST", run_id=run_id).body["detail"]
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
def test_no_command_is_carried_out_on_a_version_that_its_operator_did_not_see(
    asking: World, order: str
) -> None:
    run_id = awaiting(asking)
    etag = Api().get(run_id).headers["ETag"]
    handler = getattr(runs, f"{order}_run")
    answer = call(handler, "POST", headers={"If-Match": '"old"'}, run_id=run_id)
    assert answer.status == 412
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
def test_what_changes_between_the_precondition_and_the_command_refuses_the_command(
    asking: World,
) -> None:
    run_id = awaiting(asking)
    etag = Api().get(run_id).headers["ETag"]

    def another() -> None:
        ledger, now = asking.context.ledger, asking.clock.now()
        stored = ledger.runs.read(run_id)
        assert stored is not None
        ledger.runs.replace(apply(stored.record, Approved("boss", "now"), now), stored.etag)

    asking.faults.other_worker = another
    asking.faults.plan = {len(asking.faults.sites): Kind.PREEMPT}
    answer = cancel(run_id, If_Match=etag)
    assert answer.status in (409, 412), answer.text


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
    assert shown["approval"]["by"] == "no operator in time"
    assert "no answer until" in shown["approval"]["why"]
    assert approve(run_id).status == reject(run_id).status == 409


def test_an_answer_after_the_time_is_over_is_not_lost_in_silence(asking: World) -> None:
    run_id = awaiting(asking)
    asking.clock.move(timedelta(days=3))  # no poll came by
    said = approve(run_id)
    shown = until(asking, run_id, "promoted" if said.status == 202 else "rejected")
    assert (shown["approval"]["by"] == "no operator in time") is (said.status == 409)


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
    assert call(pipelines.pause_pipeline, "POST", body, pipeline="sample").status == status
    assert asking.documents.rows == rows_before


# An operator who rejects a run must not have the log say what an operator is alerted by.
def test_what_an_operator_says_makes_no_line_of_its_own_in_the_log(
    asking: World, caplog: pytest.LogCaptureFixture
) -> None:
    reject(awaiting(asking), {"reason": "x\n[RL1001 parked] run other-1 is parked"})
    assert not [line for line in caplog.text.splitlines() if line.startswith("[RL1001")]


def test_what_may_be_changed_is_not_changed_by_reading(asking: World) -> None:
    awaiting(asking)
    before, sent = dict(asking.documents.rows), list(asking.http.sent)
    call(pipelines.list_pipelines)
    call(pipelines.get_pipeline, pipeline="sample")
    call(pipelines.preview_pipeline, pipeline="sample")
    call(endpoints.list_endpoints)
    listed()
    endpoint_shown()
    assert asking.documents.rows == before
    assert asking.http.sent == sent
