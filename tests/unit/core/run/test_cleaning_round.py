"""Which old records a round checks, where it continues, and when the next one begins."""

from datetime import datetime, timedelta

import pytest

from shared.core.run.cleaning_round import KINDS, CleaningRound, Updates, next_round, shown
from tests.unit.samples import HOUR, NOW, UPDATE

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
KEEP = 400 * DAY


def cleaning(**changes: object) -> CleaningRound:
    return CleaningRound.model_validate({"started_at": NOW, "all_at": NOW, **changes})


def test_the_kinds_of_records_are_checked_in_this_order() -> None:
    assert " ".join(KINDS) == (
        "pipelines runs index open versions inbox pauses run_queues shared_queues drift_checks "
        "endpoints existing "
        "existing_models tombstones"
    )


@pytest.mark.parametrize(
    ("since", "modified", "concerned"),
    [
        (None, NOW - KEEP, False),
        (None, NOW - KEEP - SECOND, True),
        (None, NOW - 9 * KEEP, True),
        (NOW - DAY, NOW - KEEP - DAY, True),
        (NOW - DAY, NOW - KEEP - DAY - SECOND, False),
        (NOW - DAY, NOW - KEEP, False),
    ],
)
def test_a_round_checks_what_became_old_since_the_one_before(
    since: datetime | None, modified: datetime, *, concerned: bool
) -> None:
    assert cleaning(since=since).concerns(modified, KEEP) is concerned


def test_a_round_continues_page_by_page_and_kind_by_kind_to_its_end() -> None:
    known = cleaning(checked_to="last")
    page = known.after_page("next", NOW + HOUR)
    assert page == cleaning(cursor="next")
    page = page.model_copy(update={"checked_to": "last"})
    assert page.after_page(None, NOW + HOUR) == cleaning(kind="runs")
    seen = []
    while page.completed_at is None:
        seen.append(page.kind)
        page = page.model_copy(update={"cursor": "next", "checked_to": "last"})
        page = page.after_page(None, NOW + HOUR)
    assert seen == list(KINDS)
    assert page == cleaning(kind=KINDS[-1], completed_at=NOW + HOUR)


def test_a_kind_that_this_release_does_not_know_is_the_last_one() -> None:
    ended = cleaning(kind="other").after_page(None, NOW)
    assert ended == cleaning(kind="other", completed_at=NOW)


def test_the_first_round_checks_everything() -> None:
    assert next_round(None, NOW) == cleaning()


def test_a_round_under_way_continues() -> None:
    known = cleaning(kind="runs", cursor="next")
    assert next_round(known, NOW + 90 * DAY) == known


def test_the_next_round_begins_a_day_after_the_last_one_was_completed() -> None:
    known = cleaning(completed_at=NOW + HOUR, missing={"census": NOW}, deleted=3, shown=("a",))
    assert next_round(known, NOW + HOUR + DAY - SECOND) is None
    at = NOW + HOUR + DAY
    assert next_round(known, at) == cleaning(
        started_at=at, since=NOW - DAY, all_at=NOW, missing={"census": NOW}
    )


def test_all_old_records_are_checked_again_every_thirty_days() -> None:
    known = cleaning(started_at=NOW + 29 * DAY, completed_at=NOW + 29 * DAY)
    at = NOW + 30 * DAY
    assert next_round(known, at) == cleaning(started_at=at, all_at=at)
    before = next_round(known.model_copy(update={"all_at": NOW + SECOND}), at)
    assert before == cleaning(started_at=at, since=NOW + 28 * DAY, all_at=NOW + SECOND)


def test_a_round_that_a_fast_clock_completed_does_not_put_the_next_one_off() -> None:
    assert next_round(cleaning(completed_at=NOW + DAY), NOW) is None
    ahead = next_round(cleaning(completed_at=NOW + DAY + SECOND, all_at=NOW + HOUR), NOW)
    assert ahead == cleaning()


def test_five_names_are_shown_each_once() -> None:
    assert shown(["a", "b", "a", "c", "d", "e", "f"]) == ("a", "b", "c", "d", "e")


OTHER = UPDATE.replace("management.azureml.net", "europewest.management.azureml.net")


@pytest.mark.parametrize(
    ("update", "configured"),
    [
        (UPDATE, True),
        (f"{UPDATE}/", True),
        (UPDATE.upper().replace("HTTPS", "https"), True),
        (OTHER, True),
        (UPDATE.replace("production", "pro%64uction"), True),
        (f"{UPDATE}2", False),
        (UPDATE.replace("/w1/", "/w2/"), False),
        (UPDATE.replace("s1/endpoints/production", "s2/endpoints/acme"), True),
        (UPDATE.replace("s1/endpoints/production", "s2/endpoints/Acme"), True),
        (UPDATE.replace("s1/endpoints/production", "s2/endpoints/"), False),
        (UPDATE.replace("s1/endpoints/production", "s2/endpoints/acme/x"), True),
        (UPDATE.replace("s1/endpoints/production", "sx2/endpoints/acme"), False),
        (UPDATE.replace("s1/endpoints/production", "s3.0/endpoints/e"), True),
        (UPDATE.replace("s1/endpoints/production", "s3x0/endpoints/e"), False),
    ],
)
def test_an_endpoint_is_configured_by_its_url_or_by_one_with_tokens(
    update: str, *, configured: bool
) -> None:
    by_token = UPDATE.replace("s1/endpoints/production", "s2/endpoints/{Customer}")
    dotted = UPDATE.replace("s1/endpoints/production", "s3.0/endpoints/{name}")
    assert (update in Updates([UPDATE, by_token, dotted])) is configured
