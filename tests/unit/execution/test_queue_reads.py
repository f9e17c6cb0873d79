"""The reads for a check of the queues."""

import pytest

from shared.core.names import run_queue_id
from tests.unit.execution.queue_worlds import WaitingRuns


def keyed(keys: int) -> WaitingRuns:
    """One run of each key waits in the slot of that key."""
    queue_name = WaitingRuns(0)
    for number in range(keys):
        name = run_queue_id("sample", (f"k{number}",))
        queue_name.names.append(f"sample-k{number}")
        queue_name.name = name
        queue_name.wait(f"sample-k{number}")
        queue_name.run_queue(f"sample-k{number}", name=name)
    return queue_name


@pytest.mark.parametrize(("keys", "listed"), [(4, False), (5, True)])
def test_the_slots_of_many_keys_are_listed_instead_of_read(keys: int, *, listed: bool) -> None:
    queue_name = keyed(keys)
    for _ in range(2):
        queue_name.calm()
        queue_name.tick(0)
    queue_name.calm()
    queue_name.world.calls.clear()
    queue_name.tick(0)
    assert queue_name.world.calls.count("list run_queues") == int(listed)
    assert queue_name.world.calls.count("read run_queues") == (0 if listed else keys)


def test_a_slot_that_changed_since_it_was_listed_is_read() -> None:
    queue_name = keyed(5)
    for _ in range(2):
        queue_name.calm()
        queue_name.tick(0)
    queue_name.run_queue("sample-k0", name=run_queue_id("sample", ("k0",)), holders=("x",))
    queue_name.calm()
    queue_name.world.calls.clear()
    assert queue_name.tick(0) == ["sample-k0"]
    assert queue_name.world.calls.count("read run_queues") == 2


def test_queues_that_no_run_waits_in_any_more_are_removed() -> None:
    queue_name = keyed(5)
    queue_name.calm()
    queue_name.tick(0)
    for name in queue_name.names:
        queue_name.ledger.open_markers.remove_of(name)
    queue_name.world.calls.clear()
    assert queue_name.found() == []
    assert "list run_queues" not in queue_name.world.calls
    assert (queue_name.queues._blocked, queue_name.queues._checked) == ({}, {})
    assert queue_name.queues._unwanted == set()
