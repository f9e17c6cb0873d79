"""From new data to a model that goes live step by step, over real processes; models are made up.

A host that is killed during a step continues it, and an operator's change meanwhile stays.
Kills at each call: `proofs/azureml_kills.py`; with models in containers of their own: `make demo`.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import pytest
import requests

from local.demo.app_stage import DATA, MODELS
from local.demo.serving_stage import ServingStage
from proofs.kill_points import kill
from shared.core.serving.traffic import ALL
from tests.e2e.watching import ended, run_of
from tests.waiting import eventually

FIRST, SECOND = (f"breast-cancer/{name}.csv" for name in ("first", "second"))
HOLDOUT = "holdouts/breast-cancer.csv"
SHORT = {"AzureFunctionsJobHost__functionTimeout": "00:00:08", "CLAIM_LEASE": "9s"}


class MadeUp(ServingStage):
    """Models that are made up: no container is started for any of them.

    Their scores mean nothing, so that the margin of the comparison is a wide one.
    """

    flags = ("--made-up-scores",)
    steps: Mapping[str, object] = MappingProxyType({"steps": [20, 50, 100], "bake": "3s"})

    def pipeline(self) -> dict[str, Any]:
        known = super().pipeline()
        known["gate"]["rules"][1]["max_drop"] = 0.6
        known["gate"]["compare"] = {"holdout": f"{DATA}/{HOLDOUT}", "label": "benign"}
        return known

    def upload_holdout(self) -> None:
        """Upload rows with ids, that no run trains on."""
        header, *rows = self.data(1).splitlines()
        lines = [b"id," + header, *(b"r%d," % at + row for at, row in enumerate(rows[-250:]))]
        self.upload(HOLDOUT, b"\n".join(lines))


@pytest.fixture(scope="module")
def stage() -> Iterator[MadeUp]:
    """A first model made the endpoint, and has all requests."""
    with MadeUp(SHORT) as built:
        built.upload_holdout()
        built.upload(FIRST, built.data(0.4))
        run = ended(built, FIRST)
        assert run["phase"] == "promoted", run["reason"]
        assert [step["share"] for step in run["promotion"]["steps"]] == [ALL]
        assert built.traffic() == {of(run): ALL}
        yield built


def test_a_model_gets_its_traffic_in_steps_after_faults_of_host_and_traffic(
    stage: MadeUp,
) -> None:
    (old,), sent = stage.traffic(), puts(stage)
    (first,) = stage.runs()
    stage.upload(SECOND, stage.data(0.55))
    goes_on_after_a_kill(stage, old)
    compares_on_the_holdout(stage, run_of(stage, SECOND), first["run_id"])
    keeps_what_an_operator_changes(stage, old)
    assert puts(stage) == sent + 3  # one for each share
    runs = stage.runs()
    assert {of(run) for run in runs} == set(stage.deployments())
    assert len(stage.jobs()) == len(runs)
    assert stage.violations() == []
    assert stage.leaks() == []


def compares_on_the_holdout(stage: MadeUp, run: Mapping[str, Any], other: str) -> None:
    """Check that the app had both models score each row of the holdout before the first step."""
    (found,) = [one for result in run["verdict"]["results"] for one in result["comparisons"]]
    assert (found["against"], found["run_id"], found["rows"]) == ("live", other, 250)
    name = f"runs/{run['pipeline']}/{run['run_id']}/predictions.csv"
    content = stage.storage.get_blob_client(MODELS, name).download_blob().readall()
    header, *lines = content.decode().splitlines()
    assert header == "id,benign,candidate,live"
    assert [line.partition(",")[0] for line in lines] == [f"r{at}" for at in range(250)]


def goes_on_after_a_kill(stage: MadeUp, old: str) -> None:
    begun = when(stage, partial(lasts, at=0), "a first step that lasts")
    kill(stage.host)
    assert stage.traffic() == {old: 80, of(begun): 20}
    stage.host.start()
    second = when(stage, partial(lasts, at=1), "a second step that lasts")
    before, after = begun["promotion"]["steps"], second["promotion"]["steps"]
    assert [step["share"] for step in after] == [20, 50, 100]
    assert after[0]["began_at"] == before[0]["began_at"]


def keeps_what_an_operator_changes(stage: MadeUp, old: str) -> None:
    """Change the traffic by hand, and retry the run over HTTP."""
    (new,) = set(stage.traffic()) - {old}
    by_hand = {old: 40, new: 60}
    stage.workspace.order("traffic", endpoint=stage.endpoint, traffic=by_hand)
    parked = when(stage, lambda run: run["phase"] == "parked", "a parked run")
    assert "others changed production" in parked["reason"]
    for share in (60, 50, 20):  # what is there, what was to be, and what was before that
        assert f"{new} {share} %" in parked["reason"]
    assert "go on from the traffic as it is now" in parked["advice"]
    sent, seen = puts(stage), ticks(stage)
    eventually(lambda: ticks(stage) > seen + 2, "three more ticks")
    assert (stage.traffic(), puts(stage)) == (by_hand, sent)
    url = f"{stage.host.url}/api/runs/{parked['run_id']}/retry"
    answer = requests.post(url, json={"reason": "60 % is right"}, timeout=30)
    assert answer.ok, answer.text
    run = when(stage, lambda run: run["phase"] == "promoted", "a model that serves")
    assert [step["share"] for step in run["promotion"]["steps"]] == [ALL]
    assert stage.traffic() == {new: ALL}
    assert run["operator_request"]["what"] == "retry"


def when(stage: MadeUp, check: Callable[[dict[str, Any]], object], what: str) -> dict[str, Any]:
    """Return the second run once it is as a check says."""

    def found() -> dict[str, Any]:
        run = run_of(stage, SECOND)
        return run if check(run) else {}

    return eventually(found, what, 60)


def lasts(run: Mapping[str, Any], at: int) -> bool:
    """Whether a step of a run is carried out, and lasts."""
    promotion = run.get("promotion") or {"position": -1}
    return promotion["position"] == at and bool(promotion["steps"][at].get("began_at"))


def of(run: Mapping[str, Any]) -> str:
    return str(run["candidate"]["name"])


def puts(stage: MadeUp) -> int:
    """Return how often the endpoint was written."""
    return sum(asked.startswith("PUT endpoint ") for asked in stage.workspace.requests)


def ticks(stage: MadeUp) -> int:
    return stage.host.log.count("poll_jobs succeeded")
