"""Writes the output of a scoring module in a training experiment: each row with all its scores."""

import csv
import io
from collections.abc import Mapping
from typing import Final

from local.studio.model import BadModelError, Model
from local.studio.tables import BadTableError, read_training_table
from local.studio.training import TrainingFailedError

#: The input with the rows that are scored and not trained on.
HOLDOUT: Final = "holdout"


def predictions(model: bytes, rows: bytes, others: Mapping[str, bytes], label: str | None) -> bytes:
    """Score rows with the new model and with others, as CSV: id, label, candidate, and the others.

    Args:
        model: the new one.
        rows: with their labels; the id of a row is its number.
        others: the name of a column -> a model; one that lacks a feature leaves its cells empty.
        label: the column with the classes; the last one when `None`.

    Raises:
        TrainingFailedError: The rows or a model cannot be read.
    """
    try:
        table = read_training_table((rows,), label)
        scored = {"candidate": Model.loads(model)}
        scored |= {name: Model.loads(content) for name, content in others.items()}
    except (BadTableError, BadModelError) as error:
        raise TrainingFailedError(str(error)) from error
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("id", "label", *scored))
    for number, (values, actual) in enumerate(zip(table.rows, table.labels, strict=True), start=1):
        row = dict(zip(table.features, values, strict=True))
        cells = (_cell(one, row) for one in scored.values())
        writer.writerow((number, actual, *cells))
    return text.getvalue().encode()


def _cell(model: Model, row: Mapping[str, float]) -> str:
    return "" if model.missing(tuple(row)) else repr(model.score(row).probability)
