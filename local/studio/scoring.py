"""The request-response service: it takes rows, and returns them with scores."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.studio.model import BadModelError, Model
from local.studio.refusals import refusal
from local.studio.services import ModelVersion
from local.studio.wire import Call, members

SCORES = ("Scored Labels", "Scored Probabilities")
_MEMBERS = frozenset({"Inputs", "GlobalParameters"})
_TABLE_MEMBERS = frozenset({"ColumnNames", "Values"})
_INT32 = 2**31


@dataclass(frozen=True, slots=True)
class _Rows:
    columns: tuple[str, ...]
    values: Sequence[Sequence[str]]


def execute(call: Call, version: ModelVersion, resource: str) -> dict[str, Any]:
    """Score a request's rows (studio-classic §2).

    With `format=swagger` rows come and go as objects, otherwise as a table, whose column types
    are given with `details=true` only. Every value of the answer is a text.

    Raises:
        RefusalError: The body, its values or the model do not fit. A model that was trained on
            other columns fails here and not before, with the documented text.
    """
    swagger = call.query.get("format", "").lower() == "swagger"
    rows = _read(call, swagger=swagger)
    try:
        model = version.model
    except BadModelError:
        raise refusal("ResourceLoadFailed", resource) from None
    if missing := model.missing(rows.columns):
        names = ", ".join(f"'{name}'" for name in missing)
        raise refusal(
            "ModuleExecutionError",
            "table: The data set being scored must contain all features used during training, "
            f"missing feature(s): {names}.",
            target="Score Model (AFx Library)",
        )
    scored = [
        [*row, *_score(model, rows.columns, row, at)] for at, row in enumerate(rows.values, 1)
    ]
    columns = (*rows.columns, *SCORES)
    if swagger:
        return {"Results": {"output1": [dict(zip(columns, row, strict=True)) for row in scored]}}
    table: dict[str, Any] = {"ColumnNames": columns}
    if call.query.get("details", "").lower() == "true":
        table["ColumnTypes"] = [_type([row[at] for row in scored]) for at in range(len(columns))]
    table["Values"] = scored
    return {"Results": {"output1": {"type": "table", "value": table}}}


def _read(call: Call, *, swagger: bool) -> _Rows:
    body = call.members(_MEMBERS)
    parameters = body.get("GlobalParameters")
    if parameters:
        unknown = ", ".join(sorted(parameters)) if isinstance(parameters, dict) else "?"
        raise refusal("UnexpectedParameter", unknown)
    inputs = body.get("Inputs")
    if not isinstance(inputs, dict) or "input1" not in inputs:
        raise refusal("MissingRequestInput", "input1")
    if len(inputs) > 1:
        raise refusal("InvalidInputNames", ", ".join(sorted(inputs.keys() - {"input1"})))
    rows = _row_objects(inputs["input1"]) if swagger else _table(inputs["input1"])
    if len(set(rows.columns)) != len(rows.columns):
        raise refusal("InputMismatchError", "a column is named twice")
    return rows


def _table(value: object) -> _Rows:
    table = members(value, _TABLE_MEMBERS, "input1")
    columns, values = table.get("ColumnNames"), table.get("Values")
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise refusal("RequestBodyInvalid", "ColumnNames is not a list of texts")
    if not isinstance(values, list) or not all(isinstance(row, list) for row in values):
        raise refusal("RequestBodyInvalid", "Values is not a list of rows")
    if any(len(row) != len(columns) for row in values):
        raise refusal("InputMismatchError", "a row has another number of values than columns")
    return _Rows(tuple(columns), [[_text(item) for item in row] for row in values])


def _row_objects(value: object) -> _Rows:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise refusal("RequestBodyInvalid", "input1 is not a list of row objects")
    columns = tuple(value[0]) if value else ()
    if any(row.keys() != set(columns) for row in value):
        raise refusal("InputMismatchError", "the rows have different columns")
    return _Rows(columns, [[_text(row[name]) for name in columns] for row in value])


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise refusal("RequestBodyInvalid", "a value is neither text nor number")


def _score(model: Model, columns: Sequence[str], row: Sequence[str], at: int) -> tuple[str, str]:
    given: Mapping[str, str] = dict(zip(columns, row, strict=True))
    numbers: dict[str, float] = {}
    for name in model.features:
        number = _number(given[name])
        if number is None:
            raise refusal("InputParseError", name, at)
        numbers[name] = number
    score = model.score(numbers)
    return score.label, repr(score.probability)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _type(texts: Sequence[str]) -> str:
    if all(_is_int32(text) for text in texts):
        return "Int32"
    return "Double" if all(_number(text) is not None for text in texts) else "String"


def _is_int32(text: str) -> bool:
    digits = text.removeprefix("-")
    return len(digits) <= 10 and digits.isdecimal() and -_INT32 <= int(text) < _INT32  # noqa: PLR2004 - the most digits of an Int32
