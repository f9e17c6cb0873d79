"""A search goes on page by page, and keeps how far it is, what it found and what it could not."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.core.blobs import BlobVersion
from shared.core.data_version import DataVersion
from shared.errors import ConflictError, CorruptRecordError, InvalidCursorError, TransientError
from shared.intake.search import Search
from shared.ledger.progress import SearchState
from shared.ledger.store import Stored
from shared.ports.storage import ETag, Page
from tests.fakes.world import DATA, MODELS
from tests.unit.worlds import Observed

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


class SearchCase:
    """A world with data that no event told of, and the search for it."""

    def __init__(self, *names: str, **pipeline: Any) -> None:
        self.world = Observed(config={"pipeline": {"endpoints": [], **pipeline}})
        self.world.app.activations.refresh()
        self.world.clock.move(MINUTE)
        self.put(*names)
        self.world.clock.move(5 * MINUTE)
        self.ledger = self.world.context.ledger
        self.sweep = self.world.app.search
        self.record_discovered: list[str] = []
        self.error: Exception | None = None
        self.failing: set[str] = set()
        versions = self.sweep.data.versions

        def noted(blob: BlobVersion) -> Sequence[DataVersion]:
            self.record_discovered.append(blob.name)
            if self.error and (not self.failing or blob.name in self.failing):
                raise self.error
            return versions(blob)

        self.versions_by(noted)

    def versions_by(self, versions: Callable[[BlobVersion], Sequence[DataVersion]]) -> None:
        """Have the search look blobs up by another function."""
        self.sweep.data = replace(self.sweep.data, versions=versions)

    def put(self, *names: str) -> None:
        for name in names:
            self.world.blobs.put(DATA, name, name.encode())

    def go(self, span: timedelta = MINUTE) -> SearchState:
        self.record_discovered.clear()
        self.sweep.run_until(self.world.clock.now() + span)
        return self.state()

    def state(self) -> SearchState:
        stored = self.ledger.search.read()
        assert stored is not None
        return stored.record


def test_a_search_finds_what_no_event_told_of_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    search = SearchCase("a.csv", "b.txt")
    state = search.go()
    assert search.record_discovered == ["a.csv", "b.txt"]
    assert (state.checked, state.found, state.complete) == (2, 1, True)
    assert state.started_at == state.completed_at == search.world.clock.now()
    assert (state.cursor, state.checked_to, state.unread, state.since) == (None, "", (), None)
    assert "1 data versions were found that no event had announced" in caplog.text
    caplog.clear()
    search.world.clock.move(15 * MINUTE)
    assert search.go().found == 0
    assert "no event had announced" not in caplog.text


def test_the_next_search_begins_when_it_is_due_and_looks_at_what_changed_since() -> None:
    search = SearchCase("a.csv")
    began = search.world.clock.now()
    search.go()
    search.world.clock.move(15 * MINUTE - SECOND)
    search.go()
    assert search.record_discovered == []
    assert search.state().started_at == began
    search.world.clock.move(SECOND)
    state = search.go()
    assert (state.started_at, state.since) == (began + 15 * MINUTE, began - 15 * MINUTE)
    assert search.record_discovered == ["a.csv"]  # within the margin it is looked at once more
    search.world.clock.move(HOUR)
    search.go()
    search.world.clock.move(15 * MINUTE)
    search.go()
    assert search.record_discovered == []


def test_what_changed_exactly_at_the_bound_is_looked_at() -> None:
    search = SearchCase()
    search.put("a.csv")
    changed = search.world.clock.now()
    known = SearchState(started_at=changed + 15 * MINUTE, complete=True, completed_at=changed)
    search.ledger.search.put(known, None)
    search.world.clock.move(30 * MINUTE)
    search.go()
    assert search.record_discovered == ["a.csv"]


@pytest.mark.parametrize(("age", "seen"), [(5 * MINUTE - SECOND, False), (5 * MINUTE, True)])
def test_what_is_younger_than_five_minutes_is_left_to_its_event(
    age: timedelta, *, seen: bool
) -> None:
    search = SearchCase()
    search.put("a.csv")
    search.world.clock.move(age)
    search.go()
    assert (search.record_discovered == ["a.csv"]) is seen


def test_a_host_whose_clock_was_ahead_has_everything_looked_at() -> None:
    for ahead, everything in ((15 * MINUTE, False), (15 * MINUTE + SECOND, True)):
        search = SearchCase("a.csv")
        now = search.world.clock.now()
        known = SearchState(started_at=now + ahead, complete=True, completed_at=now)
        search.ledger.search.put(known, None)
        state = search.go()
        assert (state.started_at == now) is everything
        if everything:
            assert (state.since, state.completed_at) == (None, now)


def test_a_search_is_stopped_by_the_time_and_goes_on_behind_the_last_blob() -> None:
    search = SearchCase("a.csv", "b.csv", "c.csv")
    versions = search.sweep.data.versions

    def slow(blob: BlobVersion) -> Sequence[DataVersion]:
        search.world.clock.move(20 * SECOND)
        return versions(blob)

    search.versions_by(slow)
    state = search.go(30 * SECOND)
    assert (search.record_discovered, state.checked_to, state.complete) == (
        ["a.csv", "b.csv"],
        "b.csv",
        False,
    )
    state = search.go(30 * SECOND)
    assert (search.record_discovered, state.checked_to, state.complete) == (["c.csv"], "", True)
    assert state.checked == 3


def test_a_page_whose_last_blob_is_gone_is_looked_through_again() -> None:
    search = SearchCase("a.csv", "b.csv")
    now = search.world.clock.now()
    search.ledger.search.put(SearchState(started_at=now, checked_to="gone.csv"), None)
    search.go()
    assert search.record_discovered == ["a.csv", "b.csv"]


def test_pages_follow_each_other_until_there_is_none(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "relearn")
    search = SearchCase("a.csv", "b.csv", "c.csv")
    page = search.world.blobs.page
    cursors: list[str | None] = []

    def small(container: str, cursor: str | None, prefix: str = "") -> Page[BlobVersion]:
        if container == MODELS:
            assert prefix == "promote/"
            return page(container, cursor, prefix)
        cursors.append(cursor)
        if cursor == "odd":
            raise InvalidCursorError(cursor)
        at = int(cursor or 0)
        items = list(search.world.blobs.listing(container, ""))
        following = str(at + 1) if at + 1 < len(items) else None
        return Page(tuple(items[at : at + 1]), following)

    search.world.blobs.page = small  # type: ignore[method-assign]
    state = search.go()
    assert (cursors, state.checked, state.complete) == ([None, "1", "2"], 3, True)
    stored = search.ledger.search.read()
    assert stored is not None
    odd = SearchState(started_at=search.world.clock.now(), cursor="odd", checked_to="b.csv")
    search.ledger.search.put(odd, stored.etag)
    cursors.clear()
    assert search.go().complete
    assert cursors == ["odd", None, "1", "2"]
    assert "begins again: its cursor is not taken" in caplog.text


# What cannot be looked up


def test_what_cannot_be_looked_up_is_remembered_and_tried_first_the_next_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    search = SearchCase("a.csv", "b.csv", "c.csv")
    search.error, search.failing = CorruptRecordError("versions/x is odd"), {"b.csv"}
    state = search.go()
    assert (state.checked, state.found, state.unread, state.complete) == (3, 2, ("b.csv",), True)
    assert "data versions b.csv: versions/x is odd" in caplog.text
    search.error = None
    search.world.clock.move(HOUR)
    state = search.go()
    assert search.record_discovered[0] == "b.csv"
    assert (state.unread, state.again, state.found) == ((), (), 1)


def test_a_blob_that_is_gone_by_then_is_tried_no_more() -> None:
    search = SearchCase("a.csv")
    search.error = CorruptRecordError("odd")
    search.go()
    search.world.blobs.remove(DATA, "a.csv")
    search.world.clock.move(HOUR)
    state = search.go()
    assert (search.record_discovered, state.unread, state.checked) == ([], (), 1)


def test_a_storage_that_fails_is_left_after_three_blobs_in_a_row(
    caplog: pytest.LogCaptureFixture,
) -> None:
    search = SearchCase(*(f"{number}.csv" for number in range(6)))
    search.error = TransientError("busy")
    state = search.go()
    assert (len(search.record_discovered), state.checked, state.complete) == (3, 3, False)
    assert (state.unread, state.checked_to) == (("0.csv", "1.csv", "2.csv"), "2.csv")
    assert "data versions 0.csv cannot be looked up now: busy" in caplog.text
    search.error = None
    assert search.go().complete
    assert search.record_discovered == ["3.csv", "4.csv", "5.csv"]


def test_failures_with_a_success_between_them_do_not_stop_a_search() -> None:
    search = SearchCase(*(f"{number}.csv" for number in range(5)))
    search.error, search.failing = TransientError("busy"), {"0.csv", "1.csv", "3.csv", "4.csv"}
    assert search.go().complete


def test_a_damaged_record_is_no_failure_of_the_storage() -> None:
    search = SearchCase(*(f"{number}.csv" for number in range(5)))
    search.error = CorruptRecordError("odd")
    assert search.go().complete


def full(search: SearchCase) -> None:
    names = tuple(f"x{number}" for number in range(200))
    now = search.world.clock.now()
    search.ledger.search.put(SearchState(started_at=now, unread=names), None)


def test_a_bounded_number_of_names_is_remembered(caplog: pytest.LogCaptureFixture) -> None:
    search = SearchCase("a.csv")
    full(search)
    search.error = CorruptRecordError("odd")
    state = search.go()
    assert (len(state.unread), state.checked) == (200, 1)
    assert "a.csv is not looked up again: too many records are damaged" in caplog.text
    search = SearchCase("a.csv")
    full(search)
    search.error = TransientError("busy")
    with pytest.raises(TransientError):
        search.go()
    assert search.state().checked == 0


def test_a_name_is_remembered_once() -> None:
    search = SearchCase("a.csv")
    now = search.world.clock.now()
    search.ledger.search.put(SearchState(started_at=now, unread=("a.csv",)), None)
    search.error = CorruptRecordError("odd")
    assert search.go().unread == ("a.csv",)


# Several workers, and a record that is damaged


def test_the_slower_of_two_workers_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    search = SearchCase("a.csv")
    tries: list[SearchState] = []

    def late(state: SearchState, expected: ETag | None) -> ETag:
        tries.append(state)
        raise ConflictError("search")

    monkeypatch.setattr(search.ledger.search, "put", late)
    search.sweep.run_until(search.world.clock.now() + MINUTE)
    assert len(tries) == 1


def test_a_search_whose_record_is_damaged_goes_on_in_memory_and_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    search = SearchCase("a.csv")
    search.world.damage("search")
    for _ in range(2):
        search.record_discovered.clear()
        search.sweep.run_until(search.world.clock.now() + MINUTE)
    assert caplog.text.count("search is not understood") == 1
    assert search.record_discovered == []  # the second time it was not due
    search.world.clock.move(HOUR)
    search.put("b.csv")
    search.world.clock.move(5 * MINUTE)
    search.sweep.run_until(search.world.clock.now() + MINUTE)
    assert search.record_discovered == ["a.csv", "b.csv"]  # the first one is within the margin
    assert search.world.documents.rows["search"].body == b"{not json"


def test_models_are_looked_for_first_and_stop_no_search_for_data(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    search = SearchCase("a.csv")
    read = search.ledger.search_models.read

    def fails() -> Stored[SearchState] | None:
        raise TransientError("busy")

    monkeypatch.setattr(search.ledger.search_models, "read", fails)
    assert search.go().found == 1
    assert "models under promote/ cannot be looked for now: busy" in caplog.text
    monkeypatch.setattr(search.ledger.search_models, "read", read)
    search.go()
    models = search.ledger.search_models.read()
    assert models is not None
    assert models.record.complete


def test_models_have_a_quarter_of_the_time_and_older_data_half_of_what_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    search = SearchCase("a.csv")
    spans: list[timedelta] = []
    now = search.world.clock.now

    def noted(_: Search, search: object, until: datetime) -> None:
        spans.append(until - now())

    monkeypatch.setattr(Search, "_continue", noted)
    search.sweep.backfill = _Backfill(search.sweep.backfill, spans, now)  # type: ignore[assignment]
    search.sweep.run_until(now() + 4 * MINUTE)
    assert spans == [MINUTE, 2 * MINUTE, 4 * MINUTE]


class _Backfill:
    """Keeps how much time the backfill is given."""

    def __init__(self, real: Any, spans: list[timedelta], now: Any) -> None:
        self._real, self._spans, self._now = real, spans, now

    def newest(self, until: Any) -> None:
        self._spans.append(until - self._now())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def test_a_backfill_of_all_is_done_once_the_search_went_through_everything() -> None:
    search = SearchCase("a.csv", data={"blob": "{name}.csv", "backfill": "all"})
    search.go()
    stored = search.ledger.activations.read("sample")
    assert stored is not None
    assert stored.record.backfilled_at == search.world.clock.now()
    assert not search.world.app.search.backfill.wanted()
