"""Reads a file of predictions: CSV, or one JSON object a line, with a row for each labelled row."""

import csv
import json
import math
import re
from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from shared.core.counting import counted
from shared.core.text import named_like, short, shown, text_of, without_type_line

#: The largest file that is read, and the most rows: one process holds them all.
MOST_BYTES: Final = 64 * 1024 * 1024
MOST_ROWS: Final = 1_000_000

#: How the name of a file with JSON lines ends; others are tables.
JSON_LINES: Final = (".jsonl", ".ndjson", ".json")
_TABS: Final = ".tsv"
_NUMBER: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_NOT_FINITE: Final = re.compile(r"[+-]?(?:inf(?:inity)?|∞|nan)", re.IGNORECASE)
#: Cells that say that there is no value, as pandas, R and SQL write it.
NOTHING: Final = frozenset({"", "na", "n/a", "<na>", "null", "none"})
#: Below it every whole number is a number of its own.
_EXACT: Final = 2.0**53
_TRUTH: Final = {"true": "true", "false": "false"}
_ELSEWHERE: Final = {";": "';'", "\t": "tabs", ",": "commas"}

#: A cell: a number that may be infinite or NaN, a text, or None where there is nothing.
Cell = float | str | None


@dataclass(frozen=True, slots=True)
class Column:
    """The cells of one column: numbers in an array, and other values next to it.

    A million rows of objects would not fit into the memory of a small app.
    """

    numbers: "array[float]"  #: NaN where there is no number
    texts: Mapping[int, str]  #: position -> a cell that is a text
    empty: frozenset[int]  #: positions without a value

    def __getitem__(self, at: int) -> Cell:
        """Return the cell of one row."""
        if at in self.empty:
            return None
        return self.texts.get(at, self.numbers[at])

    def __iter__(self) -> Iterator[Cell]:
        """Yield the cells in the order of the file."""
        return (self[at] for at in range(len(self.numbers)))


@dataclass(frozen=True, slots=True)
class Predictions:
    """The rows of one file, in its order."""

    ids: Sequence[str]  #: empty where a row has none
    columns: Mapping[str, Column]  #: by the names that were asked for
    texts: Mapping[str, Sequence[str]]  #: the same of columns that are read as texts


class _Reading:
    """Takes one row after the other."""

    def __init__(
        self, key: str, columns: Sequence[str], texts: Sequence[str], optional: Sequence[str]
    ) -> None:
        self.key = key
        self.wanted = tuple(dict.fromkeys((key, *columns, *texts)))
        self.optional = frozenset(optional)
        self.ids: list[str] = []
        self._numbers = {name: array("d") for name in columns}
        self._texts: dict[str, dict[int, str]] = {name: {} for name in columns}
        self._empty: dict[str, set[int]] = {name: set() for name in columns}
        self._slices: dict[str, list[str]] = {name: [] for name in texts}
        self._known: dict[str, str] = {}  # one object for each text that comes again

    def leave_out(self, name: str) -> None:
        """Note that the file lacks a column that it need not have."""
        for known in (self._numbers, self._texts, self._empty):
            known.pop(name, None)

    def take(self, row: Mapping[str, object]) -> None:
        """Take the cells of one row; a column that it lacks is empty."""
        at = len(self.ids)
        if at == MOST_ROWS:
            raise ValueError(f"there are more than {MOST_ROWS:,} rows: write a sample of them")
        self.ids.append(text_in(row.get(self.key)))
        for name, numbers in self._numbers.items():
            cell = _cell(row.get(name))
            if cell is None:
                self._empty[name].add(at)
            elif isinstance(cell, str):
                self._texts[name][at] = self._known.setdefault(cell, cell)
            numbers.append(cell if isinstance(cell, float) else math.nan)
        for name, values in self._slices.items():
            text = text_in(row.get(name))
            values.append(self._known.setdefault(text, text))

    def done(self) -> Predictions:
        """Return what was taken."""
        if not self.ids:
            raise ValueError("there are no rows")
        columns = {
            name: Column(numbers, self._texts[name], frozenset(self._empty[name]))
            for name, numbers in self._numbers.items()
        }
        return Predictions(self.ids, columns, self._slices)


def read_predictions(
    content: bytes,
    name: str,
    key: str,
    columns: Sequence[str],
    *,
    texts: Sequence[str] = (),
    optional: Sequence[str] = (),
) -> Predictions:
    """Return the rows of a file; the suffix of its name says whether it is JSON lines or a table.

    Args:
        content: of the file.
        name: of the file: `.jsonl`, `.ndjson` and `.json` are JSON lines, `.tsv` has tabs, and
            all others have commas.
        key: the column with the ids of the rows.
        columns: labels, scores and costs; names are compared as those of metrics are.
        texts: columns of slices.
        optional: those of `columns` that the file may lack.

    Raises:
        ValueError: it cannot be read; the message says where, and shows no cell of it.
    """
    if len(content) > MOST_BYTES:
        most = MOST_BYTES // 1024**2
        raise ValueError(f"it has {len(content):,} bytes, and at most {most} MB are read")
    text = text_of(content).removeprefix("\ufeff")
    if not text.strip():
        raise ValueError("the file is empty")
    reading = _Reading(key, columns, texts, optional)
    small = name.casefold()
    if small.endswith(JSON_LINES):
        _take_json(text, reading)
    else:
        _take_table(without_type_line(text), "\t" if small.endswith(_TABS) else ",", reading)
    return reading.done()


def class_name(value: object) -> str:
    """Return the class that a label or a configured value means: 1, 1.0 and '1' are the same."""
    cell = _cell(value)
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < _EXACT else repr(cell)
    return _TRUTH.get((cell or "").casefold(), cell or "")


def table_rows(text: str, delimiter: str) -> Iterator[list[str]]:
    """Yield the header of a table, and then its rows, each with a cell for each column.

    Args:
        text: of the file.
        delimiter: what is between two cells.

    Raises:
        ValueError: it is not a table; the message says where, and shows no cell of it.
    """
    reader = csv.reader(lines_of(text), delimiter=delimiter, skipinitialspace=True, strict=True)
    columns = 0
    try:
        for cells in reader:
            if not any(cells):
                continue
            if not columns:
                _require_separated(cells, delimiter)
                columns = len(cells)
            elif len(cells) != columns:
                raise ValueError(
                    f"line {reader.line_num} has {counted(len(cells), 'cell')}, but the header has "
                    f"{columns}; quote a cell that holds the separator"
                )
            yield cells
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: not a table: {error}") from None


def _require_separated(header: Sequence[str], delimiter: str) -> None:
    for other, shown_other in _ELSEWHERE.items():
        if len(header) == 1 and other != delimiter and other in header[0]:
            raise ValueError(f"the columns seem to be separated by {shown_other}")


def _take_table(text: str, delimiter: str, reading: _Reading) -> None:
    rows = table_rows(text, delimiter)
    places = _places([cell.strip() for cell in next(rows, [])], reading)
    for cells in rows:
        reading.take({name: cells[at] for name, at in places.items()})


def lines_of(text: str) -> Iterator[str]:
    """Yield the lines with their ends; `splitlines` also divides at characters inside cells."""
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield text[start:end]
        start = end


def _places(header: Sequence[str], reading: _Reading) -> dict[str, int]:
    meant = _meant(header, reading)
    for name in meant.values():
        if header.count(name) > 1:
            raise ValueError(f"two columns are named {short(name)}: rename one")
    return {name: header.index(there) for name, there in meant.items()}


def _meant(names: Sequence[str], reading: _Reading) -> dict[str, str]:
    """Return the column of the file for each that is wanted: no two are the same."""
    found: dict[str, str] = {}
    known = {name: named_like(names, name) for name in reading.wanted}
    for name, meant in known.items():
        if len(meant) > 1:
            several = f"{short(name)} could be any of {shown(meant)}"
            raise ValueError(f"{several}: write one as it is there")
        if meant:
            same = next((one for one, there in found.items() if there == meant[0]), None)
            if same is not None:
                both = f"{short(meant[0])} is {short(same)} and {short(name)}"
                raise ValueError(f"the column {both}: one column is needed each")
            found[name] = meant[0]
        elif name in reading.optional:
            reading.leave_out(name)
        else:
            raise ValueError(lacking(name, names, known, reading.optional))
    return found


def lacking(
    name: str,
    names: Sequence[str],
    known: Mapping[str, Sequence[str]],
    optional: Collection[str] = (),
) -> str:
    """Return that a column is missing; a first line without any name is data, and not shown.

    Args:
        name: of the column.
        names: those of the first line.
        known: for each name that is wanted, the columns that it can mean.
        optional: those that need not be there.
    """
    if not any(known.values()):
        wanted = shown([one for one in known if one not in optional])
        return f"the first line has none of the names {wanted}: are the names missing there?"
    return f"there is no column {short(name)}; there are {shown(names)}"


def _take_json(text: str, reading: _Reading) -> None:
    meant: dict[str, str] = {}
    for number, line in enumerate(lines_of(text), start=1):
        if not line.strip():
            continue
        row = object_in(line, number)
        if not meant:  # the names of the first object hold for all
            meant = _meant(tuple(row), reading)
        cells = {name: row.get(there) for name, there in meant.items()}
        nested = next((name for name, one in cells.items() if isinstance(one, dict | list)), None)
        if nested is not None:
            raise ValueError(f"line {number}: {short(nested)} is neither a number nor a text")
        reading.take(cells)


def object_in(line: str, number: int) -> dict[str, Any]:
    """Return the object of a line of JSON.

    Args:
        line: its text.
        number: for messages.

    Raises:
        ValueError: it holds none; the message shows nothing of it.
    """
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"line {number} is not JSON: {error.msg}, column {error.colno}; write one object a line"
        ) from None
    except (ValueError, RecursionError):
        raise ValueError(f"line {number} holds a number or a nesting that is too long") from None
    if not isinstance(row, dict):
        raise ValueError(f"line {number} is not an object: write one object a line")  # noqa: TRY004
    return row


def _cell(value: object) -> Cell:
    """Return a number, a text, or None; `1,234` is a text, since no separator is guessed."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).casefold()
    if isinstance(value, int | float):
        return _finite(value)
    text = cast("str", value).strip()
    if _NUMBER.fullmatch(text):
        return float(text)
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace("∞", "inf"))
    return None if text.casefold() in NOTHING else text


def _finite(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf


def text_in(value: object) -> str:
    """Return an id, or the value of a slice; JSON's 7 and a table's 7 are the same."""
    if value is None:
        return ""
    return str(value).casefold() if isinstance(value, bool) else str(value).strip()
