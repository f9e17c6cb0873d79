"""A message about a job that ended has its run checked once, and costs nothing otherwise."""

import json
from dataclasses import replace
from typing import Any

import pytest

from shared.core.run.record import Phase
from shared.errors import PermanentError, TransientError
from tests.fakes.azureml_runs import AzureMlRuns
from tests.unit.worlds import CountingDocuments


def message(job: str, status: str | None = "Completed") -> bytes:
    data: dict[str, Any] = {"RunId": job, "runTags": {}}
    kind = "RunCompleted" if status is None else "RunStatusChanged"
    if status:
        data["runStatus"] = status
    event = {
        "topic": "/subscriptions/s/providers/Microsoft.MachineLearningServices/workspaces/w",
        "subject": f"experiments/e/runs/{job}",
        "eventType": f"Microsoft.MachineLearningServices.{kind}",
        "data": data,
    }
    return json.dumps(event).encode()


@pytest.fixture
def world() -> AzureMlRuns:
    """A world with a run whose job is under way."""
    made = AzureMlRuns()
    made.upload("a.csv")
    made.deliver("a.csv")
    made.clock.move(made.limits.check_interval_min)
    made.poll.tick()  # from now on the marker of the run has its job
    assert made.run().phase is Phase.TRAINING
    return made


def sent(world: AzureMlRuns) -> list[str]:
    return world.wire.sent


def calls(world: AzureMlRuns) -> list[str]:
    documents = world.documents
    assert isinstance(documents, CountingDocuments)
    return documents.calls


@pytest.mark.parametrize("status", ["Completed", "failed", None])
def test_a_job_that_ended_advances_its_run_at_once(world: AzureMlRuns, status: str | None) -> None:
    [job] = world.jobs
    world.azureml.hooks.finish_jobs()
    world.app.workspace_events.received(message(job, status))
    assert world.run().phase is not Phase.TRAINING


def test_an_event_that_is_wrong_changes_nothing(world: AzureMlRuns) -> None:
    [job] = world.jobs
    before = world.everything_stored()
    asked = len(sent(world))
    for _ in range(2):
        world.app.workspace_events.received(message(job, "Failed"))
    assert world.run().phase is Phase.TRAINING
    assert world.everything_stored() == before
    assert len(sent(world)) - asked == 2  # the service is asked once for each


@pytest.mark.parametrize("status", ["Running", "Queued"])
def test_a_job_under_way_costs_nothing(world: AzureMlRuns, status: str) -> None:
    [job] = world.jobs
    asked, read = len(sent(world)), len(calls(world))
    world.app.workspace_events.received(message(job, status))
    assert (len(sent(world)), len(calls(world))) == (asked, read)


@pytest.mark.parametrize(
    ("job", "cost"),
    [
        ("happy_rice_123", []),
        ("3f2b1c9a-0000-4000-8000-000000000000", []),
        ("rl-sample-0123456789ab-1", ["list open"]),
        ("rl-other-0123456789ab-1", ["list open"]),
        (f"rl-{'a' * 60_000}-0123456789ab-1", []),
        (f"rl-other-0123456789ab-{'1' * 60_000}", []),
    ],
)
def test_an_unknown_job_is_ignored_cheaply(world: AzureMlRuns, job: str, cost: list[str]) -> None:
    asked, read = len(sent(world)), len(calls(world))
    world.app.workspace_events.received(message(job))
    assert len(sent(world)) == asked
    assert calls(world)[read:] == cost


def test_a_ledger_that_does_not_answer_fails_no_message(
    world: AzureMlRuns, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: str) -> None:
        raise TransientError("the storage account is busy")

    caplog.set_level("INFO")
    monkeypatch.setattr(world.documents, "listing", refuse)
    world.app.workspace_events.received(message(world.jobs[0]))
    assert "is left to the next poll" in caplog.text


def test_other_events_are_ignored_and_what_is_none_fails(world: AzureMlRuns) -> None:
    event = json.loads(message("x"))
    event["eventType"] = "Microsoft.MachineLearningServices.ModelRegistered"
    world.app.workspace_events.received(json.dumps(event).encode())
    with pytest.raises(PermanentError, match="not an event of Event Grid"):
        world.app.workspace_events.received(b"{}")


def test_a_tick_ends_well_while_an_event_has_a_run_checked(world: AzureMlRuns) -> None:
    [marker] = world.context.ledger.open_markers.listed()
    checks = world.app.checks
    others = [replace(marker, run_id=f"other-{number}") for number in range(3)]

    class Meanwhile(frozenset[str]):
        """Open runs; while they are compared, an event has another run checked."""

        def __contains__(self, run: object) -> bool:
            if others:
                checks.check(others.pop(), world.clock.now())
            return super().__contains__(run)

    checks.forget(Meanwhile({marker.run_id}))
    assert len(others) < 3
    assert not checks.is_new(marker)
