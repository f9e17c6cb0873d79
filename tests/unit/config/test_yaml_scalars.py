"""Values of the file are read as YAML 1.2's core schema says, or refused with "quote it"."""

from pathlib import Path

import pytest

from shared.config.loader import load_pipelines
from shared.core.config.configuration import Configuration
from tests.unit.config.pipelines_file import ENVIRONMENT, drop, written
from tests.unit.written_yaml import yaml_of

#: As they are written -> what is sent.
READ = {
    "NO": "NO", "no": "no", "yes": "yes", "Yes": "Yes", "on": "on", "off": "off", "y": "y",
    "N": "N", "true": True, "false": False, "null": None, "12:30:45": "12:30:45",
    "1:30": "1:30", "2026-01-05": "2026-01-05", "2026-01-05T03:00:00Z": "2026-01-05T03:00:00Z",
    "1_000": "1_000", "0b11": "0b11", "0": 0, "7": 7, "-7": -7, "1.5": 1.5, "-0.25": -0.25,
    "1.0": 1.0, "0.1": 0.1, "1,5": "1,5", "1.10.2": "1.10.2", "v1.10": "v1.10", "1e": "1e",
    "=": "=", "!!str 01234": "01234", "'01234'": "01234", '"1.10"': "1.10", '"true"': "true",
    "'null'": "null", "nan": "nan", "infinity": "infinity", "9007199254740993": 9007199254740993,
    "x true": "x true", "10%": "10%", "1KB": "1KB",
}  # fmt: skip
REFUSED = [
    *("01234", "00", "-01", "+5", "1.10", "0.80", "100.00", "1e3", "1E3", "1.5e3", "1e-7", ".5"),
    *("5.", "0x1F", "0o17", ".inf", "-.inf", ".nan", ".NaN", "-0", "True", "TRUE", "False"),
    *("Null", "NULL", "~", "0.1000000000000000055", "123456789.123456789123", "9" * 41),
    *("!!bool yes", "!!int 0x1F", "!!float 1.10", "!!null x"),
]  # fmt: skip


def load(folder: Path, values: dict[str, str], development: str = "") -> Configuration:
    one = written(drop("endpoints"))
    one["training"].pop("parameters", None)
    text = yaml_of({"pipelines": {"census": one}}, sort_keys=False)
    lines = "".join(f"        {name}: {value}\n" for name, value in values.items())
    marked = text.replace("    training:\n", f"    training:\n      parameters:\n{lines}")
    file = folder / "pipelines.yaml"
    file.write_text(marked + development, encoding="utf-8")
    return load_pipelines(file, ENVIRONMENT, development=False)


@pytest.mark.parametrize("text", [one for one in READ if READ[one] is not None])
def test_a_scalar_is_read_as_it_is_written(tmp_path: Path, text: str) -> None:
    found = load(tmp_path, {"x": text})
    assert found.problems == ()
    value = found.pipelines["census"].training.parameters["x"]
    assert (type(value), value) == (type(READ[text]), READ[text])


@pytest.mark.parametrize("text", REFUSED)
def test_what_would_not_be_written_back_is_refused(tmp_path: Path, text: str) -> None:
    (problem,) = load(tmp_path, {"x": text}).problems
    assert problem.where.endswith("pipelines.census.training.parameters.x")
    assert "quote it" in problem.advice
    assert text not in problem.what


def test_all_of_them_are_listed_at_once_each_with_its_line(tmp_path: Path) -> None:
    found = load(tmp_path, {f"p{at}": text for at, text in enumerate(REFUSED)})
    lines = [int(one.where.split(":")[1]) for one in found.problems]
    assert lines == list(range(lines[0], lines[0] + len(REFUSED)))


@pytest.mark.parametrize(
    ("section", "path"),
    [
        ("    data: {blob: 'a/{name}.csv', opens_runs: no}\n", "data.opens_runs"),
        ("    data: {blob: 'a/{name}.csv', opens_runs: 'true'}\n", "data.opens_runs"),
        ("    data: {blob: 'a/{name}.csv', min_size: 0100}\n", "data.min_size"),
        ("    skip_if_no_new_data: Yes\n", "skip_if_no_new_data"),
        ("    max_parallel: true\n", "max_parallel"),
        ("    max_parallel: 010\n", "max_parallel"),
        ("    key: 1.10\n", "key"),
        ("    gate: {row: {v: 1.10}, rules: [{metric: AUC, at_least: 1}]}\n", "gate.row.v"),
        ("    gate: {row: {v: true}, rules: [{metric: AUC, at_least: 1}]}\n", "gate.row"),
        ("    gate: {rules: [{metric: 1.10, at_least: 1}]}\n", "gate.rules.0.metric"),
        ("    gate: {rules: [{metric: AUC, at_least: true}]}\n", "gate.rules.0.at_least"),
        ("    gate: {rules: [{metric: AUC, at_least: 0x1}]}\n", "gate.rules.0.at_least"),
        ("    gate: {rules: [{metric: AUC, at_least: 010}]}\n", "gate.rules.0.at_least"),
    ],
)
def test_it_is_so_everywhere_in_the_file(tmp_path: Path, section: str, path: str) -> None:
    text = yaml_of({"training": written(drop("endpoints"))["training"]}, indent=2)
    body = "".join(f"    {line}\n" for line in text.splitlines())
    file = tmp_path / "pipelines.yaml"
    file.write_text(f"pipelines:\n  census:\n{section}{body}")
    problems = load_pipelines(file, ENVIRONMENT, development=False).problems
    assert [one for one in problems if one.where.endswith(f"census.{path}")], problems


@pytest.mark.parametrize(("text", "bound"), [("0.80", 0.8), ("1e-3", 0.001), ("1", 1.0)])
def test_a_bound_of_a_rule_is_a_number_however_it_is_written(
    tmp_path: Path, text: str, bound: float
) -> None:
    gate = f"    gate: {{rules: [{{metric: AUC, at_least: {text}}}]}}\n"
    found = load(tmp_path, {"x": "1"}, gate)
    assert found.problems == ()
    assert found.pipelines["census"].gate.rules[0].at_least == bound
