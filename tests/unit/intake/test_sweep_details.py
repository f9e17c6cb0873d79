"""A search goes on page by page, and keeps how far it is, what it found and what it could not."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.core.blobs import BlobVersion
from shared.errors import BadCursor, Conflict, CorruptRecord, TransientError
from shared.intake.search import Sweep
from shared.ledger.records import Stored, SweepState
from shared.ports.ports import ETag, Page
from tests.fakes.world import DATA, MODELS
from tests.unit.worlds import Observed

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


class Search:
    """A world with data that no event told of, and the search for it."""

    def __init__(self, *names: str, **pipeline: Any) -> None:
        self.world = Observed(config={"pipeline": {"endpoints": [], **pipeline}})
        self.world.intake.activate()
        self.world.clock.move(MINUTE)
        self.put(*names)
        self.world.clock.move(5 * MINUTE)
        self.intake = self.world.intake
        self.ledger = self.intake._context.ledger
        self.sweep = Sweep(self.intake._context, self.intake)
        self.met: list[str] = []
        self.error: Exception | None = None
        self.failing: set[str] = set()
        met = self.intake.met

        def noted(blob: BlobVersion) -> bool:
            self.met.append(blob.name)
            if self.error and (not self.failing or blob.name in self.failing):
                raise self.error
            return met(blob)

        self.intake.met = noted  # type: ignore[method-assign]

    def put(self, *names: str) -> None:
        for name in names:
            self.world.blobs.put(DATA, name, name.encode())

    def go(self, span: timedelta = MINUTE) -> SweepState:
        self.met.clear()
        self.sweep.go_on(self.world.clock.now() + span)
        return self.state()

    def state(self) -> SweepState:
        stored = self.ledger.sweep()
        assert stored is not None
        return stored.record


def test_a_search_finds_what_no_event_told_of_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    search = Search("a.csv", "b.txt")
    state = search.go()
    assert search.met == ["a.csv", "b.txt"]
    assert (state.looked, state.found, state.complete) == (2, 1, True)
    assert state.started_at == state.completed_at == search.world.clock.now()
    assert (state.cursor, state.looked_at, state.unread, state.since) == (None, "", (), None)
    assert "1 data versions were found that no event had announced" in caplog.text
    caplog.clear()
    search.world.clock.move(15 * MINUTE)
    assert search.go().found == 0
    assert "no event had announced" not in caplog.text


def test_the_next_search_begins_when_it_is_due_and_looks_at_what_changed_since() -> None:
    search = Search("a.csv")
    began = search.world.clock.now()
    search.go()
    search.world.clock.move(15 * MINUTE - SECOND)
    search.go()
    assert search.met == []
    assert search.state().started_at == began
    search.world.clock.move(SECOND)
    state = search.go()
    assert (state.started_at, state.since) == (began + 15 * MINUTE, began - 15 * MINUTE)
    assert search.met == ["a.csv"]  # within the margin it is looked at once more
    search.world.clock.move(HOUR)
    search.go()
    search.world.clock.move(15 * MINUTE)
    search.go()
    assert search.met == []


def test_what_changed_exactly_at_the_bound_is_looked_at() -> None:
    search = Search()
    search.put("a.csv")
    changed = search.world.clock.now()
    known = SweepState(started_at=changed + 15 * MINUTE, complete=True, completed_at=changed)
    search.ledger.put_sweep(known, None)
    search.world.clock.move(30 * MINUTE)
    search.go()
    assert search.met == ["a.csv"]


@pytest.mark.parametrize(("age", "seen"), [(5 * MINUTE - SECOND, False), (5 * MINUTE, True)])
def test_what_is_younger_than_five_minutes_is_left_to_its_event(
    age: timedelta, *, seen: bool
) -> None:
    search = Search()
    search.put("a.csv")
    search.world.clock.move(age)
    search.go()
    assert (search.met == ["a.csv"]) is seen


def test_a_host_whose_clock_was_ahead_has_everything_looked_at() -> None:
    for ahead, everything in ((15 * MINUTE, False), (15 * MINUTE + SECOND, True)):
        search = Search("a.csv")
        now = search.world.clock.now()
        known = SweepState(started_at=now + ahead, complete=True, completed_at=now)
        search.ledger.put_sweep(known, None)
        state = search.go()
        assert (state.started_at == now) is everything
        if everything:
            assert (state.since, state.completed_at) == (None, now)


def test_a_search_is_stopped_by_the_time_and_goes_on_behind_the_last_blob() -> None:
    search = Search("a.csv", "b.csv", "c.csv")
    met = search.intake.met

    def slow(blob: BlobVersion) -> bool:
        search.world.clock.move(20 * SECOND)
        return met(blob)

    search.intake.met = slow  # type: ignore[method-assign]
    state = search.go(30 * SECOND)
    assert (search.met, state.looked_at, state.complete) == (["a.csv", "b.csv"], "b.csv", False)
    state = search.go(30 * SECOND)
    assert (search.met, state.looked_at, state.complete) == (["c.csv"], "", True)
    assert state.looked == 3


def test_a_page_whose_last_blob_is_gone_is_looked_through_again() -> None:
    search = Search("a.csv", "b.csv")
    now = search.world.clock.now()
    search.ledger.put_sweep(SweepState(started_at=now, looked_at="gone.csv"), None)
    search.go()
    assert search.met == ["a.csv", "b.csv"]


def test_pages_follow_each_other_until_there_is_none(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "relearn")
    search = Search("a.csv", "b.csv", "c.csv")
    page = search.world.blobs.page
    cursors: list[str | None] = []

    def small(container: str, cursor: str | None, prefix: str = "") -> Page[BlobVersion]:
        if container == MODELS:
            assert prefix == "promote/"
            return page(container, cursor, prefix)
        cursors.append(cursor)
        if cursor == "odd":
            raise BadCursor(cursor)
        at = int(cursor or 0)
        items = list(search.world.blobs.listing(container, ""))
        following = str(at + 1) if at + 1 < len(items) else None
        return Page(tuple(items[at : at + 1]), following)

    search.world.blobs.page = small  # type: ignore[method-assign]
    state = search.go()
    assert (cursors, state.looked, state.complete) == ([None, "1", "2"], 3, True)
    stored = search.ledger.sweep()
    assert stored is not None
    odd = SweepState(started_at=search.world.clock.now(), cursor="odd", looked_at="b.csv")
    search.ledger.put_sweep(odd, stored.etag)
    cursors.clear()
    assert search.go().complete
    assert cursors == ["odd", None, "1", "2"]
    assert "begins again: its cursor is not taken" in caplog.text


# What cannot be looked up


def test_what_cannot_be_looked_up_is_remembered_and_tried_first_the_next_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    search = Search("a.csv", "b.csv", "c.csv")
    search.error, search.failing = CorruptRecord("versions/x is odd"), {"b.csv"}
    state = search.go()
    assert (state.looked, state.found, state.unread, state.complete) == (3, 2, ("b.csv",), True)
    assert "data versions b.csv: versions/x is odd" in caplog.text
    search.error = None
    search.world.clock.move(HOUR)
    state = search.go()
    assert search.met[0] == "b.csv"
    assert (state.unread, state.again, state.found) == ((), (), 1)


def test_a_blob_that_is_gone_by_then_is_tried_no_more() -> None:
    search = Search("a.csv")
    search.error = CorruptRecord("odd")
    search.go()
    search.world.blobs.remove(DATA, "a.csv")
    search.world.clock.move(HOUR)
    state = search.go()
    assert (search.met, state.unread, state.looked) == ([], (), 1)


def test_a_storage_that_fails_is_left_after_three_blobs_in_a_row(
    caplog: pytest.LogCaptureFixture,
) -> None:
    search = Search(*(f"{number}.csv" for number in range(6)))
    search.error = TransientError("busy")
    state = search.go()
    assert (len(search.met), state.looked, state.complete) == (3, 3, False)
    assert (state.unread, state.looked_at) == (("0.csv", "1.csv", "2.csv"), "2.csv")
    assert "data versions 0.csv cannot be looked up now: busy" in caplog.text
    search.error = None
    assert search.go().complete
    assert search.met == ["3.csv", "4.csv", "5.csv"]


def test_failures_with_a_success_between_them_do_not_stop_a_search() -> None:
    search = Search(*(f"{number}.csv" for number in range(5)))
    search.error, search.failing = TransientError("busy"), {"0.csv", "1.csv", "3.csv", "4.csv"}
    assert search.go().complete


def test_a_damaged_record_is_no_failure_of_the_storage() -> None:
    search = Search(*(f"{number}.csv" for number in range(5)))
    search.error = CorruptRecord("odd")
    assert search.go().complete


def full(search: Search) -> None:
    names = tuple(f"x{number}" for number in range(200))
    now = search.world.clock.now()
    search.ledger.put_sweep(SweepState(started_at=now, unread=names), None)


def test_a_bounded_number_of_names_is_remembered(caplog: pytest.LogCaptureFixture) -> None:
    search = Search("a.csv")
    full(search)
    search.error = CorruptRecord("odd")
    state = search.go()
    assert (len(state.unread), state.looked) == (200, 1)
    assert "a.csv is not looked up again: too many records are damaged" in caplog.text
    search = Search("a.csv")
    full(search)
    search.error = TransientError("busy")
    with pytest.raises(TransientError):
        search.go()
    assert search.state().looked == 0


def test_a_name_is_remembered_once() -> None:
    search = Search("a.csv")
    now = search.world.clock.now()
    search.ledger.put_sweep(SweepState(started_at=now, unread=("a.csv",)), None)
    search.error = CorruptRecord("odd")
    assert search.go().unread == ("a.csv",)


# Several workers, and a record that is damaged


def test_the_slower_of_two_workers_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    search = Search("a.csv")
    tried: list[SweepState] = []

    def late(state: SweepState, expected: ETag | None) -> ETag:
        tried.append(state)
        raise Conflict("sweep")

    monkeypatch.setattr(search.ledger, "put_sweep", late)
    search.sweep.go_on(search.world.clock.now() + MINUTE)
    assert len(tried) == 1


def test_a_search_whose_record_is_damaged_goes_on_in_memory_and_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    search = Search("a.csv")
    search.world.damage("sweep")
    for _ in range(2):
        search.met.clear()
        search.sweep.go_on(search.world.clock.now() + MINUTE)
    assert caplog.text.count("sweep is not understood") == 1
    assert search.met == []  # the second time it was not due
    search.world.clock.move(HOUR)
    search.put("b.csv")
    search.world.clock.move(5 * MINUTE)
    search.sweep.go_on(search.world.clock.now() + MINUTE)
    assert search.met == ["a.csv", "b.csv"]  # the first one is within the margin
    assert search.world.documents.rows["sweep"].body == b"{not json"


def test_models_are_looked_for_first_and_stop_no_search_for_data(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    search = Search("a.csv")
    read = search.ledger.sweep_of_models

    def fails() -> Stored[SweepState] | None:
        raise TransientError("busy")

    monkeypatch.setattr(search.ledger, "sweep_of_models", fails)
    assert search.go().found == 1
    assert "models under promote/ cannot be looked for now: busy" in caplog.text
    monkeypatch.setattr(search.ledger, "sweep_of_models", read)
    search.go()
    models = search.ledger.sweep_of_models()
    assert models is not None
    assert models.record.complete


def test_models_have_a_quarter_of_the_time_and_older_data_half_of_what_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    search = Search("a.csv")
    spans: list[timedelta] = []
    now = search.world.clock.now

    def noted(_: Sweep, search: object, until: datetime) -> None:
        spans.append(until - now())

    monkeypatch.setattr(Sweep, "_go_on", noted)
    object.__setattr__(search.intake, "backfill", _Backfill(search.intake.backfill, spans, now))
    search.sweep.go_on(now() + 4 * MINUTE)
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
    search = Search("a.csv", data={"blob": "{name}.csv", "backfill": "all"})
    search.go()
    stored = search.ledger.activated("sample")
    assert stored is not None
    assert stored.record.backfilled_at == search.world.clock.now()
    assert not search.intake.backfill.wanted()
