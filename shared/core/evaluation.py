"""Reads what an evaluation wrote: a CSV of one or several rows, or evaluation.json.

Which columns there are depends on the learner, and `Infinity` occurs as a value
(contract studio-classic §7), so nothing is expected of them here.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeGuard

NUMBER: Final = "number"
"""Chooses a row by its place where no column has this name."""

_JSON: Final = ".json"
_TABS: Final = ".tsv"
_METRICS: Final = "metrics"
_FINITE: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_NOT_FINITE: Final = re.compile(r"[+-]?(?:inf(?:inity)?|∞|nan)", re.IGNORECASE)
_SAID_BY_EXCEL: Final = "sep="
_SEPARATORS: Final = {",": "commas", "\t": "tabs"}
_ELSEWHERE: Final = {";": "';'", "\t": "tabs"}
"""What columns are separated by where a list separator of another country, or a copy, made them."""
_JOINTS: Final = re.compile(r"[\s_-]+")
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_LONGEST: Final = 60
_MOST: Final = 20
#: Why no rule can be held against a member, by what JSON made of it.
_UNFIT: Final[Mapping[type, str]] = {
    bool: "is true or false, not a number",
    dict: "is an object, not a number",
    list: "is a list, not a number",
}
_TWICE: Final = object()
"""Stands for a member that is in `metrics` and beside it."""


@dataclass(frozen=True, slots=True)
class Row:
    """What was written of one model: each cell is a text or a number, empty ones are left out."""

    labels: Mapping[str, str]  #: the text cells, by header
    metrics: Mapping[str, float]  #: the number cells, by header; not always finite
    unfit: Mapping[str, str] = field(default_factory=dict)  #: what is neither, and why


def read_evaluation(content: bytes, name: str) -> tuple[Row, ...]:
    """Return the rows, at least one; the suffix of `name` tells JSON, tabs or commas.

    In JSON the members of an object named `metrics`, in whatever case, are the row's as much as
    those beside it. What is spelled alike in both places counts in neither, since which one is
    meant would be a guess; lists, objects, true and false are no cells. Both are only known as
    `unfit`: they stand in the way of a rule that names them, and of no other.

    Raises:
        ValueError: it cannot be read; the message says where and what is wrong.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"not UTF-8: byte {error.start + 1} does not belong there; save it as UTF-8"
        ) from None
    if not text.strip():
        raise ValueError("the file is empty")
    if name.casefold().endswith(_JSON):
        return _from_json(text)
    return _from_table(text, "\t" if name.casefold().endswith(_TABS) else ",")


def choose_row(rows: Sequence[Row], wanted: Mapping[str, str | int]) -> Row:
    """Return the one row that has the wanted values; with one row and no wish, that one.

    An evaluation of two models has two rows, the left input's first (contract
    studio-classic §7): which one is meant is never guessed.

    Raises:
        ValueError: none or several fit; the message lists what there is.
    """
    if not wanted and len(rows) > 1:
        raise ValueError(
            f"there are {len(rows)} rows: {_described(rows)}; "
            f"gate.row must choose one, such as {_example(rows)}"
        )
    fitting = list(range(len(rows)))
    for column, value in wanted.items():
        fits = _fitting(rows, column, value)
        fitting = [place for place in fitting if place in fits]
    if len(fitting) == 1:
        return rows[fitting[0]]
    wish = ", ".join(f"{column}: {value}" for column, value in wanted.items())
    many = f"{len(fitting)} rows fit" if fitting else "no row fits"
    raise ValueError(f"{many} gate.row {{{wish}}}; there are: {_described(rows) or 'no rows'}")


def metric_in(row: Row, name: str) -> float | None:
    """Return a metric of that name, or None where it is missing or several could be meant.

    Names are compared as `named_like` does.
    """
    found = numbers_like(row, name)
    return row.metrics.get(found[0]) if len(found) == 1 else None


def numbers_like(row: Row, name: str) -> tuple[str, ...]:
    """Return what of the row `name` can mean to a rule: numbers, and what is unfit to be one."""
    return named_like((*row.metrics, *row.unfit), name)


def named_like(names: Iterable[str], name: str) -> tuple[str, ...]:
    """Return what `name` can mean: itself alone, or all that are spelled like it.

    Case, blanks, `_` and `-` make no difference: the spelling of most headers is known from
    no real run (contract studio-classic §7).
    """
    known = tuple(names)
    if name in known:
        return (name,)
    return tuple(one for one in known if folded(one) == folded(name))


def folded(name: str) -> str:
    """Return the name of a metric or column without what makes no difference in it."""
    return _JOINTS.sub("", name).casefold() or name


def shown(texts: Sequence[str]) -> str:
    """Return the texts as a list for people, shortened where it is long."""
    listed = [short(text) for text in texts[:_MOST]]
    more = len(texts) - len(listed)
    return ", ".join([*listed, f"and {more} more"] if more else listed)


def short(text: str) -> str:
    """Return the text so short that it fits into a message."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


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
    _require_distinct(header, "columns")
    for number, cells in lines[1:]:
        if len(cells) > len(header):
            raise ValueError(
                f"line {number}: {len(cells)} cells, but the header has {len(header)}; "
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


def _from_json(text: str) -> tuple[Row, ...]:
    try:
        loaded = json.loads(text, parse_int=float, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from None
    except RecursionError:
        raise ValueError("not an evaluation: the JSON is nested too deeply") from None
    return _rows([_flat(each) for each in (loaded if isinstance(loaded, list) else [loaded])])


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    _require_distinct([name for name, _ in pairs], "members")
    return dict(pairs)


def _flat(loaded: object) -> list[tuple[str, object]]:
    """Return the members of an object, with those of `metrics` in the place of it."""
    if not _is_object(loaded):
        raise ValueError(
            'not an evaluation: write an object such as {"AUC": 0.9}, {"metrics": {…}}, '
            "or a list of such objects"
        )
    beside: list[tuple[str, object]] = []
    nested: list[dict[str, object]] = []
    for name, value in loaded.items():
        if name.casefold() == _METRICS and _is_object(value):
            nested.append(value)
        else:
            beside.append((name, value))
    _require_distinct([_METRICS] * len(nested), "objects")
    within = [member for each in nested for member in each.items()]
    twice = _foldeds(within) & _foldeds(beside)
    return [
        (name, _TWICE if folded(name) in twice else value) for name, value in (*within, *beside)
    ]


def _foldeds(members: Iterable[tuple[str, object]]) -> set[str]:
    return {folded(name) for name, _ in members}


def _is_object(value: object) -> TypeGuard[dict[str, object]]:
    return isinstance(value, dict)


def _rows(written: Sequence[Iterable[tuple[str, object]]]) -> tuple[Row, ...]:
    rows = tuple(map(_row, written))
    if not any(row.labels or row.metrics or row.unfit for row in rows):
        raise ValueError("there are no rows: the evaluation has names and no values")
    return rows


def _row(cells: Iterable[tuple[str, object]]) -> Row:
    labels: dict[str, str] = {}
    metrics: dict[str, float] = {}
    unfit: dict[str, str] = {}
    for name, value in cells:
        if value is None or value == "":
            continue
        if not isinstance(value, str | float):
            unfit[name] = _UNFIT.get(type(value), f"is in `{_METRICS}` and beside it: rename one")
            continue
        number = _number(value) if isinstance(value, str) else value
        if number is not None:
            metrics[name] = number
        else:
            labels[name] = _readable(str(value))
    return Row(labels, metrics, unfit)


def _number(text: str) -> float | None:
    """Return the number; a separator of thousands is not guessed, so `1,234` is a text."""
    stripped = text.strip()
    if _FINITE.fullmatch(stripped):
        return float(stripped)
    if _NOT_FINITE.fullmatch(stripped):
        return float(stripped.replace("∞", "inf"))
    return None


def _require_distinct(names: Sequence[str], what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if _readable(name) in seen:
            raise ValueError(f"two {what} are named {short(name)}: rename one")
        seen.add(name)


def _readable(text: str) -> str:
    """Return the text; half a character, as JSON can escape it, fits into no record."""
    if _SURROGATE.search(text):
        raise ValueError("not UTF-8: half a character is escaped in a text; write it whole")
    return text


def _fitting(rows: Sequence[Row], column: str, value: str | int) -> set[int]:
    """Return the places of the rows that have this value."""
    columns = _columns(rows)
    meant = named_like(columns, column)
    if not meant and folded(column) == NUMBER:
        return {place for place in range(len(rows)) if _same(str(place + 1), value)}
    if len(meant) != 1:
        many = "several columns are" if meant else "no column is"
        raise ValueError(
            f"gate.row: {many} named like {short(column)}; there are: {shown(columns)}"
        )
    cells = [row.labels.get(meant[0], row.metrics.get(meant[0])) for row in rows]
    return {place for place, cell in enumerate(cells) if cell is not None and _same(cell, value)}


def _same(cell: str | float, value: str | int) -> bool:
    """Whether both are the same number, or the same text apart from case and blanks around it."""
    number, wanted = _number(str(cell)), _number(str(value))
    if number is not None and wanted is not None:
        return number == wanted
    return str(cell).strip().casefold() == str(value).strip().casefold()


def _described(rows: Sequence[Row]) -> str:
    described = []
    for place, row in enumerate(rows[: _MOST + 1], start=1):
        labels = ", ".join(f"{short(name)}: {short(text)}" for name, text in row.labels.items())
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
