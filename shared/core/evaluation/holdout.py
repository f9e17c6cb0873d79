"""Reads a holdout, and makes the requests with its rows that an endpoint is to score."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from shared.core.config.compare import RECORDS, ROWS, Compare
from shared.core.counting import counted
from shared.core.decisions.predictions import (
    JSON_LINES,
    MOST_BYTES,
    MOST_ROWS,
    NOTHING,
    class_name,
    lacking,
    lines_of,
    object_in,
    table_rows,
    text_in,
)
from shared.core.frozen import FrozenModel
from shared.core.text import named_like, short, shown, text_of, without_type_line

#: How many rows one request has at first; fewer where a model cannot take that number.
USUAL_ROWS: Final = 200
#: The longest request, in characters, that has more than one row.
_LONGEST: Final = 1_000_000
_TABS: Final = ".tsv"
_WHOLE: Final = re.compile(r"[+-]?\d{1,15}", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_TRUTH: Final = {"true": True, "false": False}
_TWO: Final = 2


class HoldoutFacts(FrozenModel):
    """What one pass over a whole holdout finds, without anything of its content."""

    rows: int
    kinds: str  #: of the columns that a table sends: numbers (n), truths (t) or texts (x)
    #: Where the positive class is among the two of the labels, sorted; None: there are not two.
    position: int | None


class HoldoutProgress(FrozenModel):
    """How far the rows of a holdout are scored, and by which models."""

    etag: str  #: of the holdout
    content: str  #: digest of its content: other content is scored anew
    candidate: str  #: its name at the endpoint
    live: str = ""  #: the run whose model scores the same rows; empty: there is none
    of: HoldoutFacts
    rows: int = 0  #: how many of them are scored
    size: int = 0  #: bytes of the predictions up to there
    predictions: str = ""  #: digest of these bytes
    batch: int = USUAL_ROWS  #: rows of one request
    failures: int = 0  #: requests without scores, in a row
    cannot: str = ""  #: why the live model cannot score the rows

    @property
    def is_complete(self) -> bool:
        """Whether every row is scored."""
        return self.rows == self.of.rows


@dataclass(frozen=True, slots=True)
class RequestRows:
    """The rows of one request."""

    kept: Sequence[Sequence[str]]  #: of each row what predictions keep: id, label and others
    request: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Holdout:
    """The rows of one holdout. They are read from its text again for each pass."""

    text: str = field(repr=False)
    form: str  #: the end of its name
    columns: tuple[str, ...]
    kept: tuple[int, ...]  #: the places of the columns that predictions keep
    sent: tuple[int, ...]  #: the places of the columns that models are sent
    facts: HoldoutFacts
    template: Mapping[str, Any] | None  #: of requests; None: the one of MLflow

    def batches(self, start: int, most: int) -> Iterator[RequestRows]:
        """Yield the rows from one on, in requests.

        Args:
            start: how many rows are scored already.
            most: how many rows a request has at most.
        """
        rows = islice(_rows(self.text, self.form, self.columns), start, None)
        left: list[Sequence[object]] = []
        while True:
            left += islice(rows, most - len(left))
            if not left:
                return
            count = len(left)
            request = self._request(left)
            while count > 1 and len(json.dumps(request)) > _LONGEST:
                count //= 2
                request = self._request(left[:count])
            kept = [tuple(text_in(row[at]) for at in self.kept) for row in left[:count]]
            yield RequestRows(kept, request)
            del left[:count]

    def _request(self, rows: Sequence[Sequence[object]]) -> dict[str, Any]:
        names = [self.columns[at] for at in self.sent]
        sent = list(zip(self.sent, self.facts.kinds or "j" * len(names), strict=True))
        values = [[_value(row[at], kind) for at, kind in sent] for row in rows]
        if self.template is None:
            index = list(range(len(rows)))
            return {"input_data": {"columns": names, "index": index, "data": values}}
        filled: dict[str, Any] = _filled(self.template, names, values)
        return filled


def _value(cell: object, kind: str) -> object:
    """Return a cell as it is sent: of a table as pandas reads it, nothing as null."""
    if kind == "j":  # JSON has types of its own
        return cell
    text = str(cell).strip()
    if _is_nothing(text):
        return None
    match kind:
        case "n":
            return int(text) if _WHOLE.fullmatch(text) else float(text)
        case "t":
            return _TRUTH[text.casefold()]
        case _:
            return cell


def read_holdout(content: bytes, compare: Compare, known: HoldoutFacts | None = None) -> Holdout:
    """Return the rows of a holdout: a table or JSON lines, with a label and features for each row.

    Args:
        content: of its file.
        compare: which columns it has, and how rows are sent.
        known: what an earlier pass over the same content found; None: it is read as a whole.

    Raises:
        ValueError: it cannot be read; the message says where, and shows no cell of it.
    """
    if len(content) > MOST_BYTES:
        most = MOST_BYTES // 1024**2
        raise ValueError(f"it has {len(content):,} bytes, and at most {most} MB are read")
    form = (compare.holdout or "").casefold()
    text = text_of(content).removeprefix("\ufeff")
    if not form.endswith(JSON_LINES):
        text = without_type_line(text)
    columns = _columns(text, form)
    places = {name: _place(columns, name, compare) for name in compare.kept_columns}
    unsent = {places[name] for name in compare.unsent_columns}
    features = tuple(at for at in range(len(columns)) if at not in unsent)
    template = compare.request if isinstance(compare.request, dict) else None
    facts = known or _facts(_rows(text, form, columns), features, compare, columns)
    _require_columns(template, columns, features)
    return Holdout(
        text=text,
        form=form,
        columns=columns,
        kept=tuple(places.values()),
        sent=features,
        facts=facts,
        template=template,
    )


def _facts(
    rows: Iterator[Sequence[object]],
    features: Sequence[int],
    compare: Compare,
    columns: Sequence[str],
) -> HoldoutFacts:
    is_json = (compare.holdout or "").casefold().endswith(JSON_LINES)
    found = _Counting(() if is_json else features, _place(columns, compare.label, compare))
    for row in rows:
        found.take(row)
    if not found.rows:
        raise ValueError("there are no rows")
    order, positive = _in_order(found.classes), class_name(compare.positive)
    return HoldoutFacts(
        rows=found.rows,
        kinds=found.kinds,
        position=order.index(positive) if positive in order else None,
    )


def as_lines(rows: Sequence[Sequence[str]]) -> bytes:
    """Return rows of predictions as lines of a table."""
    written = io.StringIO()
    # A single carriage return is not quoted, and then ends a line for the reader.
    clean = ([cell.replace("\r", "\n") for cell in row] for row in rows)
    csv.writer(written, lineterminator="\n").writerows(clean)
    return written.getvalue().encode()


class _Counting:
    """Counts rows, and finds what each column holds: numbers, truths, or else texts."""

    def __init__(self, features: Sequence[int], label: int) -> None:
        self.rows = 0
        self.classes: set[str] = set()
        self._label = label
        self._features = features
        self._numbers, self._truths = set(features), set(features)

    def take(self, row: Sequence[object]) -> None:
        """Take one row."""
        self.rows += 1
        if self.rows > MOST_ROWS:
            raise ValueError(f"there are more than {MOST_ROWS:,} rows: use a sample of them")
        if len(self.classes) <= _TWO:
            self.classes.add(class_name(row[self._label]))
        is_number = _NUMBER.fullmatch
        odd = [at for at in self._numbers if not is_number(str(row[at]).strip())]
        self._numbers.difference_update([at for at in odd if not _is_nothing(row[at])])
        if self._truths:
            odd = [at for at in self._truths if str(row[at]).strip().casefold() not in _TRUTH]
            self._truths.difference_update([at for at in odd if not _is_nothing(row[at])])

    @property
    def kinds(self) -> str:
        """What each column holds, a letter for each."""
        return "".join(
            "n" if at in self._numbers else "t" if at in self._truths else "x"
            for at in self._features
        )


def _is_nothing(cell: object) -> bool:
    small = str(cell).strip().casefold()
    return small in NOTHING or small == "nan"


def _rows(text: str, form: str, columns: Sequence[str]) -> Iterator[Sequence[object]]:
    if not form.endswith(JSON_LINES):
        rows = table_rows(text, "\t" if form.endswith(_TABS) else ",")
        next(rows, None)  # the header
        yield from rows
        return
    for number, line in enumerate(lines_of(text), start=1):
        if line.strip():
            row = object_in(line, number)
            yield [row.get(name) for name in columns]


def _columns(text: str, form: str) -> tuple[str, ...]:
    if form.endswith(JSON_LINES):
        numbered = enumerate(lines_of(text), start=1)
        first = next(((number, line) for number, line in numbered if line.strip()), None)
        columns = tuple(object_in(first[1], first[0])) if first else ()
    else:
        rows = table_rows(text, "\t" if form.endswith(_TABS) else ",")
        columns = tuple(cell.strip() for cell in next(rows, ()))
    if not columns:
        raise ValueError("the file is empty")
    twice = next((name for name in columns if columns.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"two columns are named {short(twice)}: rename one")
    return columns


def _place(columns: Sequence[str], name: str, compare: Compare) -> int:
    meant = named_like(columns, name)
    if len(meant) > 1:
        raise ValueError(f"{short(name)} could be any of {shown(meant)}: write one as it is there")
    if not meant:
        known = {one: named_like(columns, one) for one in compare.kept_columns}
        raise ValueError(lacking(name, columns, known))
    return columns.index(meant[0])


def _in_order(classes: set[str]) -> tuple[str, ...]:
    """Return two classes in the order in which models give their probabilities: sorted."""
    if len(classes) != _TWO:
        return ()
    if all(_NUMBER.fullmatch(name) for name in classes):
        return tuple(sorted(classes, key=float))
    return tuple(sorted(classes))


def _filled(node: Any, names: Sequence[str], rows: Sequence[Sequence[object]]) -> Any:
    """Return a part of a template with the rows in it; where it lists `columns`, only of these."""
    if isinstance(node, dict):
        listed = _listed(node)
        if listed is not None:
            at = [names.index(name) for name in listed]
            names, rows = listed, [[row[one] for one in at] for row in rows]
        return {key: _filled(part, names, rows) for key, part in node.items()}
    if isinstance(node, list):
        return [_filled(part, names, rows) for part in node]
    if node == ROWS:
        return list(rows)
    if node == RECORDS:
        return [dict(zip(names, row, strict=True)) for row in rows]
    if node == "{columns}":
        return list(names)
    return list(range(len(rows))) if node == "{index}" else node


def _listed(node: Mapping[str, Any]) -> list[str] | None:
    """Return the columns that a template lists next to its rows; None: it lists none."""
    listed = node.get("columns")
    if isinstance(listed, list) and listed and all(isinstance(one, str) for one in listed):
        return listed
    return None


def _require_columns(template: Any, columns: Sequence[str], features: Sequence[int]) -> None:
    """Refuse rows without a column to send, and a template that lists one which is not sent."""
    if not features:
        raise ValueError("there is no column to send except id and label")
    left = [template]
    sent = [columns[at] for at in features]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            odd = [name for name in _listed(node) or () if name not in sent]
            if odd:
                many = counted(len(odd), "column")
                raise ValueError(f"the request lists {many} that are not sent: {shown(odd)}")
        left += list(node.values()) if isinstance(node, dict) else []
        left += node if isinstance(node, list) else []
