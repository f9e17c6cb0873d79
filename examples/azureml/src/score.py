"""Scores with the model that train.py wrote: the scoring script of deployment.yml.

A request is `{"input_data": {"columns": [...], "data": [[...], ...]}}`, the form that MLflow models
take too. The answer is a list: for each row, how likely the second class of the model is.
"""

import json
import math
import os
from pathlib import Path
from typing import Any

model: dict[str, Any] = {}


def init() -> None:
    """Read the model, once: Azure puts it below AZUREML_MODEL_DIR."""
    (file,) = Path(os.environ["AZUREML_MODEL_DIR"]).rglob("model.json")
    model.update(json.loads(file.read_text(encoding="utf-8")))
    print(f"loaded a model of {len(model['features'])} features")  # noqa: T201 - the log


def run(raw_data: str) -> list[float]:
    """Return the answer to a request.

    Args:
        raw_data: the body of the request.

    Raises:
        ValueError: a column is missing, or a value is no number; the caller gets a 424.
    """
    given = json.loads(raw_data)["input_data"]
    columns = given["columns"]
    if missing := [name for name in model["features"] if name not in columns]:
        raise ValueError(f"columns are missing: {', '.join(missing)}")
    places = [columns.index(name) for name in model["features"]]
    return [_likely([float(row[place]) for place in places]) for row in given["data"]]


def _likely(values: list[float]) -> float:
    scaled = zip(values, model["means"], model["scales"], model["weights"], strict=True)
    total = model["bias"] + sum(
        (value - mean) / scale * weight for value, mean, scale, weight in scaled
    )
    return 1 / (1 + math.exp(-max(min(total, 700.0), -700.0)))
