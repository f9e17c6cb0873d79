"""A search continues page by page, and keeps how far it is and what it found."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from shared.core.blobs import BlobVersion
from shared.core.run.data_version import DataVersion
from shared.errors import InvalidCursorError
from shared.ledger.progress import SearchState
from shared.ports.storage import Page
from tests.fakes.world import MODELS
from tests.unit.intake.searched_worlds import HOUR, MINUTE, SECOND, SearchCase


def test_a_search_finds_what_no_event_announced_and_says_so(
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


def test_the_next_search_begins_when_it_is_due_and_checks_what_changed_since() -> None:
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
    assert search.record_discovered == ["a.csv"]  # within the margin it is checked once more
    search.world.clock.move(HOUR)
    search.go()
    search.world.clock.move(15 * MINUTE)
    search.go()
    assert search.record_discovered == []


def test_what_changed_exactly_at_the_bound_is_checked() -> None:
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


def test_a_host_whose_clock_was_ahead_has_everything_checked() -> None:
    for ahead, everything in ((15 * MINUTE, False), (15 * MINUTE + SECOND, True)):
        search = SearchCase("a.csv")
        now = search.world.clock.now()
        known = SearchState(started_at=now + ahead, complete=True, completed_at=now)
        search.ledger.search.put(known, None)
        state = search.go()
        assert (state.started_at == now) is everything
        if everything:
            assert (state.since, state.completed_at) == (None, now)


def test_a_search_is_stopped_by_the_time_and_continues_behind_the_last_blob() -> None:
    search = SearchCase("a.csv", "b.csv", "c.csv")
    versions = search.searching.data.versions

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


def test_a_page_whose_last_blob_is_gone_is_read_again() -> None:
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
