"""Which entries of data versions, and of waiting data, are deleted."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.core.versions import version_id
from shared.errors import ConflictError, PermanentError
from shared.ledger.store import Stored
from shared.ledger.versions import VersionEntry
from tests.fakes.world import DATA, MODELS
from tests.unit.maintenance.old_records import KEEP, LONG, Old
from tests.unit.samples import NOW, blob

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


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
    updated = known(old, "b.csv")
    assert updated != only_trace
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
def test_an_entry_whose_run_was_deleted_names_it_as_such(
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
def test_data_that_no_pipeline_wants_is_counted_and_goes_when_it_is_old(
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
