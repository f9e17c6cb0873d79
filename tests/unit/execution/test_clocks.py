"""A host whose clock is wrong does no harm: what is old is known by the storage's clock."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import cast

import pytest
from azure.storage.blob import ContainerClient

from shared.core.run.manual_request import ManualRequest
from shared.core.run.record import Phase
from shared.ports.storage import Document
from shared.providers.azure_storage.documents import BlobDocuments
from tests.fakes.faults import Kind
from tests.unit.worlds import Observed

WRITTEN = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)


def read_with(headers: dict[str, str], now: Callable[[], datetime] = lambda: WRITTEN) -> Document:
    """Read a document that was written at `WRITTEN`, in an answer with these headers."""

    def download_blob(name: str, raw_response_hook: Callable[[object], None]) -> object:
        raw_response_hook(SimpleNamespace(http_response=SimpleNamespace(headers=headers)))
        properties = SimpleNamespace(last_modified=WRITTEN, etag='"1"', metadata={})
        return SimpleNamespace(readall=lambda: b"{}", properties=properties)

    container = cast("ContainerClient", SimpleNamespace(download_blob=download_blob))
    found = BlobDocuments(container, lambda: "1", now=now).read("runs/x")
    assert found is not None
    return found


@pytest.mark.parametrize("age", [timedelta(), timedelta(hours=1)])
def test_the_age_of_a_document_does_not_depend_on_the_clock_of_the_host(
    age: timedelta,
) -> None:
    answered = format_datetime(WRITTEN + age, usegmt=True)
    assert read_with({"Date": answered}).age == age


def test_a_date_without_a_time_zone_is_in_utc() -> None:
    assert read_with({"Date": "Sat, 03 Feb 2001 05:05:06 -0000"}).age == timedelta(hours=1)


NOT_REPORTED: list[dict[str, str]] = [
    {},
    {"Date": ""},
    {"Date": "soon"},
    {"Date": "1 2 3 4"},
    {"Date": "Sat, 03 Feb 99999 04:05:06 GMT"},
]


@pytest.mark.parametrize("headers", NOT_REPORTED)
@pytest.mark.parametrize("age", [timedelta(), timedelta(hours=1)])
def test_a_document_ages_by_the_corrected_clock_where_the_storage_does_not_say_what_time_it_is(
    headers: dict[str, str], age: timedelta
) -> None:
    assert read_with(headers, lambda: WRITTEN + age).age == age


@pytest.mark.parametrize("headers", NOT_REPORTED)
def test_no_document_is_from_the_future(headers: dict[str, str]) -> None:
    assert read_with(headers, lambda: WRITTEN - timedelta(hours=1)).age == timedelta()


def test_a_worker_whose_clock_is_ahead_does_not_remove_a_run_that_is_being_stored() -> None:
    world = Observed()
    world.app.activations.refresh()
    world.upload()
    other = world._worker().poll
    world.host.by = timedelta(hours=1)

    def tick() -> None:
        other.tick()

    world.faults.other_worker = tick
    world.faults.plan = {len(world.faults.sites) + 1: Kind.PREEMPT}  # the marker is there
    run = world.app.requests.requested(world.pipeline, "k", ManualRequest())
    assert world.open_runs() == [f"open/{run.run_id}"]
    world.faults.plan = {}
    world.until(run, Phase.PROMOTED)


SKEWS = [timedelta(minutes=10), -timedelta(minutes=10), timedelta(minutes=3), -timedelta(minutes=3)]


@pytest.mark.parametrize("by", SKEWS)
def test_a_host_with_a_wrong_clock_sends_an_update_that_another_one_verifies(by: timedelta) -> None:
    world = Observed(switch_delay=timedelta(seconds=50))
    world.host.by = by
    run = world.start()
    world.until(run, Phase.VERIFYING)
    world.host.by = timedelta()
    assert world.until_idle(run).phase is Phase.PROMOTED
    assert len(world.changes()) == 1


@pytest.mark.parametrize("by", SKEWS)
def test_a_budget_holds_over_hosts_whose_clocks_differ(by: timedelta) -> None:
    budget = {"when_busy": "queue", "budget": {"most_per_day": 1}, "endpoints": []}
    world = Observed(config={"pipeline": budget})
    for number in range(4):
        world.host.by = by * ((number + 1) % 2)
        world.clock.move(timedelta(seconds=1))
        world.upload(f"{number}.csv", f"a,b,label\n{number},2,0\n3,4,1\n".encode())
        world.deliver(f"{number}.csv")
        world.tick()
    assert len(world.starts) == 1


@pytest.mark.parametrize("by", SKEWS)
def test_a_search_that_hosts_with_different_clocks_share_finds_what_no_event_announced(
    by: timedelta,
) -> None:
    world = Observed(config={"pipeline": {"endpoints": []}})
    world.app.activations.refresh()
    names = set()
    for minute in range(90):
        world.clock.move(timedelta(minutes=1))
        if minute < 60:
            names.add(f"{minute}.csv")
            world.upload(f"{minute}.csv", f"a,b,label\n{minute},2,0\n3,4,1\n".encode())
        world.host.by = by * (1 if minute % 2 else -1)
        until = world.host.now() + timedelta(minutes=1)
        world.app.search.run_until(until)
    world.tick()
    assert {blob.name for run in world.runs() for blob in run.manifest} == names
