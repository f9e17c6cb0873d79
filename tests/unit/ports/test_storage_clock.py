"""All hosts use the storage's time, even if their own clocks are wrong."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import ContainerClient

from shared.errors import TransientError
from shared.ports.clock import ASK_EVERY, StorageClock
from shared.providers.azure_storage.documents import BlobDocuments
from tests.fakes.clock import START, FakeClock, Shifted

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
SKEWS = [timedelta(), SECOND / 2, -SECOND / 2, 3 * MINUTE, -3 * MINUTE, timedelta(hours=10)]


@dataclass
class Storage:
    """A storage that reports its time in whole seconds, after a while."""

    clock: FakeClock = field(default_factory=FakeClock)
    takes: timedelta = timedelta()
    fails: bool = False
    asked: int = 0

    def time(self) -> datetime:
        self.asked += 1
        self.clock.move(self.takes / 2)
        reported = self.clock.now().replace(microsecond=0)
        self.clock.move(self.takes / 2)
        if self.fails:
            raise TransientError("no answer")
        return reported


@pytest.mark.parametrize("by", SKEWS)
@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.999])
def test_a_host_reports_the_storages_time_within_a_second(by: timedelta, fraction: float) -> None:
    storage = Storage(FakeClock(START + fraction * SECOND))
    clock = StorageClock(Shifted(storage.clock, by), storage.time)
    for _ in range(10):
        assert abs(clock.now() - storage.clock.now()) <= SECOND
        storage.clock.move(17 * SECOND)


def test_a_host_whose_clock_is_right_keeps_its_own_time() -> None:
    storage = Storage(FakeClock(START + 0.7 * SECOND))
    clock = StorageClock(storage.clock, storage.time)
    for _ in range(200):
        assert clock.now() == storage.clock.now()
        storage.clock.move(7.3 * SECOND)


def test_an_answer_that_takes_long_makes_no_clock_wrong() -> None:
    storage = Storage(takes=30 * SECOND)
    right = StorageClock(storage.clock, storage.time)
    wrong = StorageClock(Shifted(storage.clock, 10 * MINUTE), storage.time)
    assert right.now() == storage.clock.now()
    assert abs(wrong.now() - storage.clock.now()) <= 16 * SECOND


@pytest.mark.parametrize("jump", [10 * MINUTE, -10 * MINUTE, timedelta(days=400)])
def test_a_clock_that_jumps_is_noticed_at_once(jump: timedelta) -> None:
    storage = Storage()
    host = Shifted(storage.clock, timedelta())
    clock = StorageClock(host, storage.time)
    clock.now()
    host.by = jump
    assert abs(clock.now() - storage.clock.now()) <= SECOND


def test_the_storage_is_asked_once_a_minute() -> None:
    storage = Storage()
    clock = StorageClock(storage.clock, storage.time)
    for _ in range(600):
        clock.now()
        storage.clock.move(SECOND)
    assert storage.asked == 600 * SECOND // ASK_EVERY


def test_a_storage_that_does_not_answer_leaves_the_last_correction_and_is_not_asked_each_time() -> (
    None
):
    storage = Storage()
    clock = StorageClock(Shifted(storage.clock, 5 * MINUTE), storage.time)
    clock.now()
    storage.fails = True
    storage.clock.move(2 * MINUTE)
    for _ in range(50):
        assert abs(clock.now() - storage.clock.now()) <= SECOND
    assert storage.asked == 2


def test_a_moment_of_the_hosts_clock_is_known_by_the_storages() -> None:
    storage = Storage()
    host = Shifted(storage.clock, -20 * MINUTE)
    clock = StorageClock(host, storage.time)
    assert abs(clock.at(host.now()) - storage.clock.now()) <= SECOND


def documents(
    date: str | None,
    *,
    there: bool = True,
    written: datetime = START,
    failure: Exception | None = None,
) -> tuple[BlobDocuments, list[str]]:
    """Return documents over a container whose answers carry this Date, and what is written."""
    writes: list[str] = []
    headers = {} if date is None else {"Date": date}

    def properties(raw_response_hook: Callable[[object], None]) -> None:
        raw_response_hook(SimpleNamespace(http_response=SimpleNamespace(headers=headers)))
        if not there:
            raise ResourceNotFoundError("no container")

    def blob_client(name: str) -> Any:
        def upload_blob(*_: object, **__: object) -> dict[str, object]:
            writes.append(name)
            if failure is not None:
                raise failure
            return {"last_modified": written, "etag": '"1"'}

        return SimpleNamespace(upload_blob=upload_blob)

    container = SimpleNamespace(
        get_container_properties=properties,
        get_blob_client=blob_client,
        create_container=lambda: None,
    )
    return BlobDocuments(cast("ContainerClient", container), lambda: "1"), writes


@pytest.mark.parametrize("there", [True, False])
def test_the_time_is_the_date_of_an_answer_whether_or_not_there_is_a_container(
    *, there: bool
) -> None:
    asked, writes = documents(format_datetime(START + MINUTE, usegmt=True), there=there)
    assert asked.time() == START + MINUTE
    assert writes == []


@pytest.mark.parametrize("date", [None, "", "soon", "1 2 3 4"])
def test_where_answers_carry_no_date_the_time_is_that_of_a_write(date: str | None) -> None:
    asked, writes = documents(date, written=START + 2 * MINUTE)
    assert asked.time() == START + 2 * MINUTE
    assert writes == ["clock"]


def test_a_storage_that_does_not_take_that_write_cannot_report_its_time_now() -> None:
    busy = HttpResponseError("busy", SimpleNamespace(status_code=503, reason="", headers={}))
    asked, _ = documents(None, failure=busy)
    with pytest.raises(TransientError, match="write clock"):
        asked.time()
