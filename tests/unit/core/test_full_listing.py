"""The decisions about the full listing: when one is due, for whom, and what is recorded."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from shared.core.full_listing import (
    AGAIN,
    EVERY,
    Covered,
    Digests,
    Existing,
    FullListing,
    ListingPlan,
    next_listing,
    short_digest,
)

NOW = datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
PLAN = ListingPlan("account/data", frozenset({"a", "b"}))


def begun(known: FullListing | None, plan: ListingPlan = PLAN, now: datetime = NOW) -> FullListing:
    state = next_listing(known, plan, now)
    assert state is not None
    return state


def ended(known: FullListing | None, plan: ListingPlan = PLAN, now: datetime = NOW) -> FullListing:
    return begun(known, plan, now).after_page(None, now)


def test_digests_report_names_and_etags_apart() -> None:
    assert short_digest("a", "bc") != short_digest("ab", "c")
    assert short_digest("a") < 2**64


def test_a_set_of_digests_holds_what_was_added_and_nothing_else() -> None:
    digests, other = Digests(), Digests()
    added = [short_digest(str(number)) for number in range(5000)] + [0, 2**64 - 1]
    for one in added:
        digests.add(one)
    digests.seal()
    other.seal()
    assert all(one in digests and one not in other for one in added)
    assert not [n for n in range(5000, 10_000) if short_digest(str(n)) in digests]


def test_a_full_page_of_existing_blobs_is_a_small_record() -> None:
    digests = {short_digest(str(number)) for number in range(5000)}
    record = Existing.of(digests)
    assert set(record.unpacked()) == digests
    assert len(record.model_dump_json()) < 54_000


@pytest.mark.parametrize("digests", ["AAAA", "no base64", "AAAAAAAAAAA"])
def test_a_record_of_half_a_digest_is_refused(digests: str) -> None:
    with pytest.raises(ValidationError):
        Existing(digests=digests)


def test_the_first_listing_records_for_every_pipeline() -> None:
    first = begun(None)
    assert set(first.joining) == {"a", "b"}
    assert first.covered == {}
    assert first.joining["a"].since == NOW.replace(microsecond=0)
    done = first.after_page(None, NOW)
    assert done.covered == first.joining
    assert (done.generation, done.joining, done.complete) == (None, {}, True)


def test_nothing_is_listed_where_an_arrival_opens_no_run() -> None:
    assert next_listing(None, replace(PLAN, activated=frozenset()), NOW) is None


def test_the_next_listing_begins_a_day_after_the_last_began() -> None:
    done = ended(None)
    assert next_listing(done, PLAN, NOW + EVERY - SECOND) is None
    second = begun(done, now=NOW + EVERY)
    assert (second.generation, second.covered) == (None, done.covered)
    assert second.completed_at == NOW


def test_what_could_not_be_checked_has_the_next_one_begin_sooner() -> None:
    done = ended(None).model_copy(update={"failed": 1})
    assert next_listing(done, PLAN, NOW + AGAIN - SECOND) is None
    assert begun(done, now=NOW + AGAIN).failed == 0


def test_a_host_whose_clock_was_ahead_puts_nothing_off() -> None:
    done = ended(None, now=NOW + 400 * DAY)
    later = begun(done)
    assert later.started_at == NOW
    more = begun(later.after_page(None, NOW), replace(PLAN, activated=frozenset("abc")))
    assert more.joining["c"].generation > done.covered["a"].generation


def test_a_listing_under_way_continues_though_a_pipeline_is_added() -> None:
    first = begun(None)
    assert begun(first, replace(PLAN, activated=frozenset("abc")), NOW + SECOND) is first


def test_a_pipeline_that_is_added_is_recorded_at_once_and_by_itself() -> None:
    done = ended(None)
    second = begun(done, replace(PLAN, activated=frozenset("abc")), NOW + SECOND)
    assert set(second.joining) == {"c"}
    assert second.covered == done.covered
    assert second.needs(done.covered["a"].generation)


def test_another_container_is_listed_from_its_beginning() -> None:
    elsewhere = begun(ended(None), replace(PLAN, location="account/other"))
    assert (elsewhere.covered, elsewhere.generations) == ({}, {})
    assert set(elsewhere.joining) == {"a", "b"}


def test_a_pipeline_that_opens_no_runs_any_more_is_recorded_again_when_it_does() -> None:
    silent = replace(PLAN, activated=frozenset("a"), silent=frozenset("b"))
    done = ended(ended(None), silent, NOW + SECOND)
    assert set(done.covered) == {"a"}
    assert next_listing(done, silent, NOW + 2 * SECOND) is None
    assert set(begun(done, PLAN, NOW + 2 * SECOND).joining) == {"b"}


def test_a_pipeline_that_is_gone_is_kept_as_long_as_records_are() -> None:
    only_a = replace(PLAN, activated=frozenset("a"), keep=10 * DAY)
    done = ended(ended(None), only_a, NOW + DAY)
    assert set(done.covered) == {"a", "b"}
    assert done.missing == {"b": NOW + DAY}
    rollback = ended(done, PLAN, NOW + 2 * DAY)
    assert (set(rollback.covered), rollback.missing) == ({"a", "b"}, {})
    gone = ended(done, only_a, NOW + 11 * DAY)
    assert (set(gone.covered), gone.missing) == ({"a"}, {})


def test_a_file_with_a_mistake_makes_nothing_missing() -> None:
    broken = replace(PLAN, activated=frozenset("a"), sure=False, keep=DAY)
    done = ended(ended(None), broken, NOW + DAY)
    assert done.missing == {}
    assert set(ended(done, broken, NOW + 9 * DAY).covered) == {"a", "b"}


def test_generations_that_no_pipeline_needs_are_dropped() -> None:
    covered = {
        "a": Covered(generation=5, since=NOW),
        "b": Covered(generation=9, since=NOW),
    }
    done = ended(None).model_copy(
        update={"covered": covered, "generations": {3: 1, 5: 1, 9: 1, 12: 1}}
    )
    assert set(begun(done, now=NOW + DAY).generations) == {3, 5, 9}
    silent = replace(PLAN, activated=frozenset("a"), silent=frozenset("b"))
    assert set(begun(done, silent, NOW + DAY).generations) == {3, 5}


def test_records_that_are_gone_take_along_what_builds_on_them() -> None:
    covered = {
        "a": Covered(generation=5, since=NOW),
        "b": Covered(generation=9, since=NOW),
    }
    state = begun(None).model_copy(update={"covered": covered, "generations": {5: 2, 9: 1}})
    left = state.without({9})
    assert (set(left.covered), set(left.generations)) == ({"a"}, {5})
    assert (left.complete, left.generation, left.joining) == (True, None, {})
    assert state.without({5}).covered == {}
    assert "b" in begun(left, now=NOW + SECOND).joining
