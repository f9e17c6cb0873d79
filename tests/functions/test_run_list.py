"""The list of runs: filters, pages, and what a page costs."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions import endpoints, pipelines, runs
from shared.core.run.record import Phase
from tests.fakes.world import World
from tests.functions.calls import Api, OneLineText
from tests.functions.conftest import Serve, app_over
from tests.functions.operators import (
    BOSS,
    approve,
    awaiting,
    call,
    listed,
    rows,
    until,
)
from tests.unit.samples import run as sample_run
from tests.unit.worlds import CountingDocuments


def test_the_list_is_newest_first_and_says_what_came_of_each(asking: World) -> None:
    first = awaiting(asking, "one.csv")
    approve(first, **BOSS)
    until(asking, first, "promoted")
    second = awaiting(asking, "two.csv", rows(5))
    answer = listed().body["runs"]
    assert [one["run_id"] for one in answer] == [second, first]
    assert answer[1]["approved_by"] == "boss@example.com"
    assert answer[1]["data"] == "training-data/one.csv"
    assert "approved by boss@example.com" in answer[1]["line"]
    assert [one["run_id"] for one in listed(open="true").body["runs"]] == [second]
    assert [one["run_id"] for one in listed(phase="promoted").body["runs"]] == [first]
    assert listed(pipeline="other").body["runs"] == []
    assert listed(parent=first).body["runs"] == []
    assert listed(key="acme").body["runs"] == []


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "51"},
        {"limit": "many"},
        {"phase": "unknown"},
        {"open": "perhaps"},
        {"cursor": "x"},
        {"cursor": ""},
        {"cursor": base64.urlsafe_b64encode(b"[1, 2]").decode()},
        {"cursor": base64.urlsafe_b64encode(b'["x", "y"]').decode()},
        {"cursor": "a" * 4097},
        {"pipeline": "a" * 201},
        {"pipeline": ""},
        {"key": ""},
        {"parent": ""},
    ],
)
def test_a_query_that_is_not_understood_is_refused(
    world: World, api: Api, query: dict[str, str]
) -> None:
    answer = listed(**query)
    assert answer.status == 400
    assert answer.body["detail"]


@pytest.mark.parametrize(
    ("handler", "method", "allowed"),
    [
        (runs.list_runs, "GET", "limit, cursor, pipeline, key, phase, open, parent"),
        (pipelines.preview_pipeline, "GET", "data, due"),
        (endpoints.get_endpoint, "GET", "key"),
        (endpoints.rollback_endpoint, "POST", "key"),
        (endpoints.resume_endpoint, "POST", "key"),
    ],
)
def test_a_misspelt_query_is_refused_with_the_names_that_there_are(
    world: World, api: Api, handler: Any, method: str, allowed: str
) -> None:
    def ask(query: dict[str, str]) -> OneLineText:
        return call(handler, method, query=query, pipeline="sample", endpoint="production")

    answer = ask({"state": "parked", "code": "k"})
    assert answer.status == 400
    assert answer.body["detail"] == f"there is no query parameter state; there is {allowed}"
    for name in {"key", "data"} & set(allowed.split(", ")):
        assert ask({name: ""}).status == 400
    assert not world.documents.rows


@pytest.mark.parametrize("name", ["code", "Code"])
def test_a_function_key_may_be_given_in_the_query(world: World, api: Api, name: str) -> None:
    assert listed(**{name: "k"}).status == 200


def test_a_cursor_of_nested_lists_is_refused_and_no_server_error(world: World, api: Api) -> None:
    nested = base64.urlsafe_b64encode(b"[" * 3000).decode()
    assert listed(cursor=nested).status == 400


def counted(count: int) -> tuple[World, CountingDocuments]:
    """A world with a number of finished runs, and its documents that count calls."""
    world = World()
    documents = CountingDocuments(world.clock, world.faults)
    world.documents = documents
    world.restart()
    ledger = world.context.ledger
    start = datetime(2026, 1, 1, tzinfo=UTC)
    model = sample_run(Phase.PROMOTED)
    for number in range(count):
        update = {
            "run_id": f"sample-{number:020d}",
            "opened_at": start + timedelta(seconds=number // 3),  # three of the same moment
            "phase": Phase.FAILED if number % 50 == 0 else Phase.PROMOTED,
            "pipeline": "other" if number % 7 == 0 else "sample",
            "parent": "sample-parent" if number % 11 == 0 else None,
        }
        ledger.runs.create(model.model_copy(update=update))
    return world, documents


@pytest.fixture(scope="module")
def hundred() -> tuple[World, CountingDocuments]:
    return counted(100)


@pytest.fixture(scope="module")
def thousands() -> tuple[World, CountingDocuments]:
    return counted(3000)


FILTERS: list[dict[str, str]] = [
    {},
    {"limit": "7"},
    {"pipeline": "sample"},
    {"pipeline": "other"},
    {"phase": "failed"},
    {"open": "false"},
    {"pipeline": "sample", "phase": "promoted", "limit": "13"},
    {"parent": "sample-parent"},
]


def pages(documents: CountingDocuments, query: dict[str, str], most: int) -> list[dict[str, Any]]:
    """Read pages, each at the promised cost, and return their lines."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    for _ in range(most):
        documents.calls.clear()
        answer = listed(**query, **cursor)
        assert answer.status == 200, answer.text
        found += answer.body["runs"]
        assert len(answer.body["runs"]) <= int(query.get("limit", 50))
        assert sum(call.startswith("list") for call in documents.calls) <= 2
        assert sum(call.startswith("read") for call in documents.calls) <= 50
        assert not [call for call in documents.calls if call.startswith(("create", "replace"))]
        if "next" not in answer.body:
            break
        cursor = {"cursor": answer.body["next"]}
    times = [one["opened_at"] for one in found]
    assert times == sorted(times, reverse=True)
    return found


@pytest.mark.parametrize("query", FILTERS, ids=str)
def test_each_run_that_fits_is_on_one_page_and_a_page_has_a_known_price(
    serve: Serve, hundred: tuple[World, CountingDocuments], query: dict[str, str]
) -> None:
    world, documents = hundred
    serve(app_over(world))
    found = pages(documents, query, 101)
    assert sorted(one["run_id"] for one in found) == wanted(world, query)


@pytest.mark.parametrize("query", FILTERS, ids=str)
def test_a_page_costs_no_more_where_there_are_thousands_of_runs(
    serve: Serve, thousands: tuple[World, CountingDocuments], query: dict[str, str]
) -> None:
    world, documents = thousands
    serve(app_over(world))
    pages(documents, query, 3)


def test_each_of_thousands_of_runs_is_on_one_page(
    serve: Serve, thousands: tuple[World, CountingDocuments]
) -> None:
    world, documents = thousands
    serve(app_over(world))
    found = pages(documents, {"pipeline": "other"}, 100)
    theirs = [f"sample-{n:020d}" for n in range(0, 3000, 7) if n % 11]
    assert sorted(one["run_id"] for one in found) == theirs


def wanted(world: World, query: dict[str, str]) -> list[str]:
    """Return the ids of the runs that fit, by checking each."""
    return sorted(
        run.run_id
        for run in world.runs()
        if query.get("pipeline") in (None, run.pipeline)
        and query.get("phase") in (None, str(run.phase))
        and run.parent == query.get("parent")
    )


def test_a_run_that_is_opened_while_an_operator_turns_pages_moves_no_other(serve: Serve) -> None:
    world, _ = counted(27)
    serve(app_over(world))
    first = listed(limit="10").body
    world.upload()
    newest = Api().start().body["run_id"]
    rest, cursor = [], first["next"]
    while cursor:
        page = listed(limit="10", cursor=cursor).body
        rest += [one["run_id"] for one in page["runs"]]
        cursor = page.get("next")
    whole = [one["run_id"] for one in first["runs"]] + rest
    assert len(whole) == len(set(whole)) == 24
    assert newest not in whole
    assert listed(limit="1").body["runs"][0]["run_id"] == newest


# A listing holds four pages: what was shown of it may be pushed over its edge into the next one.
@pytest.mark.parametrize("arrivals", [7, 31, 35, 75])
def test_runs_that_arrive_across_the_edge_of_a_listing_have_none_shown_twice(
    serve: Serve, arrivals: int
) -> None:
    world, _ = counted(55)
    serve(app_over(world))
    there = wanted(world, {})
    page = listed(limit="10").body
    shown = [one["run_id"] for one in page["runs"]]
    turned = 0
    while "next" in page:
        turned += 1
        arrive(world, f"{turned}-", arrivals)
        page = listed(limit="10", cursor=page["next"]).body
        shown += [one["run_id"] for one in page["runs"]]
    assert sorted(shown) == there


def arrive(world: World, name: str, count: int) -> None:
    """Have new runs listed before all others."""
    world.clock.move(timedelta(minutes=1))
    model = sample_run(Phase.PROMOTED).model_copy(update={"opened_at": world.clock.now()})
    for number in range(count):
        run_id = f"sample-new-{name}{number}"
        world.context.ledger.runs.create(model.model_copy(update={"run_id": run_id}))
