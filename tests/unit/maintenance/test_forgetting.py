"""Each rule of retention by itself: what makes a record of one kind go, and what keeps it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.core.cleaning_round import KINDS, CleaningRound, Updates
from shared.core.names import run_queue_id
from shared.core.run.concurrency import Pause, Pauses, QueueEntry, RunQueue
from shared.core.run.record import Delivery, Phase
from shared.core.serving.drift import DriftCheck
from shared.core.serving.state import EndpointLease, EndpointState, Hold, Resource, ServedModel
from shared.core.versions import version_id
from shared.errors import ConflictError, PermanentError
from shared.ledger.ledger import Ledger
from shared.ledger.open_markers import RunHints
from shared.ledger.run_queues import NEW
from shared.ledger.store import Stored
from shared.ledger.versions import VersionEntry
from shared.maintenance.retention_rules import RetentionRules
from shared.ports.storage import Listed
from tests.fakes.world import DATA, MODELS
from tests.unit.samples import NOW, UPDATE, blob, pipeline, ref
from tests.unit.samples import run as sample
from tests.unit.worlds import Observed

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
KEEP = timedelta(days=400)
#: By now every pipeline that is missing has been so for as long as records are kept.
LONG = {"gone": NOW - KEEP, "sample": NOW - KEEP}
PLACE = "Sample [trained model]"


class Old:
    """A ledger of old records, and the rules of one call over it."""

    def __init__(
        self,
        configured: frozenset[str] = frozenset({"sample"}),
        updates: tuple[str, ...] = (UPDATE,),
        *,
        sure: bool = True,
        **round_: Any,
    ) -> None:
        self.world = Observed()
        self.context = self.world.intake._context
        self.ledger: Ledger = self.context.ledger
        known = {"started_at": NOW, "all_at": NOW, "since": NOW - DAY, **round_}
        self.rules = RetentionRules(
            self.context, configured, Updates(updates), sure, CleaningRound(**known)
        )
        self.calls = self.world.calls

    def listed(self, name: str) -> Listed:
        return next(item for item in self.world.documents.listing(name) if item.name == name)

    def goes(self, name: str) -> bool:
        """Apply the rules to a record, and return whether it was deleted."""
        gone = self.rules.delete_if_old(name.partition("/")[0], self.listed(name))
        assert gone is (name not in self.world.documents.rows)
        return gone

    def raw(self, name: str, body: bytes = b"", **hints: str) -> None:
        self.world.documents.create(name, body, hints)

    def run(self, name: str = "sample-1", phase: Phase = Phase.PROMOTED, **changes: Any) -> None:
        self.ledger.runs.create(sample(phase, run_id=name, **changes))

    def head(self, update: str = UPDATE, hints: dict[str, str] | None = None, **known: Any) -> str:
        name = f"endpoints/{ref(update).id}"
        body = EndpointState(ref=ref(update), **known).model_dump_json().encode()
        self.world.documents.create(name, body, hints)
        return name


def served(run_id: str, **more: Any) -> ServedModel:
    return ServedModel(run_id=run_id, since=NOW, verification="answers", manifest=(), **more)


def item(name: str, age: timedelta) -> Listed:
    return Listed(name, NEW, NOW - age, {})


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "pauses"])
def test_a_record_is_looked_at_once_it_is_old_enough_for_its_kind(kind: str) -> None:
    """Within a day, the margin of a round, it is looked at twice rather than never."""
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
    elif kind.startswith("existing"):  # needed or not, whatever its age; a day is for its writer
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


# Runs


def test_an_ended_run_that_nobody_names_goes_and_leaves_a_tombstone() -> None:
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


NAMED: dict[str, dict[str, Any]] = {
    "reserved": {
        "endpoint_lease": EndpointLease(
            run_id="sample-1", resource=PLACE, model=None, generation=1, at=NOW
        )
    },
    "held": {"resources": {"x": Resource(held=Hold(run_id="sample-1", to="y", by="ada", at=NOW))}},
    "serving": {"resources": {"x": Resource(serving=served("sample-1"))}},
    "set": {"resources": {"x": Resource(serving=served("y", set_by="sample-1"))}},
    "trained": {"resources": {"x": Resource(serving=served("y", trained_by="sample-1"))}},
    "before": {"resources": {"x": Resource(previous=(served("y"), served("sample-1")))}},
}


@pytest.mark.parametrize("how", NAMED)
def test_a_run_that_its_endpoints_record_names_is_kept(how: str) -> None:
    old = Old()
    old.head(**NAMED[how])
    old.run("sample-1")
    old.run("sample-2")
    assert not old.goes("runs/sample-1")
    old.calls.clear()
    assert old.goes("runs/sample-2")
    assert "read endpoints" not in old.calls  # each is read once in a call


def test_a_run_is_named_by_heads_of_its_own_endpoints_alone() -> None:
    old = Old()
    old.head(f"{UPDATE}2", **NAMED["serving"])
    old.run("sample-1")
    assert old.goes("runs/sample-1")


def test_a_run_that_a_head_which_is_not_understood_may_name_is_kept() -> None:
    old = Old()
    old.raw(f"endpoints/{ref(UPDATE).id}", b"{not json, sample-1")
    for name in ("sample-1", "sample-2"):
        old.run(name)
    assert not old.goes("runs/sample-1")
    assert old.goes("runs/sample-2")


def test_the_heads_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_a_delivery_is_kept_while_its_roll_out_goes_on(parent: Phase | None, *, kept: bool) -> None:
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


def test_the_line_of_a_run_goes_once_the_run_has() -> None:
    old = Old()
    old.run("sample-1")
    (line,) = [name for name in old.world.documents.rows if name.startswith("index/")]
    assert not old.goes(line)
    assert old.goes("runs/sample-1")
    assert old.goes(line)


def test_a_marker_goes_once_its_run_was_forgotten_or_can_never_be_opened() -> None:
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


# Data versions


def known(old: Old, name: str = "a.csv", **changes: Any) -> str:
    """Have a version known whose blob is in the store, and return the name of its entry."""
    there = old.world.blobs.put(DATA, name, b"a,b\n1,2\n")
    one = there.model_copy(update=changes)
    version = version_id("sample", one)
    entry = VersionEntry(pipeline="sample", blob=one, run_id="sample-1")
    old.ledger.versions.add(version, entry)
    return f"versions/{version}"


def test_a_version_whose_blob_is_there_is_remembered_for_as_long_again() -> None:
    old = Old()
    name = known(old)
    old.world.clock.move(KEEP)
    assert not old.goes(name)
    assert old.world.documents.rows[name].modified == old.world.clock.now()


def test_a_version_of_which_the_blob_is_another_one_now_goes() -> None:
    old = Old()
    assert old.goes(known(old, etag="0x9", size=3))
    # Metadata changed since, and nobody saw that yet.
    only_trace = known(old, "b.csv", etag="0x9", modified=NOW - HOUR)
    assert not old.goes(only_trace)
    touched = known(old, "b.csv")
    assert touched != only_trace
    assert old.goes(only_trace)


def test_a_version_whose_blob_is_gone_goes_where_its_container_is_there() -> None:
    old = Old()
    name = known(old)
    old.world.blobs.remove(DATA, "a.csv")
    old.world.blobs.missing.add(DATA)
    for _ in range(2):
        with pytest.raises(PermanentError, match=f"container {DATA} does not exist now"):
            old.rules.delete_if_old("versions", old.listed(name))
    old.world.blobs.missing.clear()
    old.rules = replace(old.rules, _containers={})  # the next call
    assert old.goes(name)


def test_a_container_is_asked_for_once_in_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    old = Old()
    names = [known(old, f"{number}.csv") for number in range(2)]
    asked: list[str] = []

    def exists(container: str) -> bool:
        asked.append(container)
        return True

    monkeypatch.setattr(old.world.blobs, "exists", exists)
    model = blob("promote/sample/m.ilearner", container=MODELS)
    version = version_id("sample", model)
    old.ledger.versions.add(version, VersionEntry(pipeline="sample", blob=model, run_id=None))
    for number in range(2):
        old.world.blobs.remove(DATA, f"{number}.csv")
    assert all(old.goes(name) for name in (*names, f"versions/{version}"))
    assert asked == [DATA, MODELS]


@pytest.mark.parametrize(
    ("record", "used", "named"),
    [(True, True, True), (False, True, False), (False, False, True)],
)
def test_an_entry_whose_run_was_forgotten_names_it_as_such(
    *, record: bool, used: bool, named: bool
) -> None:
    old = Old()
    name = known(old)
    if record:
        old.raw("runs/sample-1")
    if used:
        old.ledger.tombstones.add("sample-1")
    assert not old.goes(name)
    entry = old.ledger.versions.entry(name.removeprefix("versions/"))
    assert entry is not None
    assert entry.run_id == ("sample-1" if named else None)
    assert entry.taken_by == "sample-1"


def test_an_entry_that_a_run_takes_this_moment_is_left_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = Old()
    name = known(old)

    def late(*_: object) -> Stored[VersionEntry]:
        raise ConflictError(name)

    monkeypatch.setattr(old.ledger.versions, "put", late)
    assert not old.goes(name)


# What waits


@pytest.mark.parametrize(
    ("name", "old", "age", "goes", "waits"),
    [
        ("sample", Old(missing=LONG), KEEP + HOUR, False, {}),
        ("gone", Old(missing=LONG), KEEP + HOUR, True, {}),
        ("gone", Old(missing=LONG), KEEP - HOUR, False, {"gone": 1}),
        ("gone", Old(), KEEP + HOUR, False, {"gone": 1}),
        ("gone", Old(missing=LONG, sure=False), KEEP + HOUR, False, {}),
    ],
)
def test_what_waits_for_nobody_is_counted_and_goes_when_it_is_old(
    name: str, old: Old, age: timedelta, waits: dict[str, int], *, goes: bool
) -> None:
    old.world.clock.move(-age)
    old.raw(f"inbox/{name}/k/v-1")
    old.world.clock.move(age)
    assert old.goes(f"inbox/{name}/k/v-1") is goes
    assert old.rules.waiting == waits


def test_what_waits_is_counted_over_the_calls_of_a_round() -> None:
    old = Old(waiting={"gone": 2})
    for number in range(2):
        old.raw(f"inbox/gone/k/v-{number}")
        assert not old.goes(f"inbox/gone/k/v-{number}")
    assert old.rules.waiting == {"gone": 4}
    assert old.rules.round_.waiting == {"gone": 2}


# Places and endpoints


SLOT = run_queue_id("sample", ())


@pytest.mark.parametrize(
    "changes",
    [
        {"holders": ("sample-1",)},
        {"waiting": (QueueEntry(run_id="sample-1", at=NOW),)},
        {"batch_run": "sample-1"},
    ],
)
def test_a_place_goes_once_no_run_that_it_names_goes_on(changes: dict[str, Any]) -> None:
    old = Old()
    old.run("sample-1", Phase.TRAINING)
    old.ledger.run_queues.put(SLOT, RunQueue(pipeline="sample", **changes), None)
    assert not old.goes(SLOT)
    stored = old.ledger.runs.read("sample-1")
    assert stored is not None
    old.ledger.runs.replace(stored.record.moved_to(Phase.FAILED, NOW), stored.etag)
    assert old.goes(SLOT)


def test_a_place_whose_line_is_longer_than_twenty_is_left_alone() -> None:
    old = Old()
    for count, goes in ((21, False), (20, True)):
        stored = old.ledger.run_queues.read(SLOT)
        run_queue = RunQueue(pipeline="sample", holders=tuple(f"sample-{n}" for n in range(count)))
        old.ledger.run_queues.put(SLOT, run_queue, stored.etag if stored else None)
        assert old.goes(SLOT) is goes


@pytest.mark.parametrize(
    ("missing", "resumed", "goes"), [({}, False, False), ({}, True, True), (LONG, False, True)]
)
def test_a_paused_place_is_kept_until_the_resume_or_the_end_of_its_pipeline(
    missing: dict[str, Any], *, resumed: bool, goes: bool
) -> None:
    configured = frozenset[str]() if missing else frozenset({"sample"})
    old = Old(configured=configured, missing=missing)
    paused = Pause(by="relearn", at=NOW)
    old.ledger.run_queues.put(SLOT, RunQueue(pipeline="sample", paused=paused), None)
    if resumed:
        old.ledger.pauses.put("sample", Pauses(resumed_at=NOW + HOUR), NEW)
    assert old.goes(SLOT) is goes


def test_an_endpoint_that_is_configured_stays_and_loses_its_mark() -> None:
    old = Old()
    name = old.head(hints={"apart_since": "x"})
    etag = old.world.documents.rows[name].etag
    assert not old.goes(name)
    assert old.world.documents.rows[name].metadata == {}
    assert old.world.documents.rows[name].etag != etag
    etag = old.world.documents.rows[name].etag
    assert not old.goes(name)
    assert old.world.documents.rows[name].etag == etag  # nothing is to be marked


def test_an_endpoint_in_no_file_is_marked_at_first_and_then_forgotten() -> None:
    old = Old(updates=())
    name = old.head()
    assert not old.goes(name)
    assert old.world.documents.rows[name].metadata == {"apart_since": NOW.isoformat()}
    unsure = Old(updates=(), sure=False)
    other = unsure.head(hints={"apart_since": "x"})
    assert not unsure.goes(other)
    assert old.goes(name)


@pytest.mark.parametrize("phase", [Phase.PARKED, Phase.FAILED])
def test_an_endpoint_that_an_open_run_reserved_is_kept(phase: Phase) -> None:
    old = Old(updates=())
    old.run("sample-1", phase)
    name = old.head(hints={"apart_since": "x"}, **NAMED["reserved"])
    assert old.goes(name) is phase.ended


def drift_check(old: Old, pipeline_: str = "sample", place: str = PLACE) -> str:
    one = DriftCheck(ref=ref(UPDATE), place=place, pipeline=pipeline_, endpoint="e", next_check=NOW)
    old.ledger.drift_checks.put("w1", one, None)
    return "drift_checks/w1"


def test_a_watch_goes_where_nothing_of_ours_serves_or_its_pipeline_is_gone() -> None:
    old = Old()
    assert old.goes(drift_check(old))  # nothing is known of the endpoint
    old.head(resources={PLACE: Resource(serving=served("sample-1"))})
    assert not old.goes(drift_check(old))
    del old.world.documents.rows["drift_checks/w1"]
    assert old.goes(drift_check(old, place="another"))
    for updates, goes in (((), True), ((UPDATE,), False)):
        old = Old(updates=updates, missing=LONG)
        old.head(resources={PLACE: Resource(serving=served("sample-1"))})
        assert old.goes(drift_check(old, "gone")) is goes


def test_a_record_that_is_gone_by_then_is_no_longer_looked_at() -> None:
    old = Old(missing=LONG)
    old.run("sample-1")
    names = ["runs/sample-1", known(old), SLOT, drift_check(old), old.head(f"{UPDATE}9")]
    old.ledger.run_queues.put(SLOT, RunQueue(pipeline="sample"), None)
    listed = {name: old.listed(name) for name in names}
    for name in names:
        del old.world.documents.rows[name]
        assert not old.rules.delete_if_old(name.partition("/")[0], listed[name])
    assert not old.ledger.old.exists("tombstones/sample-2")
