"""Backtests over HTTP: another gate over recorded runs, a page at a time."""

from datetime import timedelta
from typing import Any

import pytest

from functions import pipelines
from tests.fakes.world import World
from tests.functions.calls import Api, OneLineText
from tests.functions.conftest import Serve, app_over, present_world, secrets_of
from tests.functions.operators import call, rows

ALLOW = {"metrics": "output2", "first_model": "allow"}
AUC = {"metric": "AUC", "at_least": 0.5}


def backtest(body: Any, pipeline: str = "sample") -> OneLineText:
    return call(pipelines.backtest_pipeline, "POST", body, pipeline=pipeline)


@pytest.fixture
def judged(serve: Serve) -> World:
    """A world in which two models were judged and promoted."""
    world = present_world(pipeline={"gate": {**ALLOW, "rules": [AUC]}})
    serve(app_over(world))
    for number in (1, 2):
        world.clock.move(timedelta(minutes=1))
        world.upload(f"{number}.csv", rows(number))
        world.deliver(f"{number}.csv")
        world.until_ended()
    return world


def test_a_backtest_says_which_runs_would_have_ended_differently(judged: World) -> None:
    strict = {**ALLOW, "rules": [{"metric": "AUC", "at_least": 2}, {**AUC, "observe": True}]}
    answer = backtest({"gate": strict})
    assert answer.status == 200
    numbers = {name: answer.body[name] for name in ("replayed", "changed", "not_replayable")}
    assert numbers == {"replayed": 2, "changed": 2, "not_replayable": 0}
    newest = answer.body["runs"][0]
    assert newest["run_id"] == Api().endpoint().body["serving"]["run_id"]
    assert (newest["phase"], newest["by"], newest["changed"]) == ("promoted", "record", True)
    assert (newest["recorded"]["action"], newest["replayed"]["action"]) == ("promote", "reject")
    assert newest["replayed"]["outcome"] == "worse"
    assert "is below at_least 2" in newest["replayed"]["reason"]
    rules = [(one["outcome"], one["observe"]) for one in newest["replayed"]["rules"]]
    assert rules == [("worse", False), ("fit", True)]


def test_the_file_of_a_request_is_not_looked_for(judged: World) -> None:
    compare = {"holdout": "training-data/rows.csv", "request": "request.json"}
    answer = backtest({"gate": {"compare": compare, "rules": [{"metric": "AUC", "max_drop": 0.1}]}})
    assert answer.status == 400
    assert "production cannot hold a candidate" in answer.text
    assert "compare.request" not in answer.text
    assert "gate.compare.request" in backtest({"gate": {"compare": {**compare, "request": 1}}}).text


def test_the_gate_of_the_pipeline_itself_changes_nothing(judged: World) -> None:
    records, blobs = dict(judged.documents.rows), dict(judged.blobs.store.contents)
    gate = call(pipelines.get_pipeline, pipeline="sample").body["config"]["gate"]
    for from_files, by in ((False, "record"), (True, "files")):
        answer = backtest({"gate": gate, "from_files": from_files})
        assert answer.status == 200, answer.text
        assert answer.body["changed"] == 0
        for one in answer.body["runs"]:
            assert (one["by"], one["replayed"]) == (by, one["recorded"])
    assert (judged.documents.rows, judged.blobs.store.contents) == (records, blobs)


def test_a_page_names_the_next_one(judged: World) -> None:
    gate = {**ALLOW, "rules": [AUC]}
    first = backtest({"gate": gate, "limit": 1})
    second = backtest({"gate": gate, "limit": 1, "cursor": first.body["next"]})
    ids = [one["run_id"] for page in (first, second) for one in page.body["runs"]]
    assert ids == [one["run_id"] for one in backtest({"gate": gate}).body["runs"]]
    assert backtest({"gate": gate, "cursor": "x"}).status == 400


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "gate: is missing"),
        ({"gate": {}}, "gate.rules: there are none to replay: write at least one"),
        ({"gate": {"rules": [{"metric": "AUC"}]}}, "gate.rules.0: the rule has no bound"),
        ({"gate": {"rules": [{**AUC, "at_least": "0.5"}]}}, "gate.rules.0.at_least: must be a num"),
        ({"gate": {"rule": []}}, "gate.rule: is not read here: leave it out"),
        (
            {"gate": {"rules": [AUC], "compare": {"predictions": "output2", "level": 0.9}}},
            "gate.compare.level: is not a percentage: write it like 90%",
        ),
        ({"gate": {"rules": [AUC], "metrics": "output1"}}, "output1 is a model"),
        ({"gate": {"rules": [AUC]}, "limit": 51}, "limit: "),
    ],
)
def test_a_gate_with_a_mistake_is_refused_with_its_place(
    judged: World, body: Any, said: str
) -> None:
    answer = backtest(body)
    assert (answer.status, answer.body["kind"]) == (400, "invalid_request")
    assert said in answer.body["detail"]


def test_a_pipeline_that_is_not_there_and_a_secret_are_refused(judged: World) -> None:
    assert backtest({"gate": {"rules": [AUC]}}, "other").body["kind"] == "no_such_pipeline"
    key = judged.training.api_key
    refused = backtest({"gate": {"rules": [{**AUC, "metric": key}]}})
    assert (refused.status, refused.title) == (400, "Secret in the request")
    assert not [one for one in secrets_of(judged) if one in refused.text]
