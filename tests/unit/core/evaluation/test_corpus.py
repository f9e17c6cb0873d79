"""A corpus of evaluation files as tools and people write them, with the expected values of each.

`expected.json` has for each file: what it is about, the row that is asked for, and either what the
row holds (labels, metrics, what no rule can use, what names find, what a rule says) or the
message that refuses it.
"""

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest

from shared.core.config.gate_rule import Rule
from shared.core.evaluation.judging import judge
from shared.core.evaluation.report import Row, choose_row, metric_in, read_evaluation

FOLDER: Final = Path(__file__).parents[3] / "evaluations"
EXPECTED: Final[dict[str, dict[str, Any]]] = json.loads((FOLDER / "expected.json").read_text())


def test_each_file_is_expected_to_be_something_and_there_are_sixty() -> None:
    files = {file.name for file in FOLDER.iterdir()} - {"expected.json"}
    assert files == set(EXPECTED)
    assert len(files) >= 60


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_an_evaluation_file_is_read_or_refused_as_expected(name: str) -> None:
    expected = EXPECTED[name]
    content = (FOLDER / name).read_bytes()
    if "refused" in expected:
        with pytest.raises(ValueError, match=f"^{re.escape(expected['refused'])}$"):
            choose_row(read_evaluation(content, name), expected["row"])
        return
    row = choose_row(read_evaluation(content, name), expected["row"])
    assert dict(row.labels) == expected["labels"]
    assert dict(row.metrics) == {
        key: pytest.approx(float(value), abs=0, rel=0, nan_ok=True)
        for key, value in expected["metrics"].items()
    }
    assert dict(row.unusable) == expected.get("unusable", {})
    for metric, value in expected.get("finds", {}).items():
        assert metric_in(row, metric) == value
    for metric, why in expected.get("why", {}).items():
        assert log_of(row, metric) == why


def log_of(row: Row, metric: str) -> str:
    return judge([Rule(metric=metric, at_least=0)], row, [], first_allowed=True).reason
