"""Training data as the service reads it: CSV with a header, or ARFF; numbers and a label."""

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

#: A file of ARFF begins with its relation, after comments and empty lines.
_ARFF: Final = re.compile(r"(?:\s*%[^\n]*\n)*\s*@relation\b", re.IGNORECASE)


class BadTableError(Exception):
    """The data cannot be trained on; the text says why."""


@dataclass(frozen=True, slots=True)
class TrainingTable:
    """Rows of numbers, each with a label of one of two classes."""

    features: tuple[str, ...]
    rows: tuple[tuple[float, ...], ...]
    labels: tuple[str, ...]
    classes: tuple[str, str]


def read_training_table(contents: Sequence[bytes], label: str | None) -> TrainingTable:
    """Read one or several files, CSV or ARFF, with the same columns as one table.

    Args:
        contents: the files.
        label: the column with the classes; the last one when `None`.

    Raises:
        BadTableError: There is nothing to train on: no rows, no header, a ragged row, a feature
            that is not a finite number, or other than two classes.
    """
    header: list[str] = []
    records: list[list[str]] = []
    for content in contents:
        first, rest = _parse(content)
        if header and first != header:
            raise BadTableError("the inputs have different columns")
        header = first
        records.extend(rest)
    if not records:
        raise BadTableError("the training data has no rows")
    at = _label_position(header, label)
    labels = tuple(record[at].strip() for record in records)
    features = tuple(name for position, name in enumerate(header) if position != at)
    rows = tuple(_numbers(record, header, at) for record in records)
    return TrainingTable(features, rows, labels, _two_classes(labels))


def _parse(content: bytes) -> tuple[list[str], list[list[str]]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadTableError("the training data is not in UTF-8") from None
    return _arff(text) if _ARFF.match(text) else _csv(text)


def _arff(text: str) -> tuple[list[str], list[list[str]]]:
    # Imported late, as in `training`.
    from scipy.io.arff import loadarff  # noqa: PLC0415 - see above

    try:
        data, description = loadarff(io.StringIO(text))
    except (ValueError, OSError, LookupError, NotImplementedError, StopIteration) as error:
        raise BadTableError(f"the training data cannot be read as ARFF: {error}") from None
    rows = ((item.decode() if isinstance(item, bytes) else item for item in row) for row in data)
    return description.names(), [[str(item) for item in row] for row in rows]


def _csv(text: str) -> tuple[list[str], list[list[str]]]:
    try:
        lines = [row for row in csv.reader(io.StringIO(text)) if row]
    except csv.Error:
        raise BadTableError("the training data is not a CSV file") from None
    if not lines:
        raise BadTableError("the training data is empty")
    header = [name.strip() for name in lines[0]]
    if all(_number(name) is not None for name in header):
        raise BadTableError("the training data has no header line")
    if len(set(header)) != len(header) or not all(header):
        raise BadTableError("the header has an empty or a repeated column name")
    ragged = next((at for at, row in enumerate(lines[1:], 1) if len(row) != len(header)), None)
    if ragged is not None:
        raise BadTableError(f"row {ragged} has another number of columns than the header")
    return header, lines[1:]


def _label_position(header: list[str], label: str | None) -> int:
    if len(header) <= 1:
        raise BadTableError("the training data needs a feature and a label column")
    if label is None:
        return len(header) - 1
    if label not in header:
        raise BadTableError(f"the label column '{label}' is missing")
    return header.index(label)


def _numbers(record: list[str], header: list[str], label_at: int) -> tuple[float, ...]:
    numbers = []
    for position, text in enumerate(record):
        if position == label_at:
            continue
        number = _number(text)
        if number is None:
            raise BadTableError(f"column '{header[position]}' has a value that is not a number")
        numbers.append(number)
    return tuple(numbers)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _two_classes(labels: Sequence[str]) -> tuple[str, str]:
    found = set(labels)
    numeric = all(_number(name) is not None for name in found)
    classes = sorted(found, key=float) if numeric else sorted(found)
    if len(classes) != 2:  # noqa: PLR2004 - binary classification
        raise BadTableError(f"the label must have exactly two classes, found {len(classes)}")
    return classes[0], classes[1]
