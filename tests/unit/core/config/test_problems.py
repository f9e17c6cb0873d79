"""A problem has a path, a message and advice, each in a field of its own."""

from pathlib import Path

from shared.config.loader import load_pipelines
from shared.core.config.problems import Mistake, Problem, WrongValueError
from tests.unit.samples import tree
from tests.unit.written_yaml import yaml_of


def test_a_mistake_reads_as_its_path_its_message_and_its_advice() -> None:
    assert str(Problem("LEASE", "is not a span")) == "LEASE: is not a span"
    assert str(Problem("LEASE", "is not a span", "write 6m")) == "LEASE: is not a span: write 6m"
    assert str(Mistake("has none")) == "has none"
    assert str(Mistake("has none", "write one", ("gate", "rules"))) == (
        "gate.rules: has none: write one"
    )
    assert str(WrongValueError("no time", "write 03:00")) == "no time: write 03:00"


def test_a_problem_of_the_file_keeps_message_and_advice_apart(tmp_path: Path) -> None:
    changed = tree(data={"blob": "census/{date}.csv", "min_size": "one: two"}, key="date")
    changed.pop("name", None)
    changed["endpoints"] = []
    changed["gate"] = {"approval": "required"}
    file = tmp_path / "pipelines.yaml"
    file.write_text(yaml_of({"pipelines": {"sample": changed}}), encoding="utf-8")
    found = {
        problem.where.rpartition(" ")[2].removeprefix("pipelines.sample."): problem
        for problem in load_pipelines(file, {}, development=False).problems
    }
    assert found["data.min_size"].what == "not a size"
    assert found["data.min_size"].advice == "write it like 1KB or 10MB"
    assert found["gate.approval"].advice == "name one under `endpoints`, or leave `approval` out"
