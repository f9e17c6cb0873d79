import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.config.loader import Configuration, load_pipelines
from shared.config.schema import json_schema
from shared.core.config.pipeline import Pipeline
from tests.unit.samples import BASE, ROWS, UPDATE, pipeline, tree

ENVIRONMENT = {"TRAINING_KEY": "SECRET", "ENDPOINT_KEY": "SECRET"}
Load = Callable[..., Configuration]
Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Write pipelines.yaml with one pipeline, changed, or a text; and read it."""

    def write(given: str | Change = lambda _: None, *, development: bool = False) -> Configuration:
        text = given
        if not isinstance(given, str):
            text = yaml.safe_dump({"pipelines": {"census": written(given)}}, sort_keys=False)
        (tmp_path / "probe.json").write_text(json.dumps(ROWS))
        (tmp_path / "list.json").write_text("[1]")
        (tmp_path / "empty.json").write_text(json.dumps({"Inputs": {"input1": []}}))
        (tmp_path / "broken.json").write_text("{not json")
        file = tmp_path / "pipelines.yaml"
        file.write_text(str(text), encoding="utf-8")
        return load_pipelines(file, ENVIRONMENT, development=development)

    return write


def written(change: Change) -> dict[str, Any]:
    one = tree()
    del one["name"]
    one["endpoints"][0]["verify"]["rows"] = "probe.json"
    change(one)
    return one


def put(path: str, value: object) -> Change:
    """Return a change that writes `value` at a dotted path."""

    def change(one: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        holder: Any = one
        for part in parents:
            holder = holder[int(part) if part.isdecimal() else part]
        holder[last] = value

    return change


def drop(path: str) -> Change:
    def change(one: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        holder: Any = one
        for part in parents:
            holder = holder[int(part) if part.isdecimal() else part]
        del holder[last]

    return change


def both(one_change: Change, other: Change) -> Change:
    def change(one: dict[str, Any]) -> None:
        one_change(one)
        other(one)

    return change


def only(configuration: Configuration) -> str:
    assert configuration.pipelines == {}
    (problem,) = configuration.problems
    return str(problem)


def test_a_valid_file_gives_its_pipelines(load: Load) -> None:
    found = load()
    assert found.problems == ()
    pipeline = found.pipelines["census"]
    assert pipeline.training.service == f"{BASE}/jobs?api-version=2.0"
    assert pipeline.endpoint is not None
    assert pipeline.endpoint.verify is not None
    assert pipeline.endpoint.verify.rows == ROWS
    assert "SECRET" not in pipeline.model_dump_json()


def test_a_stored_pipeline_is_read_back_as_it_was(load: Load) -> None:
    pipeline = load(put("training.parameters", {"n": 3, "r": 0.5, "b": True, "s": "3"})).pipelines[
        "census"
    ]
    again = Pipeline.model_validate_json(pipeline.model_dump_json())
    assert again == pipeline
    kinds = [type(value) for value in again.training.parameters.values()]
    assert kinds == [int, float, bool, str]


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_parameter_that_no_record_can_hold_is_refused(load: Load, value: float) -> None:
    assert load(put("training.parameters", {"n": value})).problems


def test_what_people_paste_is_mended(load: Load) -> None:
    def change(one: dict[str, Any]) -> None:
        one["training"]["service"] = f" {BASE}/jobs. "
        one["endpoints"][0]["update"] = f"{UPDATE}."
        one["endpoints"][0]["verify"]["score"] = f"{BASE}/execute/"

    found = load(change)
    assert found.problems == ()
    pipeline = found.pipelines["census"]
    assert pipeline.training.service == f"{BASE}/jobs?api-version=2.0"
    assert pipeline.endpoint is not None
    assert pipeline.endpoint.update == UPDATE


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
    (put("endpoints.0.kind", "azureml"), "endpoints.0.kind", "'classic' or 'webservice'"),
    (put("training.kind", "azureml"), "training.kind", "'studio'"),
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
        "only stand in the path",
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
        "stand alone",
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


@pytest.mark.parametrize(("change", "path", "says"), CASES, ids=[f"{p}: {s}" for _, p, s in CASES])
def test_each_mistake_is_told_with_its_place_and_its_cure(
    load: Load, change: Change, path: str, says: str
) -> None:
    found = load(change)
    assert found.pipelines == {}
    told = [str(problem) for problem in found.problems]
    assert any(says in text and path in text for text in told), told
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


def test_one_mistake_is_told_once(load: Load) -> None:
    for change in (put("training.api_key", "c2VjcmV0"), put("training.timeout", "soon")):
        only(load(change))


def test_every_mistake_is_told_at_once(load: Load) -> None:
    def change(one: dict[str, Any]) -> None:
        one["colour"] = "x"
        one["training"]["attempts"] = 99
        one["training"]["api_key"] = "c2VjcmV0"
        one["endpoints"][0]["verify"]["rows"] = "none.json"
        del one["when_busy"]

    told = "\n".join(map(str, load(change).problems))
    for part in ("colour", "attempts", "api_key", "none.json", "when_busy"):
        assert part in told


def test_two_endpoints_of_one_place_or_name_are_refused(load: Load) -> None:
    text = only(load(lambda one: one["endpoints"].append({**one["endpoints"][0], "name": "b"})))
    assert "b is there twice (same update, resource)" in text
    text = only(load(lambda one: one["endpoints"].append({**one["endpoints"][0], "resource": "b"})))
    assert "is there twice (same name)" in text


def test_tokens_of_the_data_path_may_choose_the_endpoint(load: Load) -> None:
    def change(one: dict[str, Any]) -> None:
        one["data"]["blob"] = "{customer}/{date}/{name}.csv"
        one["endpoints"][0]["update"] = UPDATE.replace("production", "{customer}")
        one["endpoints"][0]["workspace_token"] = "${TRAINING_KEY}"
        del one["endpoints"][0]["verify"]["score"]

    found = load(change)
    assert found.problems == ()
    pipeline = found.pipelines["census"]
    assert pipeline.key_tokens == ("customer",)
    chosen = pipeline.chosen_by({"customer": "acme", "date": "d", "name": "n"})
    assert chosen.endpoint is not None
    assert chosen.endpoint.update == UPDATE.replace("production", "acme")
    assert chosen.key_tokens == ("customer",)
    for bad in ("Acme", "../x", "a" * 25, "default", "", "{name}", "a}"):
        with pytest.raises(ValueError, match=r"cannot name an endpoint|default endpoint|a brace"):
            pipeline.chosen_by({"customer": bad})


def test_everything_of_an_endpoint_that_holds_a_token_is_chosen_by_it() -> None:
    (endpoint,) = tree()["endpoints"]
    endpoint |= {
        "update": UPDATE.replace("production", "{customer}"),
        "resource": "{customer} [trained model]",
        "workspace_token": "${TRAINING_KEY}",
        "verify": {"score": f"{BASE}-{{customer}}/execute", "rows": ROWS},
    }
    chosen = pipeline(data={"blob": "{customer}/{name}.csv"}, endpoints=[endpoint]).chosen_by(
        {"customer": "acme", "name": "n"}
    )
    (one,) = chosen.endpoints
    assert one.verify is not None
    assert one.verify.score == f"{BASE}-acme/execute?api-version=2.0"
    assert (one.resource, one.tokens) == ("acme [trained model]", ())


@pytest.mark.parametrize(
    "file", [".csv", ".ilearner", ".model.ilearner", "a/model.ilearner", "model.pickle", ""]
)
def test_an_output_is_a_file_of_a_kind_that_the_service_writes(file: str) -> None:
    for allowed in ("a.csv", "a.tsv", "a.arff", "a.ilearner"):
        assert pipeline(training__outputs={"output1": allowed}).training.outputs
    with pytest.raises(ValueError, match="not an output file name"):
        pipeline(training__outputs={"output1": file})


@pytest.mark.parametrize("calls", [0, 201])
def test_an_endpoint_that_is_made_takes_as_many_calls_at_once_as_the_service_allows(
    calls: int,
) -> None:
    (endpoint,) = tree()["endpoints"]
    endpoint["workspace_token"] = "${TRAINING_KEY}"
    for allowed in (1, 200):
        made = pipeline(endpoints=[{**endpoint, "create": {"MaxConcurrentCalls": allowed}}])
        assert made.endpoints[0].create
    with pytest.raises(ValueError, match="MaxConcurrentCalls"):
        pipeline(endpoints=[{**endpoint, "create": {"MaxConcurrentCalls": calls}}])


def test_a_wrong_pipeline_keeps_no_other_from_being_read(load: Load) -> None:
    good, bad = written(lambda _: None), written(put("colour", "x"))
    found = load(
        yaml.safe_dump({"pipelines": {"good": good, "bad": bad, "also": good}}, sort_keys=False)
    )
    assert list(found.pipelines) == ["good", "also"]
    assert list(found.broken) == ["bad"]
    assert found.readable
    assert "pipelines.bad.colour" in "".join(map(str, found.problems))


def test_two_pipelines_of_one_name_are_told_by_line(load: Load) -> None:
    found = load("pipelines:\n  a: {}\n  b: {}\n  a: {}\n")
    told = [str(problem) for problem in found.problems]
    assert (
        "pipelines.yaml:4: pipelines.a: a pipeline of this name stands above already: rename one"
        in told
    )


def test_a_key_that_stands_twice_is_told(load: Load) -> None:
    found = load("pipelines:\n  a:\n    when_busy: parallel\n    when_busy: queue\n")
    assert any("pipelines.yaml:4" in problem.where for problem in found.problems)


@pytest.mark.parametrize("name", ["Census", "a_b", "-a", "a" * 41, "a/b", "ä"])
def test_a_name_that_is_no_pipeline_name_is_refused(load: Load, name: str) -> None:
    text = only(
        load(yaml.safe_dump({"pipelines": {name: written(lambda _: None)}}, allow_unicode=True))
    )
    assert "not a pipeline name" in text


@pytest.mark.parametrize(
    "text",
    ["", "a: 1", "[]", "pipelines:", "pipelines: []", "pipelines: {}", "text", "pipelines: {a: 1}"],
)
def test_a_file_without_pipelines_is_told(load: Load, text: str) -> None:
    found = load(text)
    assert found.pipelines == {}
    assert any("pipelines.example.yaml" in str(problem) for problem in found.problems)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("pipelines: {", id="not closed"),
        pytest.param("pipelines:\n\t- x", id="a tab"),
        pytest.param("a: 1\n---\nb: 2", id="two documents"),
        pytest.param("pipelines: *nothing", id="an unknown alias"),
        pytest.param("pipelines: !!python/object:os.system {}", id="a tag"),
        pytest.param("pipelines: {a: {data: !secret x}}", id="an unknown tag"),
        pytest.param("pipelines: {a: {data: 2026-02-30}}", id="an impossible date"),
        pytest.param("pipelines: {[a, b]: c}", id="a list as key"),
        pytest.param("pipelines: {? {a: b} : c}", id="a mapping as key"),
        pytest.param("pipelines: {a: &x [*x]}", id="a list that holds itself"),
        pytest.param("pipelines: {a: {? 1 : {2026-01-01: b}}}", id="keys that are no texts"),
        pytest.param("pipelines: {a: " + "[" * 3000, id="too deep"),
    ],
)
def test_no_text_makes_reading_fail(load: Load, text: str) -> None:
    found = load(text)
    assert found.pipelines == {}
    assert found.problems


def test_a_missing_file_and_one_of_another_encoding_are_told(tmp_path: Path) -> None:
    file = tmp_path / "pipelines.yaml"
    assert "PIPELINES_FILE" in only(load_pipelines(file, {}, development=False))
    file.write_bytes(b"pipelines: \xff")
    assert "UTF-8" in only(load_pipelines(file, {}, development=False))


@pytest.mark.parametrize(
    "text",
    [
        "pipelines:\n  a:\n    training:\n      api_key: L1TERAL: x\n",
        'pipelines:\n  a:\n    training:\n      api_key: "L1TERAL\n',
        "pipelines:\n  a:\n    training: {api_key: L1TERAL\n",
        "pipelines:\n  a:\n    training:\n      api_key: L1TERAL\n",
        "pipelines:\n  a:\n    training:\n      api_key: [L1TERAL]\n",
        "pipelines:\n  a:\n    training:\n      api_key: *L1TERAL\n",
        "pipelines:\n  a:\n    training:\n      api_key: &L1TERAL\n        &L1TERAL x\n",
        "pipelines:\n  a:\n    training:\n      api_key: !L1TERAL x\n",
        "pipelines:\n  a:\n    training:\n      api_key: %L1TERAL\n",
        "pipelines:\n  a:\n    training:\n      service: https://u:L1TERAL@host/jobs\n",
    ],
)
def test_a_key_written_out_is_refused_and_never_repeated(load: Load, text: str) -> None:
    found = load(text)
    assert found.problems
    assert "L1TERAL" not in "\n".join(map(str, found.problems))


def test_plain_http_is_allowed_on_loopback_in_development_only(load: Load) -> None:
    local = put("training.service", "http://127.0.0.1:8080/workspaces/w/services/e/jobs")
    assert load(local, development=True).problems == ()
    assert "https is required" in only(load(local))


def walk(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for child in (
        node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    ):
        yield from walk(child)


def test_the_schema_for_editors_knows_the_same_keys() -> None:
    schema = json_schema()
    definitions = schema["$defs"]
    assert set(definitions["Pipeline"]["properties"]) == set(Pipeline.model_fields) - {"name"}
    assert schema["properties"]["pipelines"]["additionalProperties"] == {"$ref": "#/$defs/Pipeline"}
    for node in walk(schema):
        if "$ref" in node:
            assert node["$ref"].removeprefix("#/$defs/") in definitions
        if "properties" in node:
            assert node["additionalProperties"] is False
            assert set(node.get("required", ())) <= set(node["properties"])
    json.dumps(schema)
    rows = definitions["Verify"]["properties"]["rows"]
    assert rows["type"] == "string"
    assert "properties" not in rows


def test_two_pipelines_whose_endpoints_may_be_one_at_another_host_are_refused(load: Load) -> None:
    def file(host: str) -> str:
        other = UPDATE.replace("https://management.azureml.net", host)
        two = {
            "census": written(lambda _: None),
            "churn": written(put("endpoints.0.update", other)),
        }
        return yaml.safe_dump({"pipelines": two}, sort_keys=False)

    (problem,) = load(file("https://gateway.example")).problems
    assert "churn.production may be the same web service as census.production" in str(problem)
    assert "write the same host in both" in str(problem)
    both = load(file("https://ussouthcentral.management.azureml.net"))
    assert not both.problems
    assert set(both.pipelines) == {"census", "churn"}


def test_a_schedule_that_does_less_than_it_seems_has_a_hint_and_is_used(load: Load) -> None:
    found = load(put("schedule", "0 */90 * * * *"))
    assert found.problems == ()
    (hint,) = found.hints
    assert "pipelines.census.schedule" in hint.where
    assert "minute: */90 fires at 0 alone" in hint.what


@pytest.mark.parametrize(
    ("blob", "says"),
    [
        ("*.csv", "write {name}"),
        ("census/*", "write {name}"),
        ("census/{date}/?.csv", "write {name}"),
        ("**/data.csv", "{folder}/{name}; a token never crosses a /"),
        ("census/**", "a token never crosses a /"),
        ("census/(.*).csv", "regular expressions"),
        ("census/(.+)", "regular expressions"),
        ("census/(a|b).csv", "regular expressions"),
        (r"census/\d+.csv", "regular expressions"),
        ("census/[0-9].csv", "regular expressions"),
        ("^census/{name}.csv", "regular expressions"),
        ("census/{name}.csv$", "regular expressions"),
        ("%FOLDER%/{name}.csv", "%NAME% is not replaced"),
        ("census/%Y-%m/{name}.csv", "write {date}"),
        ("${TRAINING_KEY}/{name}.csv", "write the text itself"),
        ("@{pipeline().x}/{name}.csv", "expressions"),
        ("@dataset().folder", "expressions"),
        ("<folder>/{name}.csv", "<name> stands for itself"),
        (r"census\{name}.csv", "write /"),
        ("https://a.blob.core.windows.net/training-data/x.csv", "this is a URL"),
        ("wasbs://training-data@a/x.csv", "this is a URL"),
        ("census/", "names a folder"),
        ("./census/{name}.csv", "a part . or .."),
        ("census/../{name}.csv", "a part . or .."),
        ("census/{rand-guid}.csv", "a {token} is a name"),
        ("census/{name:[a-z]+}.csv", "regular expressions"),
        ("census/{}.csv", "a {token} is a name"),
    ],
)
def test_a_pattern_of_another_tool_is_refused_with_what_to_write(
    load: Load, blob: str, says: str
) -> None:
    text = only(load(put("data.blob", blob)))
    assert "pipelines.census.data.blob: " in text
    assert says in text
    path = only(load(put("training.inputs", {"input1": blob})))
    assert "pipelines.census.training.inputs" in path


@pytest.mark.parametrize(
    "blob",
    [
        "100%/{name}.csv",
        "a (1)/{name}.csv",
        "a.b-c_d/{x}~{y}.csv",
        "{a}",
        "år/{name}.csv",
        "a+b/{n}",
    ],
)
def test_a_pattern_of_plain_text_and_tokens_is_taken(load: Load, blob: str) -> None:
    assert load(put("data.blob", blob)).problems == ()


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (put("schedule", 5), "schedule: must be text or a mapping"),
        (put("schedule", "0 3 * *"), "schedule: not a schedule: not six fields"),
        (put("roll_out", 5), "roll_out: must be text or a mapping"),
        (put("training.parameters", {"x": [1]}), "parameters.x: must be true or false or a number"),
        (put("training.parameters", {"int": None}), "parameters.int: must be true or false or"),
        (
            put("gate", {"row": {"v": [1]}, "rules": [{"metric": "A", "at_least": 1}]}),
            "row.v: must",
        ),
        (put("endpoints.0.create", [1]), "create: must be true or false or a mapping"),
    ],
)
def test_a_value_of_several_forms_has_one_line_without_internals(
    load: Load, change: Change, line: str
) -> None:
    text = only(load(change))
    assert line in text
    for internal in ("function-", "constrained", "Input should", "instance of", "literal["):
        assert internal not in text


def test_mistakes_are_listed_in_the_order_of_the_file(load: Load) -> None:
    def change(one: dict[str, Any]) -> None:
        one["when_busy"] = "later"
        one["training"]["attempts"] = "two"
        one["training"]["api_key"] = "${NOT_SET}"
        one["endpoints"][0]["verify"]["rows"] = "none.json"
        one["colour"] = "x"

    lines = [int(one.where.split(":")[1]) for one in load(change).problems]
    assert len(lines) == 5
    assert lines == sorted(lines)


def test_a_setting_that_nobody_filled_in_is_named(tmp_path: Path) -> None:
    (tmp_path / "probe.json").write_text(json.dumps(ROWS))
    file = tmp_path / "pipelines.yaml"
    file.write_text(yaml.safe_dump({"pipelines": {"census": written(lambda _: None)}}))
    for value in ("@Microsoft.KeyVault(SecretUri=https://v/s)", "the training service's API key"):
        environment = {**ENVIRONMENT, "TRAINING_KEY": value}
        told = str(load_pipelines(file, environment, development=False).problems)
        assert "app setting TRAINING_KEY" in told
        assert value not in told


def test_a_second_document_is_named_where_it_begins(load: Load) -> None:
    for text in ("pipelines: {a: 1}\n---\n", "a: 1\n---\nb: *x\n", "a: 1\n...\n---\nb: 2\n"):
        (problem,) = load(text).problems
        assert "a second document begins: remove the line ---" in str(problem)


def test_an_id_of_the_example_file_has_a_hint(load: Load) -> None:
    service = f"https://h.services.azureml.net/workspaces/{'0' * 32}/services/e1/jobs"
    found = load(put("training.service", service))
    assert found.problems == ()
    (hint,) = found.hints
    assert hint.where.endswith("pipelines.census.training.service")
    assert "id of the example file" in hint.what
