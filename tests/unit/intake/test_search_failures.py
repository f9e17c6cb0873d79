"""Blobs that a search could not read, and several searches at one time."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.errors import ConflictError, CorruptRecordError, TransientError
from shared.intake.search import Search
from shared.ledger.progress import SearchState
from shared.ledger.store import Stored
from shared.ports.storage import ETag
from tests.fakes.world import DATA
from tests.unit.intake.searched_worlds import HOUR, MINUTE, SearchCase

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


def test_the_slower_of_two_workers_yields(monkeypatch: pytest.MonkeyPatch) -> None:
    search = SearchCase("a.csv")
    tries: list[SearchState] = []

    def late(state: SearchState, expected: ETag | None) -> ETag:
        tries.append(state)
        raise ConflictError("search")

    monkeypatch.setattr(search.ledger.search, "put", late)
    search.searching.run_until(search.world.clock.now() + MINUTE)
    assert len(tries) == 1


def test_a_search_whose_record_is_damaged_continues_in_memory_and_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    search = SearchCase("a.csv")
    search.world.damage("search")
    for _ in range(2):
        search.record_discovered.clear()
        search.searching.run_until(search.world.clock.now() + MINUTE)
    assert caplog.text.count("search is not understood") == 1
    assert search.record_discovered == []  # the second time it was not due
    search.world.clock.move(HOUR)
    search.put("b.csv")
    search.world.clock.move(5 * MINUTE)
    search.searching.run_until(search.world.clock.now() + MINUTE)
    assert search.record_discovered == ["a.csv", "b.csv"]  # the first one is within the margin
    assert search.world.documents.rows["search"].body == b"{not json"


def test_models_are_searched_for_first_and_stop_no_search_for_data(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    search = SearchCase("a.csv")
    read = search.ledger.search_models.read

    def fails() -> Stored[SearchState] | None:
        raise TransientError("busy")

    monkeypatch.setattr(search.ledger.search_models, "read", fails)
    assert search.go().found == 1
    assert "models under promote/ cannot be searched for now: busy" in caplog.text
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
    search.searching.backfill = _Backfill(search.searching.backfill, spans, now)  # type: ignore[assignment]
    search.searching.run_until(now() + 4 * MINUTE)
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
