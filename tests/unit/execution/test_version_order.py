"""Preview, batches, promotion and history agree on one order of data versions."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.studio import InstantTrainer
from shared.core.run.manual_request import ManualRequest
from shared.core.run.record import Phase, Run
from shared.core.serving.references import EndpointAddress
from shared.core.serving.state import EndpointState
from shared.core.versions import (
    version_id,
)
from shared.ledger.versions import VersionEntry
from shared.operations.commands import OperatorCommand
from tests.fakes.world import DATA, MODELS
from tests.unit.core.test_versions import MICROSECOND, RESOURCE, SECOND
from tests.unit.execution.second_worlds import arrive, content, preview
from tests.unit.fleet import Fleet
from tests.unit.maintenance.cleaning import cleaned, kept
from tests.unit.samples import HOUR, NOW
from tests.unit.worlds import Observed


def served(world: Observed) -> Run:
    serving = world.endpoint_state().resource(RESOURCE).serving
    assert serving is not None
    return next(one for one in world.runs() if one.run_id == serving.run_id)


ORDERS = st.permutations(["a.csv", "b.csv", "c.csv"])


@settings(max_examples=12, deadline=None)
@given(ORDERS, ORDERS, st.sampled_from(["parallel", "newest", "queue"]))
def test_preview_batches_and_promotion_agree_on_the_newest_of_a_second(
    names: list[str], reported: list[str], when_busy: str
) -> None:
    world = Observed(config={"pipeline": {"when_busy": when_busy}})
    arrive(world, names, reported)
    matches = [match.blob.name for match in preview(world).matches]
    assert matches == reported[::-1]
    world.until_ended()
    newest = served(world).newest
    assert newest is not None
    assert newest.name == reported[-1]
    asked = world.app.requests.requested(world.pipeline, "k", ManualRequest())
    assert asked.newest is not None
    assert asked.newest.name == reported[-1]
    assert [one.name for one in world.app.requests.newest_data(world.pipeline)] == [reported[-1]]
    assert [match.blob.name for match in preview(world).matches] == matches


BURST: dict[str, Any] = {
    "when_busy": "newest",
    "data": {"blob": "{name}.csv", "settle": "10s"},
}


def test_the_data_of_a_burst_is_the_last_that_was_recorded_of_its_last_second() -> None:
    world = Observed(config={"pipeline": BURST})
    arrive(world, ["c.csv", "a.csv", "b.csv"], ["c.csv", "b.csv", "a.csv"])
    ended = world.until_ended()
    assert ended.newest is not None
    assert ended.newest.name == "a.csv"
    assert "as training-data/c.csv, training-data/b.csv:" in ended.tie


def test_an_older_model_of_one_second_never_replaces_a_newer_one_and_says_why() -> None:
    world = Observed()
    names = [f"{letter}.csv" for letter in "fedcba"]
    arrive(world, names, names)
    world.until_ended(80)
    runs = {one.newest.name: one for one in world.runs() if one.newest}
    assert runs["a.csv"].phase is Phase.PROMOTED
    lines = world.endpoint_state().resource(RESOURCE).history
    served_names = [line.data[0].rpartition("/")[2] for line in lines]
    assert served_names == sorted(served_names, reverse=True)
    superseded = [one for one in runs.values() if one.phase is Phase.SUPERSEDED]
    assert all("has the same Last-Modified" in str(one.reason) for one in superseded)
    assert len(superseded) + len(lines) == len(names)
    later = [one for one in runs.values() if one.run_id in {line.run_id for line in lines[1:]}]
    assert all("has the same Last-Modified" in one.tie for one in later)


def test_the_time_of_recording_survives_that_an_entry_is_written_again() -> None:
    world = Observed(config={"pipeline": {"when_busy": "queue"}})
    ledger = world.context.ledger
    world.upload("a.csv", content(1))
    world.deliver("a.csv")
    (name,) = [name for name in world.documents.rows if name.startswith("versions/")]
    first = ledger.versions.entry(name.removeprefix("versions/"))
    assert first is not None
    at = first.blob.recorded_at
    assert at is not None
    taken = world.runs()[0]
    world.clock.move(HOUR)
    world.app.inbox.requeue(taken, taken.manifest)
    del world.documents.rows[f"runs/{taken.run_id}"]
    world.clock.move(HOUR)
    world.tick()
    again = ledger.versions.entry(name.removeprefix("versions/"))
    assert again is not None
    assert again.blob.recorded_at == at
    assert {b.recorded_at for one in world.runs() for b in one.manifest} == {at}


def test_a_run_takes_a_version_as_it_was_first_recorded() -> None:
    world = Observed(config={"pipeline": {"when_busy": "queue"}})
    ledger = world.context.ledger
    world.upload("a.csv", content(1))
    found = world.blobs.head(DATA, "a.csv")
    assert found is not None
    first, later = found.recorded(NOW - HOUR), found.recorded(NOW + HOUR)
    name = version_id("sample", found)
    noted = VersionEntry(pipeline="sample", blob=first, run_id=None, older_than_pipeline=True)
    ledger.versions.add(name, noted)
    ledger.inbox.add((), name, noted.model_copy(update={"blob": later, "note": "waiting"}))
    world.tick()
    (made,) = world.runs()
    entry = ledger.versions.entry(name)
    assert entry is not None
    assert entry.run_id == made.run_id
    assert entry.blob.recorded_at == made.manifest[0].recorded_at == NOW - HOUR


def test_a_request_on_data_of_one_second_is_judged_by_what_the_ledger_knows_of_it() -> None:
    world = Observed()
    arrive(world, ["a.csv", "b.csv"], ["b.csv", "a.csv"])
    world.until_ended(80)
    asked = world.app.requests.requested(world.pipeline, "older", ManualRequest(data="b.csv"))
    assert world.until_idle(asked).phase is Phase.SUPERSEDED
    again = world.app.requests.requested(world.pipeline, "same", ManualRequest(data="a.csv"))
    assert world.until_idle(again).phase is not Phase.SUPERSEDED


def test_an_endpoint_keeps_when_its_newest_version_was_recorded_once_that_is_known() -> None:
    world = Observed()
    world.upload("y.csv", content(1))
    world.upload("x.csv", content(2))
    asked = world.app.requests.requested(world.pipeline, "k", ManualRequest(data="y.csv"))
    world.until(asked, Phase.PROMOTED)
    (early,) = asked.manifest
    assert early.recorded_at is None
    noted = early.recorded(world.host.now() - HOUR)
    entry = VersionEntry(pipeline="sample", blob=noted, run_id=None, older_than_pipeline=True)
    world.context.ledger.versions.add(version_id("sample", early), entry)
    (later,) = world.deliver("x.csv")
    world.until(later, Phase.PROMOTED)
    newest = world.endpoint_state().resource(RESOURCE).newest_version
    assert newest == later.newest


def test_a_tie_is_named_in_the_preview_and_not_where_there_is_none() -> None:
    world = Observed()
    arrive(world, ["a.csv", "b.csv"], ["b.csv", "a.csv"])
    assert any("a.csv has the same Last-Modified" in note for note in preview(world).notes)
    world.clock.move(SECOND)
    arrive(world, ["c.csv"], ["c.csv"])
    assert not any("has the same Last-Modified" in note for note in preview(world).notes)


@pytest.mark.parametrize("when_busy", ["parallel", "newest", "queue"])
@pytest.mark.parametrize("overwritten", [False, True])
def test_a_metadata_only_update_within_the_second_of_a_write_opens_no_second_run(
    when_busy: str, *, overwritten: bool
) -> None:
    world = Observed(config={"pipeline": {"when_busy": when_busy}})
    if overwritten:  # a storage that keeps the time of the first writing
        created = world.clock.now()
        world.clock.move(SECOND)
    world.upload("a.csv", content(1))
    if overwritten:
        world.blobs.facts[f"https://account.blob.core.windows.net/{DATA}/a.csv"].created = created
    world.deliver("a.csv")
    world.blobs.update_metadata(DATA, "a.csv")
    world.deliver("a.csv")
    world.clock.move(HOUR)
    for _ in range(30):
        world.tick()
    assert [one.phase for one in world.runs()] == [Phase.PROMOTED]


def test_a_version_whose_metadata_changed_within_its_second_is_remembered_as_itself() -> None:
    world = Observed(config={"pipeline": {"endpoints": []}})
    world.upload("a.csv", content(1))
    world.deliver("a.csv")
    world.blobs.update_metadata(DATA, "a.csv")
    world.until_ended()
    (known,) = kept(world, "versions")
    for _ in range(45):
        world.clock.move(timedelta(days=29))
        cleaned(world)
    assert kept(world, "versions") == [known]
    world.deliver("a.csv")
    assert len(world.starts) == 1


def test_operators_models_within_a_second_replace_each_other_in_their_order_alone() -> None:
    world = Observed()
    world.poll.tick()
    world.clock.move(SECOND)
    names = [f"promote/sample/{letter}.ilearner" for letter in "cab"]
    for number, name in enumerate(names):
        data = {"input1": content(number)}
        world.blobs.put(MODELS, name, InstantTrainer().train(data, {}, label=None).model)
    for name in names:
        world.host.by += MICROSECOND
        world.app.model_events.model_arrived(name)
    world.until_ended(80)
    last = served(world)
    assert last.model is not None
    assert last.model.name == f"{MODELS}/{names[-1]}"
    lines = [line.model for line in world.endpoint_state().resource(RESOURCE).history]
    assert lines == sorted(lines, key=lambda path: names.index(str(path).partition("/")[2]))


def test_no_endpoint_of_a_roll_out_goes_back_to_an_older_model_of_one_second() -> None:
    fleet = Fleet(size=2)
    arrive(fleet, ["a.csv", "b.csv", "c.csv"], ["c.csv", "a.csv", "b.csv"])
    fleet.until_ended(160)
    endpoint_states = [
        EndpointState.model_validate_json(row.body)
        for name, row in fleet.documents.rows.items()
        if name.startswith("endpoints/")
    ]
    assert len(endpoint_states) == 2
    for endpoint_state in endpoint_states:
        lines = [line.data[0] for line in endpoint_state.resource(RESOURCE).history]
        order = ["training-data/c.csv", "training-data/a.csv", "training-data/b.csv"]
        assert lines == sorted(lines, key=order.index)
        assert lines[-1] == order[-1]


def test_a_rollback_to_an_older_model_of_the_same_second_is_not_judged_by_age() -> None:
    world = Observed()
    arrive(world, ["a.csv"], ["a.csv"])
    world.until_ended()
    first = world.serving()
    world.upload("b.csv", content(2))
    facts = world.blobs.facts
    at = {key.rpartition("/")[2]: one for key, one in facts.items()}
    at["b.csv"].modified = at["b.csv"].created = at["a.csv"].modified
    world.deliver("b.csv")
    world.until_ended(80)
    assert world.serving() != first
    endpoints = world.app.endpoints
    rollback = endpoints.rollback(
        EndpointAddress("sample", "production"), None, OperatorCommand("ada")
    )
    world.until(rollback, Phase.PROMOTED)
    assert world.serving() == first
