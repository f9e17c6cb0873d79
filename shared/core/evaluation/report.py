"""Reads what an evaluation wrote: a CSV of one or several rows, or evaluation.json.

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
from shared.core.evaluation.json_report import Unfit, rows_of_json
from shared.core.evaluation.metric_names import (
    folded,
    named_like,
    readable,
    require_distinct,
    short,
    shown,
)
from shared.core.evaluation.text import (
    INVISIBLE,
    first_invisible,
    looks_like,
    named,
    text_of,
    without_edges,
    without_type_line,
)

NUMBER: Final = "number"
"""Chooses a row by its place where no column has this name."""

_JSON: Final = ".json"
_TABS: Final = ".tsv"
_FINITE: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_NOT_FINITE: Final = re.compile(r"[+-]?(?:inf(?:inity)?|∞|nan)", re.IGNORECASE)
_SAID_BY_EXCEL: Final = "sep="
_SEPARATORS: Final = {",": "commas", "\t": "tabs"}
_ELSEWHERE: Final = {";": "';'", "\t": "tabs"}
"""What columns are separated by where a list separator of another country, or a copy, made them."""
_MOST: Final = 20
#: Why no rule can be held against a member, by what JSON made of it.
_UNFIT: Final[Mapping[type, str]] = {
    bool: "is true or false, not a number",
    dict: "is an object, not a number",
    list: "is a list, not a number",
}


@dataclass(frozen=True, slots=True)
class Row:
    """What was written of one model: each cell is a text or a number, empty ones are left out."""

    labels: Mapping[str, str]  #: the text cells, by header
    metrics: Mapping[str, float]  #: the number cells, by header; not always finite
    unfit: Mapping[str, str] = field(default_factory=dict)  #: what is neither, and why
    #: Each number as it is written: two texts that are the same number are two texts.
    written: Mapping[str, str] = field(default_factory=dict, compare=False)


def read_evaluation(
    content: bytes, name: str, clean: Callable[[str], str] = str
) -> tuple[Row, ...]:
    """Return the rows, at least one; the suffix of `name` tells JSON, tabs or commas.

    In JSON the members of an object named `metrics` (or `regression_metrics` and the like) are
    the row's as much as those beside it; those of other objects go by their way, such as
    `test.auc`. What is spelled alike in two places counts in neither, since which one is meant
    would be a guess; lists, true and false are no cells. Such members are only known as
    `unfit`: they stand in the way of a rule that names them, and of no other.

    Args:
        content: of the file.
        name: of the file.
        clean: takes secrets out of a text; applied before anything of it is kept or said.

    Raises:
        ValueError: it cannot be read; the message says where and what is wrong.
    """
    text = clean(without_edges(text_of(content)))
    if not text.strip():
        raise ValueError("the file is empty")
    if name.casefold().endswith(_JSON):
        return _rows(rows_of_json(text, clean))
    delimiter = "\t" if name.casefold().endswith(_TABS) else ","
    return _from_table(without_type_line(text), delimiter)


def choose_row(rows: Sequence[Row], wanted: Mapping[str, str | int]) -> Row:
    """Return the one row that has the wanted values; with one row and no wish, that one.

    An evaluation of two models has two rows, the left input's first
    (studio-classic §7): which one is meant is never guessed.

    Raises:
        ValueError: none or several fit; the message lists what there is.
    """
    if not wanted and len(rows) > 1:
        raise ValueError(
            f"there are {counted(len(rows), 'row')}: {_described(rows)}; "
            f"gate.row must choose one, such as {_example(rows)}"
        )
    fitting = list(range(len(rows)))
    for column, value in wanted.items():
        fits = _fitting(rows, column, value)
        fitting = [place for place in fitting if place in fits]
    if len(fitting) == 1:
        (place,) = fitting
        return rows[place]
    wish = ", ".join(f"{column}: {value}" for column, value in wanted.items())
    many = f"{counted(len(fitting), 'row')} fit" if fitting else "no row fits"
    there = _described(rows, *wanted) or "no rows"
    raise ValueError(f"{many} gate.row {{{wish}}}; there are: {there}")


def metric_in(row: Row, name: str) -> float | None:
    """Return a metric of that name, or None where it is missing or several could be meant.

    Names are compared as `named_like` does.
    """
    found = numbers_like(row, name)
    return row.metrics.get(*found) if len(found) == 1 else None


def numbers_like(row: Row, name: str) -> tuple[str, ...]:
    """Return what of the row `name` can mean to a rule: numbers, and what is unfit to be one."""
    return named_like((*row.metrics, *row.unfit), name)


def oddity(text: str) -> str:
    """Return which character keeps what looks like a number from being one, if that is why."""
    odd = next((character for character in text if not character.isascii()), "")
    return f", with {named(odd)}" if odd and _number(looks_like(text)) is not None else ""


def _from_table(text: str, delimiter: str) -> tuple[Row, ...]:
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True
    )
    lines: list[tuple[int, list[str]]] = []
    _require_separator(text, delimiter)
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            # A row of separators is a row: left out, it would let another one take its place.
            if any(stripped) or len(stripped) > 1:
                lines.append((reader.line_num, stripped))
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: not a table: {error}") from None
    if lines and lines[0][1] == [_SAID_BY_EXCEL, ""]:  # it says what is known: `sep=,`
        del lines[0]
    if not lines or not any(lines[0][1]):
        raise ValueError("there is no header line, only empty cells")
    # A column that only counts the rows is often written without a name.
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

    Read on, such a table has no metric of any name, or cells too many: advice that leads astray.
    Its numbers may have decimal commas, so that it is not read by the other separator either.
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
    """Return how many cells a line has; what a quote encloses is one."""
    try:
        return len(next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), ()))
    except csv.Error:
        return 0  # reading the table says what is wrong


def _rows(written: Sequence[Iterable[tuple[str, object]]]) -> tuple[Row, ...]:
    rows = tuple(map(_row, written))
    if not any(row.labels or row.metrics or row.unfit for row in rows):
        raise ValueError("there are no rows: the evaluation has names and no values")
    return rows


def _row(cells: Iterable[tuple[str, object]]) -> Row:
    labels: dict[str, str] = {}
    metrics: dict[str, float] = {}
    unfit: dict[str, str] = {}
    written: dict[str, str] = {}
    for name, value in cells:
        if value is None or value == "":
            continue
        if isinstance(value, Unfit):
            unfit[name] = value.why
        elif not isinstance(value, str):
            unfit[name] = _UNFIT[type(value)]
        elif (number := _number(value)) is not None:
            metrics[name], written[name] = number, value
        elif _number(INVISIBLE.sub("", value)) is not None:
            unfit[name] = f"has the character {first_invisible(value)} inside: write it without"
        else:
            labels[name] = readable(value)
    return Row(labels, metrics, unfit, written)


def _number(text: str) -> float | None:
    """Return the number; a separator of thousands is not guessed, so `1,234` is a text."""
    stripped = text.strip()
    if _FINITE.fullmatch(stripped):
        return float(stripped)
    if _NOT_FINITE.fullmatch(stripped):
        return float(stripped.replace("∞", "inf"))
    return None


def _fitting(rows: Sequence[Row], column: str, value: str | int) -> set[int]:
    """Return the places of the rows that have this value."""
    columns = _columns(rows)
    meant = named_like(columns, column)
    if not meant and folded(column) == NUMBER:
        return {place for place in range(len(rows)) if _same(str(place + 1), str(value))}
    if len(meant) != 1:
        many = "several columns are" if meant else "no column is"
        raise ValueError(
            f"gate.row: {many} named like {short(column)}; there are: {shown(columns)}"
        )
    (name,) = meant
    return {place for place, row in enumerate(rows) if _has(row, name, value)}


def _has(row: Row, column: str, value: str | int) -> bool:
    """Whether a cell is the same text, or the same number where the value is one."""
    number, text = row.metrics.get(column), row.labels.get(column, "")
    if number is None:
        return bool(text) and _same(text, str(value))
    if math.isnan(number):
        return False
    if isinstance(value, int):
        return number == value
    return _same(row.written.get(column, str(number)), value)


def _same(cell: str, value: str) -> bool:
    """Whether both are the same text but for case, blanks around it and what is not seen."""
    cell, value = (INVISIBLE.sub("", text).strip().casefold() for text in (cell, value))
    return cell == value


def _described(rows: Sequence[Row], *asked: str) -> str:
    """Return the rows by their texts, and by the numbers of the columns that were asked for."""
    described = []
    for place, row in enumerate(rows[: _MOST + 1], start=1):
        columns = {name for column in asked for name in named_like(row.written, column)}
        cells = {name: row.written[name] for name in row.written if name in columns}
        listed = {**cells, **row.labels}
        labels = ", ".join(f"{short(name)}: {short(text)}" for name, text in listed.items())
        described.append(f"row {place} ({short(labels)})" if labels else f"row {place}")
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
