"""Killed in the middle of a call and started again: still one started job, and it goes live."""

from collections.abc import Iterator

import pytest

from local.demo.stage import Stage
from tests.e2e.watching import ended, starts
from tests.waiting import eventually

SHORT = {"AzureFunctionsJobHost__functionTimeout": "00:00:08", "CLAIM_LEASE": "9s"}


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage(SHORT, switch_seconds=1) as built:
        yield built


@pytest.mark.parametrize("call", ["POST */jobs", "POST */start", "PATCH */production"])
def test_a_kill_inside_a_call_costs_nothing(stage: Stage, call: str) -> None:
    method, _, path = call.partition(" *")
    stage.studio.add_fault(match=call, kind="delay", seconds=3)
    stage.upload("breast-cancer/killed.csv", stage.data(0.5))

    def arrived() -> bool:
        return any(r.startswith(method) and r.endswith(path) for r in stage.studio.requests)

    eventually(arrived, f"{call} at the service")
    stage.host.kill()
    stage.host.start()
    run = ended(stage, "breast-cancer/killed.csv", seconds=100)
    assert run["phase"] == "promoted", run
    assert sum(starts(stage)) == 1
    assert stage.leaks() == []


def test_an_answer_that_is_lost_starts_no_second_job(stage: Stage) -> None:
    for call in ("POST */jobs", "POST */start", "PATCH */production"):
        stage.studio.add_fault(match=call, kind="drop_after")
    stage.upload("breast-cancer/lost.csv", stage.data(0.5))
    run = ended(stage, "breast-cancer/lost.csv")
    assert run["phase"] == "promoted", run
    assert sum(starts(stage)) == 1
