"""The scoring script of an MLflow model that has none: loads it by pyfunc, and predicts.

Runs in the inference server (`local.inference.servers`), where mlflow is; takes what a server of
MLflow on Azure takes: `{"input_data": {"columns", "index", "data"}}`, rows, or a text.
"""

import json
import os
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.pyfunc import PyFuncModel

_model: list[PyFuncModel] = []


def init() -> None:
    """Load the model: the folder below AZUREML_MODEL_DIR with the file MLmodel."""
    found = sorted(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("MLmodel"))
    if not found:
        raise FileNotFoundError("the model has no file MLmodel: it is not an MLflow model")
    _model.append(mlflow.pyfunc.load_model(str(found[0].parent)))


def run(raw_data: str) -> Any:
    """Return the predictions for the rows of a request.

    Args:
        raw_data: JSON with `input_data`.

    Returns:
        What the model predicts, as JSON values.
    """
    given = json.loads(raw_data)
    if "input_data" not in given:
        raise ValueError("the request has no input_data")
    predicted = _model[0].predict(_frame(given["input_data"]))
    if isinstance(predicted, pd.DataFrame):
        return predicted.to_dict(orient="records")
    return predicted.tolist() if hasattr(predicted, "tolist") else predicted


def _frame(rows: Any) -> Any:
    if isinstance(rows, dict) and "data" in rows:
        index = rows.get("index") or None
        return pd.DataFrame(rows["data"], columns=rows.get("columns"), index=index)
    return pd.DataFrame(rows) if isinstance(rows, list) else rows
