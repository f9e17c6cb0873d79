"""Each problem of one pipeline is reported once, with its path, its line and its advice."""

from typing import Any

import pytest

from shared.core.config.pipeline import Pipeline
from tests.unit.config.pipelines_file import Change, Load, both, drop, only, put
from tests.unit.samples import BASE, UPDATE, tree

CASES: list[tuple[Change, str, str]] = [
    (put("wen_busy", "x"), "wen_busy", "did you mean `when_busy`?"),
    (put("training.timout", "2h"), "training.timout", "did you mean `timeout`?"),
    (put("endpoints.0.resorce", "x"), "endpoints.0.resorce", "did you mean `resource`?"),
    (put("endpoints.0.verify.row", "x"), "verify.row", "did you mean `rows`?"),
    (put("data.colour", "x"), "data.colour", "known here: blob"),
    (drop("data"), "data", "is missing"),
    (drop("endpoints.0.resource"), "endpoints.0", "resource is missing"),
    (drop("endpoints.0.api_key"), "endpoints.0", "api_key or workspace_token is missing"),
    (put("data", []), "data", "must be a mapping"),
    (put("training.attempts", "two"), "training.attempts", "must be a whole number"),
    (put("training.attempts", 0), "training.attempts", "greater than or equal to 1"),
    (put("training.timeout", 120), "training.timeout", "write it like 30s"),
    (put("training.timeout", "0s"), "training.timeout", "longer than 0s"),
    (put("training.timeout", "7d"), "timeout", "at most 6d22h"),
    (put("training.timeout", "99999999999d"), "training.timeout", "span of time"),
    (put("data.min_size", "big"), "data.min_size", "write it like 1KB"),
    (put("data.min_size", value=True), "data.min_size", "write it like 1KB"),
    (put("data.blob", ""), "data.blob", "at least 1 character"),
    (put("data.blob", "/x.csv"), "data", "leading slash"),
    (put("data.blob", "{na me}.csv"), "data", "token"),
    (put("schedule", "0 3 * *"), "schedule", "six fields"),
    (put("schedule", "0 0 0 30 2 *"), "schedule", "never fires"),
    (put("training.outputs", {"o": "model.bin"}), "outputs.o", ".ilearner"),
    (put("training.outputs", {"o": "deep/model.ilearner"}), "outputs.o", "folder"),
    (put("training.outputs", {"o": "a.ilearner", "p": "b.ilearner"}), "endpoints", "one of"),
    (put("training.outputs", {"o": "a.ilearner", "p": "a.ilearner"}), "outputs", "one file"),
    (put("endpoints.0.model", "output2"), "endpoints", "there is output1"),
    (put("training.parameters", {"Date": "{date}"}), "parameters", "unknown token {date}"),
    (put("training.service", f"{BASE}/execute"), "training.service", "request-response"),
    (put("training.service", "census"), "training.service", "not a URL"),
    (put("endpoints.0.update", f"{BASE}/execute"), "endpoints.0.update", "management URL"),
    (
        put("endpoints.0.update", UPDATE.replace("production", "Default")),
        "endpoints.0.update",
        "default endpoint",
    ),
    (
        put("training.service", f"{BASE}/jobs".replace("https", "http")),
        "training.service",
        "https is required",
    ),
    (
        put("endpoints.0.update", UPDATE.replace("https", "http")),
        "endpoints.0.update",
        "https is required",
    ),
    (put("training.api_key", "c2VjcmV0"), "training.api_key", "as ${NAME}"),
    (put("training.api_key", "x${TRAINING_KEY}"), "training.api_key", "as ${NAME}"),
    (put("endpoints.0.api_key", 5), "endpoints.0.api_key", "must be text: quote it"),
    (put("training.api_key", "${NOT_SET}"), "training.api_key", "NOT_SET is not set"),
    (
        put("training.parameters", {"q": "${NOT_SET}"}),
        "training.parameters.q",
        "NOT_SET is not set",
    ),
    (put("when_busy", "later"), "when_busy", "'newest', 'queue' or 'parallel'"),
    (put("data.settle", "1h"), "data", "must not be longer than settle_at_most"),
    (put("data.backfill", "some"), "data.backfill", "'none', 'newest' or 'all'"),
    (put("data.marker", value=True), "training.inputs", "name the data by a path with its tokens"),
    (put("budget", {"most_per_day": 0}), "budget.most_per_day", "greater than or equal to 1"),
    (put("wait_for_data", {"at_most": "1h"}), "wait_for_data", "need a schedule and data"),
    (put("key", "{date}"), "key", "unknown token {date}"),
    (put("key", 5), "key", "must be a list"),
    (put("max_parallel", 0), "max_parallel", "greater than or equal to 1"),
    (put("roll_out", "all"), "roll_out", "one_by_one"),
    (put("roll_out", {"first": 0}), "roll_out", "greater than or equal to 1"),
    (put("roll_out", {"frist": 1}), "roll_out", "did you mean `first`?"),
    (put("gate", {"metrics": "output2"}), "gate", "write at least one"),
    (put("gate", {"rules": [{"metric": "AUC"}]}), "gate.rules.0", "name one of at_least"),
    (put("gate", {"approval": "maybe"}), "gate.approval", "'none' or 'required'"),
    (put("gate", {"row": {"number": 1}}), "gate", "write `rules` for it"),
    (
        both(drop("endpoints"), put("gate", {"approval": "required"})),
        "gate.approval",
        "or leave `approval` out",
    ),
    (
        both(drop("endpoints"), put("gate", {"rules": [{"metric": "AUC", "max_drop": 0.1}]})),
        "gate.rules: max_drop compares",
        "or write at_least or at_most",
    ),
    (put("endpoints.0.kind", "webservice"), "endpoints.0.update", "Resource Manager URL"),
    (put("endpoints.0.kind", "new"), "endpoints.0.kind", "must be classic, webservice or azureml"),
    (put("endpoints.0.kind", "azureml"), "endpoints", "cannot serve models of studio: use classic"),
    (put("endpoints.0.kind", "AzureML"), "endpoints.0.kind", "did you mean `azureml`?"),
    (put("endpoints.0.kind", "managed_online"), "endpoints.0.kind", "did you mean `azureml`?"),
    (put("endpoints.0.kind", "kubernetes"), "endpoints.0.kind", "not supported yet: use a managed"),
    (
        put("endpoints.0.kind", "batch_endpoint"),
        "endpoints.0.kind",
        "batch endpoints are not supported",
    ),
    (put("endpoints.0.kind", 5), "endpoints.0.kind", "must be classic, webservice or azureml"),
    (put("training.kind", "aml"), "training.kind", "must be studio or azureml"),
    (put("training.kind", "azureml"), "training.workspace", "is missing"),
    (put("endpoints.0.workspace_token", "x"), "workspace_token", "as ${NAME}"),
    (put("endpoints.0.create", value=True), "endpoints.0", "create needs a workspace_token"),
    (put("endpoints.0.create", {"Throttle": "Low"}), "create", "did you mean `ThrottleLevel`?"),
    (put("training", {"input": "{data}", "inputs": {"i": "{data}"}}), "training", "one of the two"),
    (put("training.connection_string", "AccountKey=x"), "connection_string", "as ${NAME}"),
    (put("training.azure_batch_pool_id", "my pool"), "azure_batch_pool_id", "letters A to F"),
    (
        put("endpoints.0.update", UPDATE.replace("production", "{date}")),
        "endpoints",
        "needs a workspace_token",
    ),
    (
        put("endpoints.0.update", UPDATE.replace("//management", "//{name}")),
        "endpoints.0.update",
        "only be in the path",
    ),
    (
        put("training.service", f"{BASE}/jobs".replace("e1", "{name}")),
        "training.service",
        "cannot choose the training service",
    ),
    (put("schedule", {"every": "week"}), "schedule", "is missing"),
    (
        put("training.inputs", {"input1": "a/{data.manifest}"}),
        "training.inputs.input1",
        "must be the whole value",
    ),
    (put("training.inputs", {"input1": "x/{day}.csv"}), "training.inputs", "unknown token {day}"),
    (put("training.inputs", {"input1": "/x.csv"}), "training.inputs.input1", "leading slash"),
    (put("endpoints.0.verify.rows", "none.json"), "verify.rows", "none.json cannot be read"),
    (put("endpoints.0.verify.rows", "broken.json"), "verify.rows", "not JSON"),
    (put("endpoints.0.verify.rows", {"Inputs": {}}), "verify.rows", "must name a file"),
    (put("endpoints.0.verify.rows", "list.json"), "verify.rows", "not a scoring request"),
    (put("endpoints.0.verify.rows", "empty.json"), "verify", "not a scoring request"),
    (put("endpoints.0.verify.within", "0s"), "verify.within", "longer than 0s"),
]


@pytest.mark.parametrize(
    ("change", "path", "message"), CASES, ids=[f"{p}: {s}" for _, p, s in CASES]
)
def test_each_mistake_is_reported_with_its_path_and_its_advice(
    load: Load, change: Change, path: str, message: str
) -> None:
    found = load(change)
    assert found.pipelines == {}
    reported = [str(problem) for problem in found.problems]
    assert any(message in text and path in text for text in reported), reported
    for problem in found.problems:
        file, line, where = problem.where.split(":", 2)
        assert file == "pipelines.yaml"
        assert int(line) >= 2
        assert where.startswith(" pipelines.census")


@pytest.mark.parametrize(
    "changes",
    [
        {"gate": {"row": {"number": 1}}},
        {"gate": {"approval": "required"}, "endpoints": []},
        {"gate": {"rules": [{"metric": "AUC", "min_gain": 0}]}, "endpoints": []},
    ],
)
def test_a_record_of_a_gate_that_is_refused_by_now_stays_readable(changes: dict[str, Any]) -> None:
    assert Pipeline.model_validate(tree(**changes)).name == "sample"


def test_the_line_is_that_of_the_mistake(load: Load) -> None:
    found = load("# a comment\npipelines:\n  census:\n    when_busy: parallel\n    daata: {}\n")
    where = {problem.where for problem in found.problems}
    assert "pipelines.yaml:5: pipelines.census.daata" in where
    assert "pipelines.yaml:3: pipelines.census.training" in where  # missing: where it belongs


def test_one_mistake_is_reported_once(load: Load) -> None:
    for change in (put("training.api_key", "c2VjcmV0"), put("training.timeout", "soon")):
        only(load(change))


def test_every_mistake_is_reported_at_once(load: Load) -> None:
    def change(one: dict[str, Any]) -> None:
        one["colour"] = "x"
        one["training"]["attempts"] = 99
        one["training"]["api_key"] = "c2VjcmV0"
        one["endpoints"][0]["verify"]["rows"] = "none.json"
        del one["when_busy"]

    reported = "\n".join(map(str, load(change).problems))
    for part in ("colour", "attempts", "api_key", "none.json", "when_busy"):
        assert part in reported
