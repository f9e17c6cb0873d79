"""Reads the file of an evaluation: a CSV of one or several rows, or evaluation.json.

Which columns there are depends on the learner, and `Infinity` occurs as a value
(studio-classic §7), so nothing is expected of them here.
"""

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from shared.core.counting import counted
from shared.core.evaluation.json_report import UnusableMember, rows_of_json
from shared.core.text import (
    INVISIBLE,
    first_invisible,
    folded,
    named,
    named_like,
    readable,
    require_distinct,
    short,
    shown,
    text_of,
    visible_text,
    without_edges,
    without_type_line,
)

#: Chooses a row by its position if no column has this name.
NUMBER: Final = "number"

_JSON: Final = ".json"
_TABS: Final = ".tsv"
_FINITE: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_NOT_FINITE: Final = re.compile(r"[+-]?(?:inf(?:inity)?|∞|nan)", re.IGNORECASE)
_EXCEL_SEPARATOR: Final = "sep="
_SEPARATORS: Final = {",": "commas", "\t": "tabs"}
#: Separators of files that were written with another list separator, or copied from a sheet.
_ELSEWHERE: Final = {";": "';'", "\t": "tabs"}
_MOST: Final = 20
#: Why a member cannot be used in a rule, by its type in JSON.
_UNUSABLE: Final[Mapping[type, str]] = {
    bool: "is true or false, not a number",
    dict: "is an object, not a number",
    list: "is a list, not a number",
}


@dataclass(frozen=True, slots=True)
class Row:
    """The evaluation of one model: each cell is a text or a number, empty ones are left out."""

    labels: Mapping[str, str]  #: the text cells, by header
    metrics: Mapping[str, float]  #: the number cells, by header; not always finite
    unusable: Mapping[str, str] = field(default_factory=dict)  #: cells that are neither, and why
    #: Each number as it is written: two texts that are the same number are two texts.
    written: Mapping[str, str] = field(default_factory=dict, compare=False)
    unread: str = ""  #: why the file cannot be used, where rules on it are only observed


def read_evaluation(
    content: bytes, name: str, redact: Callable[[str], str] = str
) -> tuple[Row, ...]:
    """Return the rows, at least one; the suffix of `name` says whether it is JSON, tabs or commas.

    In JSON the members of an object named `metrics` (or `regression_metrics` and the like) are
    also the row's; those of other objects are named by their path, such as `test.auc`. If two
    members have the same name, neither is used, since which one is meant would be a guess; lists,
    true and false are not cells. Such members are listed as `unusable`: a rule that names one of
    them fails, and no other rule does.

    Args:
        content: of the file.
        name: of the file.
        redact: removes secrets from a text; applied before anything of it is stored or shown.

    Raises:
        ValueError: it cannot be read; the message says where and what is wrong.
    """
    text = redact(without_edges(text_of(content)))
    if not text.strip():
        raise ValueError("the file is empty")
    if name.casefold().endswith(_JSON):
        return _rows(rows_of_json(text, redact))
    delimiter = "\t" if name.casefold().endswith(_TABS) else ","
    return _from_table(without_type_line(text), delimiter)


def choose_row(rows: Sequence[Row], wanted: Mapping[str, str | int]) -> Row:
    """Return the one row with the wanted values; without wanted values, the only row.

    An evaluation of two models has two rows, the left input's first
    (studio-classic §7): which one is meant is never guessed.

    Args:
        rows: of the evaluation.
        wanted: `row` of the gate.

    Raises:
        ValueError: no row or several rows fit; the message lists the rows.
    """
    if not wanted and len(rows) > 1:
        raise ValueError(
            f"there are {counted(len(rows), 'row')}: {_described(rows)}; "
            f"gate.row must choose one, such as {_example(rows)}"
        )
    fitting = list(range(len(rows)))
    for column, value in wanted.items():
        fits = _fitting(rows, column, value)
        fitting = [at for at in fitting if at in fits]
    if len(fitting) == 1:
        return rows[fitting[0]]
    given = ", ".join(f"{column}: {value}" for column, value in wanted.items())
    many = f"{counted(len(fitting), 'row')} fit" if fitting else "no row fits"
    there = _described(rows, *wanted) or "no rows"
    raise ValueError(f"{many} gate.row {{{given}}}; there are: {there}")


def metric_in(row: Row, name: str) -> float | None:
    """Return a metric; None if it is missing, or several could be meant.

    Args:
        row: the evaluation of one model.
        name: of the metric; names are compared as `named_like` does.
    """
    found = numbers_like(row, name)
    return row.metrics.get(*found) if len(found) == 1 else None


def numbers_like(row: Row, name: str) -> tuple[str, ...]:
    """Return the cells that a rule can mean by a name: numbers, and unusable ones.

    Args:
        row: the evaluation of one model.
        name: of the metric in the rule.
    """
    return named_like((*row.metrics, *row.unusable), name)


def oddity(text: str) -> str:
    """Return the character because of which a text is not a number; empty if there is none."""
    odd = next((character for character in text if not character.isascii()), "")
    return f", with {named(odd)}" if odd and _number(visible_text(text)) is not None else ""


def _from_table(text: str, delimiter: str) -> tuple[Row, ...]:
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True
    )
    lines: list[tuple[int, list[str]]] = []
    _require_separator(text, delimiter)
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            # A row of separators counts as a row, so that the others keep their numbers.
            if any(stripped) or len(stripped) > 1:
                lines.append((reader.line_num, stripped))
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: not a table: {error}") from None
    if lines and lines[0][1] == [_EXCEL_SEPARATOR, ""]:  # `sep=,`, which Excel writes
        del lines[0]
    if not lines or not any(lines[0][1]):
        raise ValueError("there is no header line, only empty cells")
    # A column with the numbers of the rows often has no name.
    header = [cell or f"column {at}" for at, cell in enumerate(lines[0][1], start=1)]
    require_distinct(header, "columns")
    for number, cells in lines[1:]:
        if len(cells) > len(header):
            if len(header) == 1 and header[0].startswith("#"):
                raise ValueError(f"line {lines[0][0]} seems to be a comment: remove it")
            raise ValueError(
                f"line {number}: {counted(len(cells), 'cell')}, but the header has {len(header)}; "
                "quote a cell that holds the separator"
            )
    return _rows([zip(header, cells, strict=False) for _, cells in lines[1:]])


def _require_separator(text: str, delimiter: str) -> None:
    """Refuse a header that is one cell here and several by another separator.

    Read with this separator it would have no metric, or too many cells, and the message would
    mislead. Its numbers may have decimal commas, so it is not read with the other separator.
    """
    header = next((line.strip(" ") for line in text.splitlines() if line.strip()), "")
    if _cells(header, delimiter) > 1:
        return
    for other, shown_other in _ELSEWHERE.items():
        if _cells(header, other) > 1:
            raise ValueError(
                f"the columns seem to be separated by {shown_other}: write {_SEPARATORS[delimiter]}"
            )


def _cells(line: str, delimiter: str) -> int:
    """Return how many cells a line has; a quoted text is one cell."""
    try:
        return len(next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), ()))
    except csv.Error:
        return 0  # reading the table says what is wrong


def _rows(written: Sequence[Iterable[tuple[str, object]]]) -> tuple[Row, ...]:
    rows = tuple(map(_row, written))
    if not any(row.labels or row.metrics or row.unusable for row in rows):
        raise ValueError("there are no rows: the evaluation has names and no values")
    return rows


def _row(cells: Iterable[tuple[str, object]]) -> Row:
    labels: dict[str, str] = {}
    metrics: dict[str, float] = {}
    unusable: dict[str, str] = {}
    written: dict[str, str] = {}
    for name, value in cells:
        if value is None or value == "":
            continue
        if isinstance(value, UnusableMember):
            unusable[name] = value.why
        elif not isinstance(value, str):
            unusable[name] = _UNUSABLE[type(value)]
        elif (number := _number(value)) is not None:
            metrics[name], written[name] = number, value
        elif _number(INVISIBLE.sub("", value)) is not None:
            unusable[name] = f"has the character {first_invisible(value)} inside: write it without"
        else:
            labels[name] = readable(value)
    return Row(labels, metrics, unusable, written)


def _number(text: str) -> float | None:
    """Return the number; `1,234` is a text, since a separator of thousands is not guessed."""
    stripped = text.strip()
    if _FINITE.fullmatch(stripped):
        return float(stripped)
    if _NOT_FINITE.fullmatch(stripped):
        return float(stripped.replace("∞", "inf"))
    return None


def _fitting(rows: Sequence[Row], column: str, value: str | int) -> set[int]:
    """Return the positions of the rows with this value."""
    columns = _columns(rows)
    meant = named_like(columns, column)
    if not meant and folded(column) == NUMBER:
        return {at for at in range(len(rows)) if _same(str(at + 1), str(value))}
    if len(meant) != 1:
        many = "several columns are" if meant else "no column is"
        raise ValueError(
            f"gate.row: {many} named like {short(column)}; there are: {shown(columns)}"
        )
    (name,) = meant
    return {at for at, row in enumerate(rows) if _has(row, name, value)}


def _has(row: Row, column: str, value: str | int) -> bool:
    """Whether a cell is the same text, or the same number."""
    number, text = row.metrics.get(column), row.labels.get(column, "")
    if number is None:
        return bool(text) and _same(text, str(value))
    if math.isnan(number):
        return False
    if isinstance(value, int):
        return number == value
    return _same(row.written.get(column, str(number)), value)


def _same(cell: str, value: str) -> bool:
    """Whether both are the same text, except for case, outer blanks and invisible characters."""
    cell, value = (INVISIBLE.sub("", text).strip().casefold() for text in (cell, value))
    return cell == value


def _described(rows: Sequence[Row], *wanted: str) -> str:
    """Return the rows by their texts, and by the numbers of the wanted columns."""
    described = []
    for number, row in enumerate(rows[: _MOST + 1], start=1):
        columns = {name for column in wanted for name in named_like(row.written, column)}
        cells = {name: row.written[name] for name in row.written if name in columns}
        listed = {**cells, **row.labels}
        labels = ", ".join(f"{short(name)}: {short(text)}" for name, text in listed.items())
        described.append(f"row {number} ({short(labels)})" if labels else f"row {number}")
    more = len(rows) - _MOST
    return ", ".join([*described[:_MOST], f"and {more} more"] if more > 0 else described)


def _example(rows: Sequence[Row]) -> str:
    """Return how the first row can be chosen."""
    for name, text in rows[0].labels.items():
        if text == short(text) and _fitting(rows, name, text) == {0}:
            plain = name.replace(" ", "").isalnum()
            written = name if plain else json.dumps(name, ensure_ascii=False)
            return f"row: {{{written}: {json.dumps(text, ensure_ascii=False)}}}"
    taken = any(folded(name) == NUMBER for name in _columns(rows))
    return "row: {column: value}" if taken else f"row: {{{NUMBER}: 1}}"


def _columns(rows: Sequence[Row]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for row in rows for name in (*row.labels, *row.metrics)))
