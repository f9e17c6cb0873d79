"""Where a gate reads its evaluation."""

from typing import Any

import pytest
from pydantic import ValidationError

from shared.core.config.gate import Gate
from tests.unit.samples import pipeline

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


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"data": {"blob": "{name}.csv", "pin": "copy"}},
            "data.pin: a job of training.kind: studio gets no copies",
        ),
        (
            {"gate": {"metrics": {"mlflow": True, "step": "fit"}, "rules": [RULE]}},
            "gate.metrics: a job of training.kind: studio logs no metrics with MLflow",
        ),
    ],
)
def test_what_only_another_service_can_do_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        pipeline(**changes)
