"""New data to a model that serves by steps, through everything that is real but the models.

What an operator changes meanwhile stays, and a host that dies goes on with the step. Kills at each
call: `proofs/azureml_kills.py`; with models in containers of their own: `make demo`.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pytest
import requests

from local.demo.serving_stage import ServingStage
from proofs.kill_points import kill
from shared.core.serving.traffic import ALL
from tests.e2e.watching import ended, run_of
from tests.waiting import eventually

FIRST, CHANGED, KILLED = (f"breast-cancer/{name}.csv" for name in ("first", "changed", "killed"))
SHARE, OTHER_SHARE = 20, 30
SHORT = {"AzureFunctionsJobHost__functionTimeout": "00:00:08", "CLAIM_LEASE": "9s"}


class MadeUp(ServingStage):
    """Models that are made up: no container is started for any of them."""

    flags = ("--made-up-scores",)
    steps: Mapping[str, object] = MappingProxyType({"steps": [SHARE, 100], "bake": "2s"})


@pytest.fixture(scope="module")
def stage() -> Iterator[MadeUp]:
    """A first model made the endpoint, and has all requests."""
    with MadeUp(SHORT) as built:
        built.upload(FIRST, built.data(0.4))
        run = ended(built, FIRST)
        assert run["phase"] == "promoted", run
        assert [step["share"] for step in run["promotion"]["steps"]] == [ALL]
        assert built.traffic() == {of(run): ALL}
        yield built


def when(
    stage: MadeUp, blob: str, check: Callable[[dict[str, Any]], object], what: str
) -> dict[str, Any]:
    """Return the run of a blob once it is as a check says."""

    def found() -> dict[str, Any]:
        run = run_of(stage, blob)
        return run if check(run) else {}

    return eventually(found, what)


def lasts(run: Mapping[str, Any]) -> bool:
    """Whether the first step of a run is carried out, and lasts."""
    promotion = run.get("promotion") or {"position": -1}
    return promotion["position"] == 0 and bool(promotion["steps"][0].get("began_at"))


def is_parked(run: Mapping[str, Any]) -> bool:
    return str(run["phase"]) == "parked"


def of(run: Mapping[str, Any]) -> str:
    return str(run["candidate"]["name"])


def puts(stage: MadeUp) -> int:
    """Return how often the endpoint was written."""
    return sum(asked.startswith("PUT endpoint ") for asked in stage.workspace.requests)


def nothing_is_wrong(stage: MadeUp) -> None:
    """No request was unsafe, each run started one job, and no secret is anywhere."""
    runs = stage.runs()
    assert {of(run) for run in runs} == set(stage.deployments())
    assert len(stage.jobs()) == len(runs)
    assert stage.violations() == []
    assert stage.leaks() == []


def test_what_an_operator_changes_while_a_step_lasts_stays_until_the_run_is_retried(
    stage: MadeUp,
) -> None:
    (old,) = stage.traffic()
    stage.upload(CHANGED, stage.data(0.6))
    new = of(when(stage, CHANGED, lasts, "a step that lasts"))
    assert stage.traffic() == {old: ALL - SHARE, new: SHARE}
    by_hand = {old: ALL - OTHER_SHARE, new: OTHER_SHARE}
    stage.workspace.order("traffic", endpoint=stage.endpoint, traffic=by_hand)
    parked = when(stage, CHANGED, is_parked, "a parked run")
    for text in (f"{new} {OTHER_SHARE} %", f"{new} {SHARE} %", "others changed production"):
        assert text in parked["reason"]
    assert "retry the run to go on from the traffic as it is now" in parked["advice"]
    sent, seen = puts(stage), stage.host.log.count("poll_jobs succeeded")
    eventually(lambda: stage.host.log.count("poll_jobs succeeded") > seen + 2, "three more ticks")
    assert (stage.traffic(), puts(stage)) == (by_hand, sent)
    url = f"{stage.host.url}/api/runs/{parked['run_id']}/retry"
    answer = requests.post(url, json={"reason": "30 % is right"}, timeout=30)
    assert answer.ok, answer.text
    run = when(stage, CHANGED, lambda run: run["phase"] == "promoted", "a model that serves")
    assert [step["share"] for step in run["promotion"]["steps"]] == [ALL]
    assert stage.traffic() == {new: ALL}
    assert run["operator_request"]["what"] == "retry"
    nothing_is_wrong(stage)


def test_a_host_that_dies_while_a_step_lasts_goes_on_with_it(stage: MadeUp) -> None:
    (old,), sent = stage.traffic(), puts(stage)
    stage.upload(KILLED, stage.data(0.8))
    begun = when(stage, KILLED, lasts, "a step that lasts")
    kill(stage.host)
    assert stage.traffic() == {old: ALL - SHARE, of(begun): SHARE}
    stage.host.start()
    run = ended(stage, KILLED)
    assert run["phase"] == "promoted", run
    steps, before = run["promotion"]["steps"], begun["promotion"]["steps"]
    assert [step["share"] for step in steps] == [SHARE, ALL]
    assert steps[0]["began_at"] == before[0]["began_at"]
    assert stage.traffic() == {of(run): ALL}
    assert puts(stage) == sent + 2
    nothing_is_wrong(stage)
