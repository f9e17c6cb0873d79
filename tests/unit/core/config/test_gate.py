"""Where a gate reads its evaluation."""

from typing import Any

import pytest

from shared.core.config.gate import Gate

RULE = {"metric": "AUC", "at_least": 0.8}


@pytest.mark.parametrize(
    ("metrics", "source"),
    [
        (None, None),
        ("evaluation", "evaluation"),
        ("evaluation/report.json", "evaluation/report.json"),
        ({"mlflow": True}, "mlflow:"),
        ({"mlflow": True, "step": "fit"}, "mlflow:fit"),
    ],
)
def test_an_evaluation_is_named_as_services_understand_it(metrics: Any, source: str | None) -> None:
    gate = Gate.model_validate({"metrics": metrics, "rules": [RULE]}, context={})
    assert gate.source == source
    assert Gate.model_validate_json(gate.model_dump_json()) == gate
