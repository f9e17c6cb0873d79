"""Entries of a pipelines file: their fields, and the report of differences."""

from dataclasses import replace
from typing import Any

import pytest

from shared.core.config.pipeline import Pipeline
from shared.importers.data_factory.account import ImportOutcome, Place
from shared.importers.data_factory.drafts import Draft, ImportOptions, Timing
from shared.importers.data_factory.entries import Entries, entries
from shared.importers.data_factory.values import unique
from tests.unit.importers.drafted import FILE, JOBS, NEW, SCORING, UPDATE, WEEKLY, Drafted


@pytest.fixture
def drafted() -> Drafted:
    return Drafted()


def trees_of(made: Entries) -> dict[str, Any]:
    return {name: entry.tree for name, entry in made.pipelines.items()}


def tree_of(drafted: Drafted, *drafts: Draft) -> dict[str, Any]:
    trees = trees_of(entries(drafts, drafted.context))
    for name, tree in trees.items():
        Pipeline.model_validate({**tree, "name": name}, context={})
    assert len(trees) == len(drafts)
    return next(iter(trees.values()))


def texts(drafted: Drafted, outcome: ImportOutcome) -> list[str]:
    return [line.text for line in drafted.account.lines.values() if line.outcome is outcome]


def test_a_training_with_its_update_becomes_one_pipeline(drafted: Drafted) -> None:
    assert tree_of(drafted, drafted.draft()) == {
        "data": {"blob": "churn/data.arff", "opens_runs": False},
        "schedule": {"frequency": "Week"},
        "catch_up": "all",
        "when_busy": "queue",
        "training": {
            "service": JOBS,
            "api_key": "${TRAININGENDPOINT_API_KEY}",
            "inputs": {"trainingData": "{data}"},
            "outputs": {"trainedModel": "model.ilearner"},
        },
        "gate": {"first_model": "allow"},
        "endpoints": [
            {
                "name": "scoringEndpoint",
                "update": UPDATE,
                "api_key": "${SCORINGENDPOINT_API_KEY}",
                "resource": "Churn [trained model]",
            }
        ],
    }
    (old,) = texts(drafted, ImportOutcome.APPROXIMATED)
    assert "the factory wrote training/models/churn.ilearner" in old
    data, update = texts(drafted, ImportOutcome.MAPPED)
    assert data == "churn: data.blob: churn/data.arff, for which the input has {data}"
    assert update.startswith("churn: endpoints: scoringEndpoint")


def test_a_path_to_fill_in_is_not_said_to_be_the_data(drafted: Drafted) -> None:
    job = drafted.job(inputs={"a": drafted.path("fill-in/a.csv", container="")})
    assert tree_of(drafted, drafted.draft(job=job))["data"]["blob"] == "fill-in/a.csv"
    assert not any("data.blob" in one for one in texts(drafted, ImportOutcome.MAPPED))


def test_a_service_of_resource_manager_has_no_key(drafted: Drafted) -> None:
    service = replace(SCORING, update_url=NEW, endpoint_kind="webservice")
    tree = tree_of(drafted, drafted.draft(updates=(drafted.update(service),)))
    assert tree["endpoints"] == [
        {
            "name": "scoringEndpoint",
            "kind": "webservice",
            "update": NEW,
            "resource": "Churn [trained model]",
        }
    ]


def test_retries_timeout_and_parameters_are_written_with_their_types(drafted: Drafted) -> None:
    given = {"rows": 5, "share": 0.5, "quick": True, "code": "01234"}
    job = drafted.job(attempts=4, pause="30s", timeout="1h", parameters=given)
    training = tree_of(drafted, drafted.draft(job=job))["training"]
    assert (training["attempts"], training["pause"], training["timeout"]) == (4, "30s", "1h")
    assert training["parameters"] == given
    assert [type(one) for one in training["parameters"].values()] == [int, float, bool, str]


def test_a_service_with_one_input_without_a_name_gets_it(drafted: Drafted) -> None:
    job = drafted.job(inputs={}, single_input=drafted.path("in.csv"))
    assert tree_of(drafted, drafted.draft(job=job))["training"]["input"] == "{data}"


def test_a_job_without_inputs_has_no_data(drafted: Drafted) -> None:
    timing = replace(WEEKLY, wait_for_data={"at_most": "1h"})
    tree = tree_of(drafted, drafted.draft(job=drafted.job(inputs={}), timing=timing))
    assert "data" not in tree
    assert "wait_for_data" not in tree
    assert tree["training"]["inputs"] == {}
    assert any(
        "wait_for_data is left out" in one for one in texts(drafted, ImportOutcome.APPROXIMATED)
    )


def test_the_data_is_what_is_named_or_a_folder_or_the_first(drafted: Drafted) -> None:
    first, second, folder = (drafted.path(name) for name in ("a.csv", "b.csv", "more"))
    for inputs, named, blob in (
        ((first, second), None, "a.csv"),
        ((first, second), second, "b.csv"),
        ((first, second, folder), None, "more/{name}"),
    ):
        job = drafted.job(inputs={f"input{at}": one for at, one in enumerate(inputs)})
        draft = drafted.draft(job=job, timing=Timing(data=named))
        tree = tree_of(drafted, draft)
        assert tree["data"]["blob"] == blob
        given = ["{data}" if one.name in blob else one.name for one in inputs]
        assert list(tree["training"]["inputs"].values()) == given


def test_a_name_whose_suffix_has_no_letter_is_a_folder(drafted: Drafted) -> None:
    for name in ("v1.0", "in/2016.01", "{start:yyyy}", ""):
        assert drafted.path(name).is_folder, name
    for name in ("v1.csv", "{start:yyyy.MM}.arff", "in/{name}", "a.b/c.7z"):
        assert not drafted.path(name).is_folder, name


def test_a_path_that_is_not_known_is_not_made_up(drafted: Drafted) -> None:
    job = drafted.job(outputs={"scores": drafted.path("scores.csv", container="")})
    tree_of(drafted, drafted.draft(job=job, updates=()))
    (text,) = texts(drafted, ImportOutcome.APPROXIMATED)
    assert text.endswith("the path that the factory wrote is unknown")


def test_a_second_folder_is_approximated(drafted: Drafted) -> None:
    job = drafted.job(inputs={"a": drafted.path("one"), "b": drafted.path("two")})
    tree = tree_of(drafted, drafted.draft(job=job))
    assert tree["training"]["inputs"] == {"a": "{data}", "b": "two/{name}"}
    assert any(
        "each run reads two/{name}" in one for one in texts(drafted, ImportOutcome.APPROXIMATED)
    )


def test_an_input_in_another_container_is_reported(drafted: Drafted) -> None:
    inputs = {"a": drafted.path("a.csv"), "b": drafted.path("b.csv", "other", "elsewhere")}
    made = entries([drafted.draft(job=drafted.job(inputs=inputs))], drafted.context)
    assert (made.container, made.account) == ("training", "store")
    assert trees_of(made)["churn"]["training"]["inputs"] == {"a": "{data}", "b": "b.csv"}
    (line,) = (one for one in drafted.account.lines.values() if "other" in one.text)
    assert line.outcome is ImportOutcome.APPROXIMATED
    assert "write this data to training of store" in line.to_do


def test_outputs_that_are_no_model_keep_their_suffix(drafted: Drafted) -> None:
    outputs = {
        "model": drafted.path("m/x.ilearner"),
        "evaluation": drafted.path("e/{start:yyyy.MM}.tsv"),
        "scores of all": drafted.path("folder"),
    }
    job = drafted.job(outputs=outputs)
    files = tree_of(drafted, drafted.draft(job=job))["training"]["outputs"]
    assert files == {
        "model": "model.ilearner",
        "evaluation": "evaluation.tsv",
        "scores of all": "scores-of-all.csv",
    }


def test_each_endpoint_gets_the_model_of_its_own_output(drafted: Drafted) -> None:
    outputs = {"one": drafted.path("one.ilearner"), "two": drafted.path("two.ilearner")}
    updates = tuple(
        drafted.update(resource=name, model=outputs[name], name=name) for name in ("one", "two")
    )
    tree = tree_of(drafted, drafted.draft(job=drafted.job(outputs=outputs), updates=updates))
    assert tree["training"]["outputs"] == {"one": "one.ilearner", "two": "two.ilearner"}
    assert [one["model"] for one in tree["endpoints"]] == ["one", "two"]
    assert [one["name"] for one in tree["endpoints"]] == ["scoringEndpoint", "scoringEndpoint-2"]


def test_a_model_that_an_update_names_needs_no_suffix(drafted: Drafted) -> None:
    model = drafted.path("models/latest")
    job = drafted.job(outputs={"model": model})
    tree = tree_of(drafted, drafted.draft(job=job, updates=(drafted.update(model=model),)))
    assert tree["training"]["outputs"] == {"model": "model.ilearner"}


def test_an_endpoint_that_the_app_refuses_is_left_out_alone(drafted: Drafted) -> None:
    service = replace(SCORING, update_url=UPDATE.replace("second", "default"))
    updates = (drafted.update(service), drafted.update(name="other"))
    (entry,) = entries([drafted.draft(updates=updates)], drafted.context).pipelines.values()
    assert [one["update"] for one in entry.tree["endpoints"]] == [UPDATE]
    assert [name for name, _ in entry.sources] == ["Retrain", "other"]
    line = drafted.account.lines[Place(FILE, ("properties", "activities", 1))]
    assert line.outcome is ImportOutcome.NOT_CARRIED_OVER
    assert "the default endpoint follows its experiment" in line.text


def test_a_pipeline_that_the_app_would_refuse_is_reported_with_the_reason(drafted: Drafted) -> None:
    job = drafted.job(parameters={"query": "{unknown}"})
    assert entries([drafted.draft(job=job)], drafted.context).pipelines == {}
    line = drafted.account.lines[Place(FILE, ("properties", "activities", 0))]
    assert line.outcome is ImportOutcome.NOT_CARRIED_OVER
    assert "unknown token {unknown}" in line.text


def test_data_opens_runs_where_the_factory_did_so(drafted: Drafted) -> None:
    timing = Timing(opens_runs=True, min_size="1MB")
    job = drafted.job(inputs={"a": drafted.path("in/{name}")})
    tree = tree_of(drafted, drafted.draft(timing=timing, job=job))
    assert tree["data"] == {"blob": "in/{name}", "min_size": "1MB"}


def test_blobs_of_another_container_open_no_run(drafted: Drafted) -> None:
    trigger = drafted.element(file="trigger/t.json")
    trigger.mapped("trigger", "t", "churn: data.blob, data.opens_runs: true")
    key = drafted.element("blobPathBeginsWith", file="trigger/t.json")
    landing = replace(drafted.path("{name}", container="landing"), source=key)
    tree = tree_of(drafted, drafted.draft(timing=Timing(opens_runs=True, data=landing)))
    assert tree["data"] == {"blob": "{name}", "opens_runs": False}
    line = drafted.account.lines[trigger.place]
    assert line.outcome is ImportOutcome.APPROXIMATED
    assert "data.opens_runs: false all the same" in line.text
    assert line.asks


def test_two_drafts_of_one_name_are_both_kept(drafted: Drafted) -> None:
    drafts = [drafted.draft(name) for name in ("churn", "churn", "a" * 40, "a" * 40)]
    names = list(entries(drafts, drafted.context).pipelines)
    assert names == ["churn", "churn-2", "a" * 40, f"{'a' * 38}-2"]
    assert unique("a", {"a", "a-2"}, 40) == "a-3"


def test_backfill_is_written_where_the_schedule_has_a_start(drafted: Drafted) -> None:
    drafted.context.options = ImportOptions(backfill=True)
    schedule = {"frequency": "Week", "start": "2026-01-05T00:00:00Z"}
    for given, written in (
        (schedule, {**schedule, "backfill": True}),
        ({"frequency": "Day"}, {"frequency": "Day"}),
        ("0 0 * * *", "0 0 * * *"),
    ):
        draft = drafted.draft(timing=replace(WEEKLY, schedule=given))
        assert tree_of(drafted, draft)["schedule"] == written
