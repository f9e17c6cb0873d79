"""Comparisons in a pipelines file, as the loader reads them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.config.written_file import load_one, reported
from tests.unit.core.config.test_compare import NO_DROP, ONE_FILE, SCORED
from tests.unit.samples import ROWS


def changed(tree: dict[str, Any], gate: dict[str, Any]) -> None:
    tree["gate"] = gate
    tree["training"]["parameters"] = {"Live model": "{live.model}"}


def test_the_file_may_name_the_classes_of_a_matrix_as_numbers(tmp_path: Path) -> None:
    compared = {**ONE_FILE, "cost": {0: {1: 1}, 1: {0: 5}}, "level": "95%"}
    written = {"rules": [NO_DROP], "compare": compared}
    (tmp_path / "probe.json").write_text(json.dumps(ROWS), encoding="utf-8")
    found = load_one(tmp_path, lambda tree: changed(tree, written))
    assert reported(found) == ""
    known = found.pipelines["census"].gate.compare
    assert known is not None
    assert (known.cost, known.level) == ({"0": {"1": 1}, "1": {"0": 5}}, 0.95)


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ("missing.json", "compare.request: missing.json cannot be read"),
        (5, "compare.request: must be mlflow or name a file"),
    ],
)
def test_the_request_of_a_holdout_is_a_file_or_that_of_mlflow(
    tmp_path: Path, named: object, says: str
) -> None:
    assert says in problems_of(tmp_path, {**SCORED, "request": named})


def test_the_body_of_a_request_takes_the_place_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "body.json").write_text('{"input_data": "{rows}"}', encoding="utf-8")
    found = problems_of(tmp_path, {**SCORED, "request": "body.json"})
    assert "production cannot hold a candidate" in found
    assert "request" not in found


def problems_of(folder: Path, compared: dict[str, Any]) -> str:
    written = {"rules": [NO_DROP], "compare": compared}
    return reported(load_one(folder, lambda tree: tree.update(gate=written)))
