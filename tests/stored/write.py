"""Writes the fixtures of this version: `python -m tests.stored.write`.

It runs unit tests, notes what the app stores in their ledgers, and keeps few records that together
show each member, each word, and each phase and origin of a run.
"""

import os
import sys
from collections import defaultdict
from collections.abc import Iterator
from enum import Enum
from typing import Any, Final, get_args

import pytest
from pydantic import BaseModel

from shared.core.counting import counted
from shared.core.frozen import RecordModel
from shared.core.run.record import Run
from shared.ledger.store import Store, parsed
from shared.ports.storage import Document, ETag
from shared.version import VERSION
from tests.fakes.clock import FakeClock
from tests.fakes.documents import MemoryDocuments, Row
from tests.stored.forms import EMPTY, KINDS, Fixture, written
from tests.unit.worlds import CountingDocuments, Observed

#: Tests over a whole world that does not count its calls.
_WHOLE: Final = ("tests/functions/test_traces.py", "test_storage_events.py", "test_undelivered.py")
TESTS: Final = (
    *(f"tests/unit/{name}" for name in ("execution", "intake", "maintenance", "operations")),
    _WHOLE[0],
)
#: Records that differ only in these have the same form: times, ids and digests.
_DIGITS: Final = b"0123456789abcdef"
#: What is passed on the way from the app's own code to the documents.
_BETWEEN: Final = ("/tests/fakes/", "/tests/unit/worlds.py", "/shared/ledger/", "/tests/stored/")
Features = frozenset[tuple[str, ...]]


class Notes:
    """A plug-in that notes what the app stores in the ledgers of worlds."""

    def __init__(self) -> None:
        self.least: dict[tuple[str, Features], Fixture] = {}
        self._seen: set[tuple[str, bytes, bytes]] = set()

    def pytest_sessionstart(self) -> None:
        """Have the documents of worlds noted from now on."""
        put, notes = MemoryDocuments._put, self

        def noted(documents: MemoryDocuments, name: str, body: bytes, metadata: Any) -> ETag:
            etag = put(documents, name, body, metadata)
            test = os.environ.get("PYTEST_CURRENT_TEST", "")
            whole = isinstance(documents, CountingDocuments) or any(one in test for one in _WHOLE)
            if whole and _by_the_app():
                notes.note(name, documents.rows[name])
            return etag

        MemoryDocuments._put = noted  # type: ignore[method-assign, assignment]

    def note(self, name: str, row: Row) -> None:
        """Note a document, if it is the smallest of its features."""
        fixture = Fixture(name, row.body, row.metadata)
        body = row.body.translate(None, _DIGITS)
        seen = (fixture.kind, body, str(row.metadata).encode().translate(None, _DIGITS))
        if seen in self._seen:
            return
        self._seen.add(seen)
        features = features_of(fixture)
        known = self.least.get((fixture.kind, features)) if features else fixture
        if features and (known is None or len(known.line) > len(fixture.line)):
            self.least[fixture.kind, features] = fixture


def _by_the_app() -> bool:
    """Whether the app's own code stores this record, and not a test."""
    frame = sys._getframe(2)
    while frame.f_back and any(part in frame.f_code.co_filename for part in _BETWEEN):
        frame = frame.f_back
    return "/shared/" in frame.f_code.co_filename


def features_of(fixture: Fixture) -> Features:
    """Return what a document shows of the form of its kind; nothing where no code wrote it."""
    marks = {("metadata", name) for name in fixture.metadata}
    if (not fixture.body) != (fixture.kind in EMPTY):
        return frozenset()  # a test damaged it
    if not fixture.body:
        shown = fixture.metadata.get("marker", "").partition(",")[0]
        return frozenset({("empty",), ("kind", shown), *marks})
    now = FakeClock().now()
    document = Document(fixture.name, fixture.body, ETag("1"), now, now)
    try:
        record = parsed(document, KINDS[fixture.kind])
    except Exception:  # noqa: BLE001 -- a test damaged it
        return frozenset()
    if again(record) != fixture.body or Fixture.of(fixture.line) != fixture:
        return frozenset()
    found = {*marks, *_features(record)}
    if isinstance(record, Run):
        phase, origin = record.phase.value, record.origin.value
        provider = record.config.training.kind
        found |= {("run", phase, provider), ("run", origin, provider), ("run", phase, origin)}
    return frozenset(found)


def again(record: RecordModel) -> bytes:
    """Return the document that the ledger would store of a record."""
    documents = MemoryDocuments(FakeClock())
    Store(documents).put("x", record, None)
    return documents.rows["x"].body


def _features(value: Any) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _features(inner)
    elif isinstance(value, tuple | list):
        for inner in value:
            yield from _features(inner)
    elif isinstance(value, BaseModel):
        model = type(value)
        for name, field in model.model_fields.items():
            inner = getattr(value, name)
            left_out = not field.is_required() and inner == field.get_default(
                call_default_factory=True
            )
            word = inner if isinstance(inner, Enum | bool) or _words(field.annotation) else None
            yield (model.__name__, name, "left out" if left_out else str(word))
            yield from _features(inner)


def _words(annotation: Any) -> bool:
    return any(isinstance(one, str) for one in get_args(annotation))


def chosen(notes: Notes) -> dict[str, list[Fixture]]:
    """Return few records of each kind that show all that was noted."""
    by_kind: dict[str, list[tuple[Features, Fixture]]] = defaultdict(list)
    for (kind, features), fixture in notes.least.items():
        by_kind[kind].append((features, fixture))
    found: dict[str, list[Fixture]] = {}
    for kind, known in sorted(by_kind.items()):
        left = set().union(*(features for features, _ in known))
        found[kind] = []
        while left:
            features, fixture = max(
                known, key=lambda one: (len(one[0] & left) / (200 + len(one[1].line)), one[1].name)
            )
            left -= features
            found[kind].append(fixture)
    return found


def main() -> int:
    """Write the fixtures of this version."""
    notes = Notes()
    options = ["-q", "-n0", "-p", "no:cacheprovider", *TESTS]
    code = pytest.main(options, plugins=[notes])
    Observed().app.ticks.note()  # which no test of a world does
    found = chosen(notes)
    missing = {*KINDS, *EMPTY} - found.keys()
    if code or missing:
        sys.stderr.write(f"nothing is written; tests failed, or there is no {sorted(missing)}\n")
        return 1
    written(found)
    for kind, records in found.items():
        sys.stdout.write(f"{VERSION} {kind}: {counted(len(records), 'record')}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
