"""The preview of a pipeline: which blobs match, and which request would be sent."""

import json
from datetime import timedelta

from functions import pipelines
from tests.fakes.world import World
from tests.functions.calls import Api, OneLineText
from tests.functions.conftest import Serve, app_over, present_world, secrets_of
from tests.functions.operators import call


def test_a_preview_shows_the_request_and_sends_and_writes_nothing(world: World, api: Api) -> None:
    world.upload("first.csv")
    world.clock.move(timedelta(minutes=1))
    world.upload("second.csv")
    sent, records = list(world.http.sent), dict(world.documents.rows)
    blobs = dict(world.blobs.store.contents)
    answer = call(pipelines.preview_pipeline, pipeline="sample")
    assert answer.status == 200
    assert [one["blob"] for one in answer.body["matches"]] == [
        "training-data/second.csv",
        "training-data/first.csv",
    ]
    assert "second.csv" in json.dumps(answer.body["request"])
    named_ = call(pipelines.preview_pipeline, query={"data": "first.csv"}, pipeline="sample")
    assert "first.csv" in json.dumps(named_.body["request"])
    assert (world.http.sent, world.documents.rows) == (sent, records)
    assert world.blobs.store.contents == blobs
    secrets = [*secrets_of(world), "se=", "sp="]
    assert not [secret for secret in secrets if secret in answer.text + named_.text]


def test_a_preview_of_no_data_and_of_data_that_is_not_there_says_so(world: World, api: Api) -> None:
    answer = call(pipelines.preview_pipeline, pipeline="sample")
    assert answer.status == 200
    assert "request" not in answer.body
    assert any("no blob matches" in note for note in answer.body["notes"])
    missing = call(pipelines.preview_pipeline, query={"data": "x.csv"}, pipeline="sample")
    assert (missing.status, missing.body["title"]) == (400, "No such data")


def test_a_preview_says_what_became_of_each_blob(world: World, api: Api) -> None:
    world.upload("taken.csv")
    (run,) = world.deliver("taken.csv")
    world.clock.move(timedelta(minutes=1))
    world.upload("new.csv")
    states = states_of(call(pipelines.preview_pipeline, pipeline="sample"))
    assert states == {"taken.csv": f"run {run.run_id}", "new.csv": "new"}


def states_of(answer: OneLineText) -> dict[str, str]:
    return {one["blob"].partition("/")[2]: one["state"] for one in answer.body["matches"]}


def test_a_preview_shows_the_blob_that_the_next_run_would_train_on(serve: Serve) -> None:
    world = present_world(pipeline={"data": {"blob": "{name}.csv", "min_size": "10B"}})
    serve(app_over(world))
    world.upload("large.csv")
    world.clock.move(timedelta(minutes=1))
    world.upload("small.csv", b"a\n")
    answer = call(pipelines.preview_pipeline, pipeline="sample")
    assert states_of(answer)["small.csv"] == "too small"
    assert Api().start().body["manifest"][0]["name"] == "large.csv"
    assert "large.csv" in json.dumps(answer.body["request"])


def test_a_preview_counts_the_least_size_and_the_first_moment_in(serve: Serve) -> None:
    config = {"data": {"blob": "{name}.csv", "min_size": "4B", "opens_runs": False}}
    world = present_world(pipeline=config)
    serve(app_over(world))
    world.app.activations.refresh()
    world.upload("small.csv", b"a\n1")
    world.upload("large.csv", b"a\n1\n")
    activated = world.context.ledger.activations.read("sample")
    assert activated is not None
    (large,) = [facts for key, facts in world.blobs.facts.items() if key.endswith("/large.csv")]
    large.modified = activated.record.activated_at
    answer = call(pipelines.preview_pipeline, pipeline="sample")
    assert states_of(answer) == {"small.csv": "too small", "large.csv": "new"}
    assert "opens_runs: false: an arrival by itself starts nothing" in answer.body["notes"]
    world.upload("old.csv")
    (old,) = [facts for key, facts in world.blobs.facts.items() if key.endswith("/old.csv")]
    old.modified = large.modified - timedelta(seconds=1)
    states = states_of(call(pipelines.preview_pipeline, pipeline="sample"))
    assert states["old.csv"] == "older than the pipeline"


def test_a_preview_names_the_list_that_a_job_would_be_given(serve: Serve) -> None:
    world = present_world(training={"inputs": {"input1": "{data.manifest}"}})
    serve(app_over(world))
    world.upload("a.csv")
    answer = call(pipelines.preview_pipeline, pipeline="sample")
    assert "manifest.csv" in json.dumps(answer.body["request"])
    assert not any("opens_runs" in note for note in answer.body["notes"])
