"""Which run queues, endpoint states and drift checks are deleted."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.names import run_queue_id
from shared.core.run.concurrency import Pause, Pauses, QueueEntry, RunQueue
from shared.core.run.record import Phase
from shared.core.serving.drift import DriftCheck
from shared.core.serving.state import EndpointLease, Hold, Resource
from shared.core.versions import version_id
from shared.ledger.versions import VersionEntry
from tests.fakes.world import DATA
from tests.unit.maintenance.old_records import LONG, RESOURCE_NAME, Old, served
from tests.unit.samples import NOW, UPDATE, ref

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


NAMED: dict[str, dict[str, Any]] = {
    "leased": {
        "endpoint_lease": EndpointLease(
            run_id="sample-1", resource=RESOURCE_NAME, model=None, generation=1, at=NOW
        )
    },
    "held": {"resources": {"x": Resource(held=Hold(run_id="sample-1", to="y", by="ada", at=NOW))}},
    "serving": {"resources": {"x": Resource(serving=served("sample-1"))}},
    "set": {"resources": {"x": Resource(serving=served("y", set_by="sample-1"))}},
    "trained": {"resources": {"x": Resource(serving=served("y", trained_by="sample-1"))}},
    "before": {"resources": {"x": Resource(previous=(served("y"), served("sample-1")))}},
}


def known(old: Old, name: str = "a.csv", **changes: Any) -> str:
    """Have a version known whose blob is in the store, and return the name of its entry."""
    there = old.world.blobs.put(DATA, name, b"a,b\n1,2\n")
    one = there.model_copy(update=changes)
    version = version_id("sample", one)
    entry = VersionEntry(pipeline="sample", blob=one, run_id="sample-1")
    old.ledger.versions.add(version, entry)
    return f"versions/{version}"


SLOT = run_queue_id("sample", ())


def drift_check(old: Old, pipeline_: str = "sample", resource: str = RESOURCE_NAME) -> str:
    one = DriftCheck(
        ref=ref(UPDATE), resource=resource, pipeline=pipeline_, endpoint="e", next_check=NOW
    )
    old.ledger.drift_checks.put("w1", one, None)
    return "drift_checks/w1"


@pytest.mark.parametrize(
    "changes",
    [
        {"holders": ("sample-1",)},
        {"waiting": (QueueEntry(run_id="sample-1", at=NOW),)},
        {"batch_run": "sample-1"},
    ],
)
def test_a_run_queue_goes_once_no_run_that_it_names_continues(changes: dict[str, Any]) -> None:
    old = Old()
    old.run("sample-1", Phase.TRAINING)
    old.ledger.run_queues.put(SLOT, RunQueue(pipeline="sample", **changes), None)
    assert not old.goes(SLOT)
    stored = old.ledger.runs.read("sample-1")
    assert stored is not None
    old.ledger.runs.replace(stored.record.moved_to(Phase.FAILED, NOW), stored.etag)
    assert old.goes(SLOT)


def test_a_run_queue_whose_list_is_longer_than_twenty_is_left_alone() -> None:
    old = Old()
    for count, goes in ((21, False), (20, True)):
        stored = old.ledger.run_queues.read(SLOT)
        run_queue = RunQueue(pipeline="sample", holders=tuple(f"sample-{n}" for n in range(count)))
        old.ledger.run_queues.put(SLOT, run_queue, stored.etag if stored else None)
        assert old.goes(SLOT) is goes


@pytest.mark.parametrize(
    ("missing", "resumed", "goes"), [({}, False, False), ({}, True, True), (LONG, False, True)]
)
def test_a_paused_run_queue_is_kept_until_the_resume_or_the_end_of_its_pipeline(
    missing: dict[str, Any], *, resumed: bool, goes: bool
) -> None:
    configured = frozenset[str]() if missing else frozenset({"sample"})
    old = Old(configured=configured, missing=missing)
    paused = Pause(by="relearn", at=NOW)
    old.ledger.run_queues.put(SLOT, RunQueue(pipeline="sample", paused=paused), None)
    if resumed:
        old.ledger.pauses.put("sample", Pauses(resumed_at=NOW + HOUR), None)
    assert old.goes(SLOT) is goes


def test_an_endpoint_that_is_configured_stays_and_loses_its_mark() -> None:
    old = Old()
    name = old.endpoint_state(hints={"apart_since": "x"})
    etag = old.world.documents.rows[name].etag
    assert not old.goes(name)
    assert old.world.documents.rows[name].metadata == {}
    assert old.world.documents.rows[name].etag != etag
    etag = old.world.documents.rows[name].etag
    assert not old.goes(name)
    assert old.world.documents.rows[name].etag == etag  # nothing is to be marked


def test_an_endpoint_in_no_file_is_marked_at_first_and_then_deleted() -> None:
    old = Old(updates=())
    name = old.endpoint_state()
    assert not old.goes(name)
    assert old.world.documents.rows[name].metadata == {"apart_since": NOW.isoformat()}
    unsure = Old(updates=(), sure=False)
    other = unsure.endpoint_state(hints={"apart_since": "x"})
    assert not unsure.goes(other)
    assert old.goes(name)


@pytest.mark.parametrize("phase", [Phase.PARKED, Phase.FAILED])
def test_an_endpoint_that_an_open_run_leased_is_kept(phase: Phase) -> None:
    old = Old(updates=())
    old.run("sample-1", phase)
    name = old.endpoint_state(hints={"apart_since": "x"}, **NAMED["leased"])
    assert old.goes(name) is phase.ended


def test_a_drift_check_goes_where_nothing_of_ours_serves_or_its_pipeline_is_gone() -> None:
    old = Old()
    assert old.goes(drift_check(old))  # nothing is known of the endpoint
    old.endpoint_state(resources={RESOURCE_NAME: Resource(serving=served("sample-1"))})
    assert not old.goes(drift_check(old))
    del old.world.documents.rows["drift_checks/w1"]
    assert old.goes(drift_check(old, resource="another"))
    for updates, goes in (((), True), ((UPDATE,), False)):
        old = Old(updates=updates, missing=LONG)
        old.endpoint_state(resources={RESOURCE_NAME: Resource(serving=served("sample-1"))})
        assert old.goes(drift_check(old, "gone")) is goes


def test_a_record_that_is_gone_by_then_is_no_longer_checked() -> None:
    old = Old(missing=LONG)
    old.run("sample-1")
    names = ["runs/sample-1", known(old), SLOT, drift_check(old), old.endpoint_state(f"{UPDATE}9")]
    old.ledger.run_queues.put(SLOT, RunQueue(pipeline="sample"), None)
    listed = {name: old.listed(name) for name in names}
    for name in names:
        del old.world.documents.rows[name]
        assert not old.rules.delete_if_old(name.partition("/")[0], listed[name])
    assert not old.ledger.old.exists("tombstones/sample-2")
