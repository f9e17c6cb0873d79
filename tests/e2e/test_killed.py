"""A host is killed in a call and started again: there is one started job, and its model goes live.

Kills at every other call, before and after its effect: `proofs/host_kills.py`, and its short form.
"""

from collections.abc import Iterator

import pytest

from local.demo.stage import Stage
from tests.e2e.watching import ended, starts
from tests.waiting import eventually

SHORT = {"AzureFunctionsJobHost__functionTimeout": "00:00:08", "CLAIM_LEASE": "9s"}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage(SHORT, switch_seconds=1) as built:
        yield built


def test_a_kill_while_the_service_starts_the_job_costs_nothing(stage: Stage) -> None:
    before, asked = sum(starts(stage)), _asked_to_start(stage)
    stage.studio.add_fault(match="POST */start", kind="delay", seconds=3)
    stage.upload("breast-cancer/killed.csv", stage.data(0.5))
    eventually(lambda: _asked_to_start(stage) > asked, "the start at the service")
    stage.host.kill()
    stage.host.start()
    run = ended(stage, "breast-cancer/killed.csv", seconds=100)
    assert run["phase"] == "promoted", run
    assert sum(starts(stage)) == before + 1
    assert stage.leaks() == []


def _asked_to_start(stage: Stage) -> int:
    return sum(r.startswith("POST") and r.endswith("/start") for r in stage.studio.requests)


def test_an_answer_that_is_lost_starts_no_second_job(stage: Stage) -> None:
    for call in ("POST */jobs", "POST */start", "PATCH */production"):
        stage.studio.add_fault(match=call, kind="drop_after")
    before = sum(starts(stage))
    stage.upload("breast-cancer/lost.csv", stage.data(0.7))
    run = ended(stage, "breast-cancer/lost.csv")
    assert run["phase"] == "promoted", run
    assert sum(starts(stage)) == before + 1
