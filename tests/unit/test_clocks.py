"""A host whose clock is wrong does no harm: what is old is told by the storage's clock."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import cast

import pytest
from azure.storage.blob import ContainerClient

from shared.asked import ManualRequest
from shared.clients.blob_documents import BlobDocuments
from shared.core.run import Phase
from shared.ports import Document
from tests.fakes.faults import Kind
from tests.unit.worlds import Observed

WRITTEN = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)


def read_with(headers: dict[str, str]) -> Document:
    """Read a document that was written at `WRITTEN`, in an answer with these headers."""

    def download_blob(name: str, raw_response_hook: Callable[[object], None]) -> object:
        raw_response_hook(SimpleNamespace(http_response=SimpleNamespace(headers=headers)))
        properties = SimpleNamespace(last_modified=WRITTEN, etag='"1"')
        return SimpleNamespace(readall=lambda: b"{}", properties=properties)

    container = cast("ContainerClient", SimpleNamespace(download_blob=download_blob))
    found = BlobDocuments(container, lambda: "1").read("runs/x")
    assert found is not None
    return found


@pytest.mark.parametrize("age", [timedelta(), timedelta(hours=1)])
def test_a_document_is_as_old_as_the_storage_says_whatever_the_clock_of_the_host(
    age: timedelta,
) -> None:
    answered = format_datetime(WRITTEN + age, usegmt=True)
    assert read_with({"Date": answered}).age == age


@pytest.mark.parametrize("headers", [{}, {"Date": ""}, {"Date": "soon"}, {"Date": "1 2 3 4"}])
def test_a_document_does_not_age_where_the_storage_does_not_say_what_time_it_is(
    headers: dict[str, str],
) -> None:
    assert read_with(headers).age == timedelta()


def test_a_worker_whose_clock_is_ahead_does_not_forget_a_run_that_is_being_stored() -> None:
    world = Observed()
    world.intake.activate()
    world.upload()
    _, other = world._worker()

    class Ahead:
        def now(self) -> object:
            return world.clock.now() + timedelta(hours=1)

    object.__setattr__(other._context, "clock", Ahead())

    def tick() -> None:
        other.tick()

    world.faults.other_worker = tick
    world.faults.plan = {len(world.faults.sites) + 1: Kind.PREEMPT}  # the marker is there
    run = world.intake.asked.requested(world.pipeline, "k", ManualRequest())
    assert world.open_runs() == [f"open/{run.run_id}"]
    world.faults.plan = {}
    world.until(run, Phase.PROMOTED)
