"""Pages of the list of runs: their content, their cursors, and their cost."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.names import index_name
from shared.core.run.record import Phase, Run
from shared.errors import InvalidCursorError
from shared.ledger.open_markers import RunHints
from shared.operations import history
from shared.operations.history import History, RunFilter
from tests.unit.samples import NOW, pipeline
from tests.unit.samples import run as sample
from tests.unit.worlds import Observed

ANY = RunFilter()


class Runs:
    """A ledger of runs, the newest of which has the highest number."""

    def __init__(self, count: int = 0, **changes: Any) -> None:
        self.world = Observed()
        self.ledger = self.world.context.ledger
        self.history = History(self.world.context)
        for number in range(count):
            self.put(number, **changes)

    def put(self, number: int, phase: Phase = Phase.FINISHED, **changes: Any) -> Run:
        at = NOW + number * timedelta(minutes=1)
        one = sample(phase, run_id=f"sample-{number}", opened_at=at, **changes)
        self.ledger.runs.create(one)
        return one

    def page(self, wanted: RunFilter = ANY, limit: int = 9, cursor: str | None = None) -> Any:
        found = self.history.page(wanted, limit, cursor)
        return [
            int(run.run_id.removeprefix("sample-")) for run in (one.record for one in found.stored)
        ], found.cursor

    def all(self, wanted: RunFilter = ANY, limit: int = 2) -> list[list[int]]:
        pages, cursor = [], None
        while True:
            numbers, cursor = self.page(wanted, limit, cursor)
            pages.append(numbers)
            if cursor is None:
                return pages


def test_pages_continue_where_the_last_one_ended_the_newest_first() -> None:
    runs = Runs(5)
    assert runs.all() == [[4, 3], [2, 1], [0]]
    assert runs.all(limit=5) in ([[4, 3, 2, 1, 0]], [[4, 3, 2, 1, 0], []])
    assert Runs().page() == ([], None)


def test_runs_that_are_opened_meanwhile_show_none_twice_and_hide_none() -> None:
    runs = Runs(4)
    first, cursor = runs.page(limit=2)
    runs.put(9)
    second, _ = runs.page(limit=2, cursor=cursor)
    assert first + second == [3, 2, 1, 0]


def test_a_page_goes_over_as_many_listings_as_it_may_cost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(history, "_NAMES", 2)
    runs = Runs(9)
    runs.world.calls.clear()
    numbers, cursor = runs.page(limit=9)
    assert numbers == [8, 7, 6, 5]
    assert runs.world.calls.count("list index") == 2
    assert cursor is not None
    numbers, _ = runs.page(limit=3, cursor=cursor)
    assert numbers == [4, 3, 2]
    assert [n for page in runs.all(limit=3) for n in page] == [8, 7, 6, 5, 4, 3, 2, 1, 0]


def test_a_page_lists_no_more_names_than_it_needs() -> None:
    asked: list[int] = []
    runs = Runs(1)
    listed = runs.ledger.index.page

    def noted(size: int, cursor: str | None) -> Any:
        asked.append(size)
        return listed(size, cursor)

    runs.ledger.index.page = noted  # type: ignore[method-assign]
    runs.page(limit=50)
    runs.page(limit=9)
    runs.page(RunFilter(pipeline="sample"), 9)
    runs.page(RunFilter(key=()), 9)
    runs.page(RunFilter(parent="x"), 9)
    runs.page(RunFilter(open=True), 9)
    assert asked == [200, 36, 5000, 5000, 5000, 36]
    assert runs.history._size(ANY, 5000) == 5000


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (RunFilter(pipeline="sample"), [4, 2, 0]),
        (RunFilter(pipeline="other"), [1]),
        (RunFilter(key=("acme",)), [2]),
        (RunFilter(key=()), [4, 1, 0]),
        (RunFilter(pipeline="sample", key=("ada",)), []),
        (RunFilter(phase=Phase.TRAINING), [4]),
        (RunFilter(open=True), [4]),
        (RunFilter(open=False), [2, 1, 0]),
        (RunFilter(parent="sample-0"), [3]),
        (ANY, [4, 2, 1, 0]),
    ],
)
def test_only_what_is_wanted_is_shown(wanted: RunFilter, found: list[int]) -> None:
    runs = Runs()
    runs.put(0)
    runs.put(1, pipeline="other", config=pipeline(name="other"))
    runs.put(2, config=pipeline(key="name"), tokens={"name": "acme"})
    runs.put(3, parent="sample-0")
    runs.put(4, Phase.TRAINING)
    assert runs.page(wanted)[0] == found


def test_hints_of_names_keep_records_from_being_read() -> None:
    runs = Runs(3)
    runs.world.calls.clear()
    runs.page(RunFilter(pipeline="other"))
    assert runs.world.calls.count("read runs") == 0


def test_a_run_that_was_never_stored_or_is_listed_twice_is_shown_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    runs = Runs(2)
    hints = {"pipeline": "sample"}
    for name in (index_name(NOW, "sample-7"), index_name(NOW - timedelta(hours=1), "sample-1")):
        runs.world.documents.create(name, b"", hints)
    assert runs.page()[0] == [1, 0]
    runs.world.damage("runs/sample-0")
    assert runs.page()[0] == [1]
    assert "runs/sample-0 is not understood" in caplog.text


# Parked runs


def parked(*phases: Phase | None) -> Runs:
    runs = Runs()
    for number, phase in enumerate(phases):
        runs.ledger.open_markers.mark(f"sample-{number}", RunHints(phase=phase))
    return runs


def test_parked_runs_are_known_by_their_markers_a_page_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wait = Phase.PARKED
    runs = parked(wait, Phase.TRAINING, wait, None, wait)
    first = runs.history.parked(2, None)
    assert first.run_ids == ("sample-0", "sample-2")
    last = runs.history.parked(2, first.cursor)
    assert (last.run_ids, last.cursor) == (("sample-4",), None)
    assert runs.history.parked(3, None).cursor is None
    assert runs.world.calls.count("read runs") == 0
    monkeypatch.setattr(history, "_NAMES", 2)
    page = runs.history.parked(9, None)
    assert page.run_ids == ("sample-0",)
    page = runs.history.parked(9, page.cursor)
    assert page.run_ids == ("sample-2",)
    page = runs.history.parked(9, page.cursor)
    assert (page.run_ids, page.cursor) == (("sample-4",), None)


# Cursors


@pytest.mark.parametrize(
    "text", ["", "?", "bnVsbA", "W10", "WzEsICJ4Il0", "W251bGwsIDFd", "e30", "é", "WyJhIl0"]
)
def test_a_cursor_that_no_page_gave_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursorError, match="leave it out"):
        Runs(1).page(cursor=text)
    with pytest.raises(InvalidCursorError, match="leave it out"):
        Runs(1).history.parked(1, text)


def test_a_cursor_holds_where_the_page_ended_and_has_no_padding() -> None:
    for position in (
        history._PageCursor(),
        history._PageCursor("t", "a"),
        history._PageCursor(None, "index/é"),
    ):
        text = position.text()
        assert "=" not in text
        assert history._parsed(text) == position
    assert history._parsed(None) == history._PageCursor(None, "")
