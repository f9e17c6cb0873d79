"""Which records are checked, and which runs with their traces are deleted."""

from datetime import timedelta
from typing import Any

import pytest

from shared.core.names import run_queue_id
from shared.core.run.cleaning_round import KINDS
from shared.core.run.concurrency import RunQueue
from shared.core.run.record import Delivery, Phase
from shared.core.serving.state import EndpointLease, Hold, Resource
from shared.ledger.open_markers import RunHints
from tests.unit.maintenance.old_records import KEEP, LONG, RESOURCE_NAME, Old, item, served
from tests.unit.samples import NOW, UPDATE, pipeline, ref

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


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "pauses"])
def test_a_record_is_checked_once_it_is_old_enough_for_its_kind(kind: str) -> None:
    """Within a day, the margin of a round, it is checked twice rather than never."""
    old, first = Old(), Old(since=None)
    name = f"{kind}/sample/x"
    keep = 2 * KEEP if kind == "tombstones" else KEEP
    ages = (timedelta(), keep, keep + HOUR, keep + DAY, keep + DAY + HOUR)
    checked_to = [old.rules.concerns(kind, item(name, age)) for age in ages]
    if kind in ("pipelines", "inbox"):
        assert checked_to == [True] * 5
    elif kind == "drift_checks":
        assert checked_to == [False] * 5
        assert first.rules.concerns(kind, item(name, timedelta()))
    elif kind.startswith("existing"):  # needed or not, at any age; its writer has a day
        assert checked_to == [False, True, True, True, True]
        assert [old.rules.concerns(kind, item(name, age)) for age in (DAY, DAY + HOUR)] == [
            False,
            True,
        ]
    else:
        assert checked_to == [False, False, True, True, False]
        assert first.rules.concerns(kind, item(name, keep + 9 * DAY))


def test_a_pause_goes_with_its_pipeline_alone() -> None:
    old = Old(missing=LONG)
    assert not old.rules.concerns("pauses", item("pauses/sample", 9 * KEEP))
    assert old.rules.concerns("pauses", item("pauses/gone", timedelta()))
    assert not old.rules.concerns("pauses", item("pauses/new", timedelta()))
    old.raw("pauses/gone")
    assert old.goes("pauses/gone")


@pytest.mark.parametrize(
    ("missing", "sure", "gone"),
    [
        ({"gone": NOW - KEEP}, True, True),
        ({"gone": NOW - KEEP + HOUR}, True, False),
        ({"gone": NOW - KEEP}, False, False),
        ({}, True, False),
    ],
)
def test_a_pipeline_is_gone_once_it_was_in_no_whole_file_for_as_long_as_records_are_kept(
    missing: dict[str, Any],
    sure: bool,  # noqa: FBT001 -- a case
    gone: bool,  # noqa: FBT001 -- a case
) -> None:
    old = Old(missing=missing, sure=sure)
    assert old.rules.concerns("pauses", item("pauses/gone", timedelta())) is gone
    expected = missing or ({"gone": NOW} if sure else {})
    assert old.rules.missing == expected


def test_a_pipeline_is_missing_until_it_comes_back() -> None:
    old = Old(missing={"sample": NOW - DAY})
    for name in ("sample", "gone"):
        old.raw(f"pipelines/{name}")
        assert not old.goes(f"pipelines/{name}")
    assert old.rules.missing == {"gone": NOW}


def test_an_ended_run_that_no_record_names_goes_and_leaves_a_tombstone() -> None:
    old = Old()
    old.run("sample-1")
    old.run("sample-2", Phase.TRAINING)
    assert old.goes("runs/sample-1")
    assert not old.goes("runs/sample-2")
    tombstone = old.world.documents.rows["tombstones/sample-1"]
    assert tombstone.metadata == {"run_queue": run_queue_id("sample", ())}
    assert "slot" not in old.world.documents.rows["tombstones/sample-2"].metadata


def test_the_tombstone_of_a_customers_run_names_the_slot_of_that_customer() -> None:
    old = Old()
    old.run("sample-1", config=pipeline(key="name"), tokens={"name": "acme"})
    assert old.goes("runs/sample-1")
    tombstone = old.world.documents.rows["tombstones/sample-1"]
    assert tombstone.metadata == {"run_queue": run_queue_id("sample", ("acme",))}


@pytest.mark.parametrize("how", NAMED)
def test_a_run_that_its_endpoints_record_names_is_kept(how: str) -> None:
    old = Old()
    old.endpoint_state(**NAMED[how])
    old.run("sample-1")
    old.run("sample-2")
    assert not old.goes("runs/sample-1")
    old.calls.clear()
    assert old.goes("runs/sample-2")
    assert "read endpoints" not in old.calls  # each is read once in a call


def test_a_run_is_named_by_endpoint_states_of_its_own_endpoints_alone() -> None:
    old = Old()
    old.endpoint_state(f"{UPDATE}2", **NAMED["serving"])
    old.run("sample-1")
    assert old.goes("runs/sample-1")


def test_a_run_that_an_endpoint_state_which_is_not_understood_may_name_is_kept() -> None:
    old = Old()
    old.raw(f"endpoints/{ref(UPDATE).id}", b"{not json, sample-1")
    for name in ("sample-1", "sample-2"):
        old.run(name)
    assert not old.goes("runs/sample-1")
    assert old.goes("runs/sample-2")


def test_the_endpoint_states_that_are_remembered_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shared.maintenance.retention_rules._ENDPOINT_STATES", 1)
    old = Old()
    for name in ("sample-1", "sample-2"):
        old.run(name)
        old.goes(f"runs/{name}")
    assert old.calls.count("read endpoints") == 1
    assert len(old.rules._endpoint_states) == 1
    old.rules._named_by("another")
    assert set(old.rules._endpoint_states) == {"another"}


@pytest.mark.parametrize(
    ("parent", "kept"), [(Phase.ROLLING_OUT, True), (Phase.PROMOTED, False), (None, False)]
)
def test_a_delivery_is_kept_while_its_roll_out_continues(
    parent: Phase | None, *, kept: bool
) -> None:
    old = Old()
    if parent is not None:
        old.run("sample-9", parent)
    old.run("sample-1", parent="sample-9")
    assert old.goes("runs/sample-1") is not kept


def test_a_delivery_whose_roll_out_cannot_be_read_is_kept() -> None:
    old = Old()
    old.raw("runs/sample-9", b"{not json")
    old.run("sample-1", parent="sample-9")
    assert not old.goes("runs/sample-1")


def test_a_roll_out_is_kept_for_as_long_as_one_of_its_deliveries() -> None:
    old = Old()
    two = tuple(Delivery(endpoint=f"e{at}", run_id=f"sample-{at}") for at in (1, 2))
    old.run("sample-9", deliveries=two)
    old.run("sample-2")
    assert not old.goes("runs/sample-9")
    assert old.goes("runs/sample-2")
    assert old.goes("runs/sample-9")


def test_the_index_entry_of_a_run_goes_once_the_run_has() -> None:
    old = Old()
    old.run("sample-1")
    (line,) = [name for name in old.world.documents.rows if name.startswith("index/")]
    assert not old.goes(line)
    assert old.goes("runs/sample-1")
    assert old.goes(line)


def test_a_marker_goes_once_its_run_was_deleted_or_can_never_be_opened() -> None:
    old = Old(missing=LONG)
    old.run("sample-1")
    for name in ("sample-1", "sample-2", "sample-3", "gone-4", "new-5"):
        old.ledger.open_markers.mark(name, RunHints())
    old.ledger.tombstones.add("sample-2")
    assert not old.goes("open/sample-1")
    assert old.goes("open/sample-2")
    assert not old.goes("open/sample-3")
    assert old.goes("open/gone-4")
    assert not old.goes("open/new-5")


def test_a_tombstone_stays_while_a_slot_names_its_run() -> None:
    old = Old()
    run_queue = run_queue_id("sample", ())
    old.ledger.run_queues.put(run_queue, RunQueue(pipeline="sample", batch_run="sample-1"), None)
    for name in ("sample-1", "sample-2"):
        old.ledger.tombstones.renew(name, run_queue)
    old.ledger.tombstones.renew("sample-3", run_queue_id("sample", ("acme",)))
    old.ledger.tombstones.add("sample-4")
    old.ledger.tombstones.renew("sample-5", run_queue)
    old.raw("runs/sample-5")
    gone = [old.goes(f"tombstones/sample-{number}") for number in range(1, 6)]
    assert gone == [False, True, True, False, False]
