"""Each record that a release stored is read, and the present release stores it as it was.

A change of form is noticed by this: see "A release freezes the stored form" in CONTRIBUTING.md.
"""

import json
from functools import cache
from typing import Any, Final

import pytest

from shared.core.config.configuration import Configuration
from shared.core.config.kinds import ENDPOINT_CLASSES, TRAINING_KINDS
from shared.core.frozen import WRITTEN_BY, RecordModel
from shared.core.run.record import Origin, Phase, Run
from shared.errors import CorruptRecordError
from shared.ledger.ledger import Ledger
from shared.ledger.open_markers import decoded
from shared.ledger.store import Store
from shared.version import VERSION
from tests.fakes.clock import FakeClock
from tests.fakes.documents import MemoryDocuments, Row
from tests.stored.forms import EMPTY, KINDS, Fixture, fixtures, releases
from tests.unit.worlds import Observed


@cache
def records(release: str = VERSION) -> tuple[Fixture, ...]:
    return tuple(fixtures(release))


def stored(*found: Fixture) -> MemoryDocuments:
    documents = MemoryDocuments(FakeClock())
    for one in found:
        documents.create(one.name, one.body, one.metadata)
    return documents


def read(one: Fixture) -> Any:
    """Return what a record holds."""
    found = Store(stored(one)).read(one.name, KINDS[one.kind])
    assert found is not None, one.name
    return found.record


def inbox(one: Fixture, ledger: Ledger) -> None:
    (entry,) = Ledger(stored(one)).inbox.entries()
    assert read(one).blob == entry.blob
    ledger.inbox.add(("key",), entry.version_id, read(one))


def existing(one: Fixture, ledger: Ledger) -> None:
    _, generation, number = one.name.split("/")
    of = ledger.full_listings(models=one.kind.endswith("_models"))
    of.add_existing(int(generation), int(number.partition("-")[0]), read(one))


def tombstone(one: Fixture, ledger: Ledger) -> None:
    id_ = one.name.partition("/")[2]
    ledger.tombstones.add(id_)
    if one.metadata:
        ledger.tombstones.renew(id_, one.metadata["run_queue"])


def marker(one: Fixture, ledger: Ledger) -> None:
    hints = decoded(one.metadata)
    assert f'"kind":"{hints.kind}"' in one.metadata["marker"]
    ledger.open_markers.mark(one.name.partition("/")[2], hints)


def entry(one: Fixture, ledger: Ledger) -> None:
    ledger.versions.put(one.name.partition("/")[2], read(one), None)


def drift_check(one: Fixture, ledger: Ledger) -> None:
    ledger.drift_checks.put(one.name.partition("/")[2], read(one), None)


#: Records whose metadata, or names, are made of their content.
OWN_WAYS: Final = {
    "inbox": inbox,
    "existing": existing,
    "existing_models": existing,
    "tombstones": tombstone,
    "open": marker,
    "versions": entry,
    "drift_checks": drift_check,
}


def stored_again(one: Fixture) -> tuple[str, Row]:
    """Have the ledger read a record, and return what it then stores of it elsewhere."""
    documents = MemoryDocuments(FakeClock())
    if one.kind in OWN_WAYS:
        OWN_WAYS[one.kind](one, Ledger(documents))
    else:
        Store(documents).put(one.name, read(one), None, one.metadata)
    ((name, row),) = documents.rows.items()
    return name, row


@pytest.mark.parametrize("kind", [*KINDS, *(kind for kind in EMPTY if kind != "index")])
def test_each_record_is_stored_again_byte_for_byte(kind: str) -> None:
    found = [one for one in records() if one.kind == kind]
    assert found
    for one in found:
        name, row = stored_again(one)
        assert (row.body, row.metadata) == (one.body, one.metadata), one.name
        assert kind == "inbox" or name == one.name  # whose name has a digest of its key


@pytest.mark.parametrize("release", releases())
def test_the_records_of_each_release_are_read(release: str) -> None:
    for one in records(release):
        if one.body:
            assert json.loads(one.body)[WRITTEN_BY] == release
            assert read(one).schema_version == json.loads(one.body).get("schema_version", 1)


@pytest.mark.parametrize("release", releases())
def test_what_needs_no_new_form_is_stored_as_by_earlier_releases(release: str) -> None:
    # So that the release before reads what this one stored, where it uses nothing new.
    for one in records(release):
        if one.body and one.kind not in OWN_WAYS:
            known = json.loads(one.body)
            assert json.loads(stored_again(one)[1].body) == {**known, WRITTEN_BY: VERSION}, one.name


def test_the_present_release_has_fixtures_of_all_that_it_stores() -> None:
    assert releases()[-1] == VERSION
    runs = [read(one) for one in records() if one.kind == "runs"]
    assert {run.phase for run in runs} == set(Phase)
    assert {run.origin for run in runs} == set(Origin)
    assert {type(run.config.training) for run in runs} == set(TRAINING_KINDS.values())
    endpoints = {type(endpoint) for run in runs for endpoint in run.config.endpoints}
    assert endpoints == set(ENDPOINT_CLASSES.values())
    assert {one.kind for one in records()} == {*KINDS, *EMPTY}


def test_no_record_and_no_member_of_one_is_without_a_fixture() -> None:
    assert all_of(RecordModel) == set(KINDS.values())
    for model in KINDS.values():
        bodies = [json.loads(one.body) for one in records() if KINDS.get(one.kind) is model]
        shown = {name for body in bodies for name in body}
        assert model.model_fields.keys() <= shown, model.__name__


def all_of(model: type[RecordModel]) -> set[type[RecordModel]]:
    """Return the records of the product that are made of this one."""
    own = {one for one in model.__subclasses__() if one.__module__.startswith("shared.")}
    return own.union(*map(all_of, own))


def test_a_line_of_the_list_of_runs_is_written_as_it_was() -> None:
    run: Run = read(next(one for one in records() if one.kind == "runs"))
    for one in (one for one in records() if one.kind == "index"):
        documents = MemoryDocuments(FakeClock())
        parent = one.metadata.get("parent")
        Ledger(documents).index.add(run.evolve(parent=parent))
        ((name, row),) = documents.rows.items()
        assert [len(part) for part in name.split("-")][:1] == [len(one.name.partition("-")[0])]
        assert row.metadata.keys() == one.metadata.keys()


def test_a_stored_configuration_is_recognised_without_being_written_again() -> None:
    known = [one for one in records() if one.kind == "configurations"]
    for one in known:
        world, pipeline = Observed(), read(one).pipeline
        world.file = Configuration({pipeline.name: pipeline})
        world.restart()
        world.documents.rows = stored(one).rows.copy()
        world.calls.clear()
        world.app.last_good.keep()
        assert world.calls == ["list configurations"], one.name


def made_up(one: Fixture) -> Fixture:
    """Return the record as a later release might store it: no present one knows that form."""
    known: dict[str, Any] = json.loads(one.body)
    later = {**known, WRITTEN_BY: "0.9.0", "schema_version": 3, "later": {"unknown": [1]}}
    return Fixture(one.name, json.dumps(later).encode(), {})


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_of_a_later_form_is_refused_and_names_the_release_that_reads_it(
    kind: str,
) -> None:
    one = made_up(next(one for one in records() if one.kind == kind))
    with pytest.raises(CorruptRecordError) as caught:
        Store(stored(one)).read(one.name, KINDS[kind])
    said = str(caught.value)
    assert one.name in said
    assert "schema_version 3" in said
    assert "deploy the version that wrote it, 0.9.0," in said


def test_an_unknown_member_of_this_form_is_refused_too() -> None:
    for kind in KINDS:
        one = next(one for one in records() if one.kind == kind)
        odd = {**json.loads(one.body), "later": 1}
        with pytest.raises(CorruptRecordError, match="later"):
            Store(stored(Fixture(one.name, json.dumps(odd).encode(), {}))).read(
                one.name, KINDS[kind]
            )
