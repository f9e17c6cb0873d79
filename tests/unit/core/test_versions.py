"""One order of data versions, however many share a Last-Modified, and the same everywhere."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.studio import InstantTrainer
from shared.core.blobs import BlobVersion
from shared.core.run.machine import apply
from shared.core.run.promotion_events import EndpointLeased
from shared.core.run.record import Origin, Phase, Run
from shared.core.serving.state import EndpointState, Verified, is_superseded, promoted
from shared.core.versions import (
    are_one,
    is_older,
    mark_of,
    newest_first,
    newest_of,
    tie_of,
    tied_with,
    version_id,
)
from shared.intake.requests import ManualRequest
from shared.intake.rollbacks import EndpointAddress
from shared.ledger.versions import VersionEntry
from shared.operations.commands import OperatorCommand
from shared.operations.preview import Preview
from tests.fakes.world import DATA, MODELS
from tests.unit.fleet import Fleet
from tests.unit.maintenance.cleaning import cleaned, kept
from tests.unit.samples import HOUR, NOW, blob, promotion, ref, run
from tests.unit.worlds import Observed

MICROSECOND = timedelta(microseconds=1)
SECOND = timedelta(seconds=1)
RESOURCE = "Sample [trained model]"


def version_of(
    name: str, etag: int, second: int, recorded: int | None, md5: str | None
) -> BlobVersion:
    return blob(
        f"{name}.csv",
        etag=f"0x{etag}",
        modified=NOW + second * SECOND,
        recorded_at=None if recorded is None else NOW + recorded * MICROSECOND,
        content_md5=md5,
    )


versions = st.builds(
    version_of,
    st.sampled_from("abc"),
    st.integers(0, 3),
    st.integers(0, 1),
    st.none() | st.integers(0, 2),
    st.none(),
)
#: Each version once: a ledger knows one time at which it was recorded.
several = st.lists(versions, min_size=1, max_size=8, unique_by=lambda b: (b.name, b.etag))


@given(several)
def test_the_order_is_total_and_does_not_depend_on_how_versions_come(
    found: list[BlobVersion],
) -> None:
    for one in found:
        for other in found:
            older, newer = is_older(one, other), is_older(other, one)
            assert older + newer + are_one(one, other) == 1
    ordered = newest_first(found)
    assert ordered == newest_first(reversed(found))
    assert ordered[0] == newest_of(found)
    for next_one, before in pairwise(ordered):
        assert is_older(before, next_one)
        assert before.modified <= next_one.modified


@given(several)
def test_whatever_is_promoted_in_whichever_turn_the_newest_stays(found: list[BlobVersion]) -> None:
    endpoint_state = EndpointState(ref=ref("https://x"))
    for number, version in enumerate(found):
        one = run(Phase.VERIFYING, run_id=f"sample-{number}", manifest=(version,))
        if not is_superseded(endpoint_state.resource(RESOURCE), one.data_time, one.newest):
            endpoint_state = promoted(endpoint_state, one, RESOURCE, Verified("it answers", NOW))
    serving = endpoint_state.resource(RESOURCE).serving
    assert serving is not None
    assert serving.manifest == (newest_of(found),)
    burst = run(Phase.TRAINING, manifest=tuple(found))
    assert burst.newest == newest_of(found)


TIE: dict[str, Any] = {"modified": NOW, "content_md5": None}


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (blob("z.csv", recorded_at=NOW + HOUR, **TIE), blob("a.csv", modified=NOW + SECOND)),
        (
            blob("z.csv", recorded_at=NOW, **TIE),
            blob("a.csv", recorded_at=NOW + MICROSECOND, **TIE),
        ),
        (blob("z.csv", recorded_at=NOW, **TIE), blob("a.csv", **TIE)),
        (
            blob("a.csv", recorded_at=NOW, etag="0x2", **TIE),
            blob("b.csv", recorded_at=NOW, etag="0x1", **TIE),
        ),
        (blob(etag="0x1", **TIE), blob(etag="0x2", **TIE)),
    ],
    ids=["Last-Modified", "first recorded", "not recorded yet", "name", "ETag"],
)
def test_each_tie_is_broken_by_what_comes_next(older: BlobVersion, newer: BlobVersion) -> None:
    assert is_older(older, newer)
    assert not is_older(newer, older)


def test_a_version_is_never_older_than_itself_whenever_it_was_recorded() -> None:
    early, late = blob(recorded_at=NOW), blob(recorded_at=NOW + HOUR)
    assert early == late
    assert hash(early) == hash(late)
    assert not is_older(early, late)
    assert not is_older(late, early)


def test_a_metadata_write_within_the_second_is_no_second_version() -> None:
    first, touched = blob(), blob(etag="0x2")
    assert mark_of(first) == mark_of(touched)
    assert first.same_bytes_as(touched)
    assert mark_of(first) != mark_of(blob(etag="0x2", modified=NOW + SECOND))
    assert mark_of(first) != mark_of(blob(etag="0x2", content_md5="b3RoZXI="))
    assert mark_of(first) != mark_of(blob(etag="0x2", size=1))
    bare = blob(content_md5=None)
    assert mark_of(bare) != mark_of(blob(etag="0x2", content_md5=None))


def test_a_tie_is_said_with_a_few_of_its_names() -> None:
    others = [blob(f"{letter}.csv") for letter in "abcdefgh"]
    assert tie_of(blob("z.csv"), ()) == ""
    said = tie_of(blob("z.csv"), tied_with(blob("z.csv"), [*others, blob("z.csv")]))
    assert "training-data/z.csv has the same Last-Modified (2026-03-01 12:00:00 UTC)" in said
    assert "training-data/e.csv and 3 more" in said
    assert "f.csv" not in said
    again = tied_with(blob(etag="0x2", **TIE), [blob(**TIE)])
    assert "as an earlier write of it:" in tie_of(blob(etag="0x2", **TIE), again)


# In a world


def content(number: int) -> bytes:
    return b"a,b,label\n" + b"%d,2,0\n3,4,1\n" % number


def land(world: Observed, names: list[str], told: list[str]) -> None:
    """Write all of `names` within one second, then tell of each in another order."""
    for number, name in enumerate(names):
        world.upload(name, content(number))
    for name in told:
        world.host.by += MICROSECOND
        world.deliver(name)


def preview(world: Observed) -> Preview:
    return world.app.pipelines.preview("sample", None)


def served(world: Observed) -> Run:
    serving = world.endpoint_state().resource(RESOURCE).serving
    assert serving is not None
    return next(one for one in world.runs() if one.run_id == serving.run_id)


ORDERS = st.permutations(["a.csv", "b.csv", "c.csv"])


@settings(max_examples=12, deadline=None)
@given(ORDERS, ORDERS, st.sampled_from(["parallel", "newest", "queue"]))
def test_preview_gathering_and_promotion_agree_on_the_newest_of_a_second(
    names: list[str], told: list[str], when_busy: str
) -> None:
    world = Observed(config={"pipeline": {"when_busy": when_busy}})
    land(world, names, told)
    matches = [match.blob.name for match in preview(world).matches]
    assert matches == told[::-1]
    world.until_ended()
    newest = served(world).newest
    assert newest is not None
    assert newest.name == told[-1]
    asked = world.app.requests.requested(world.pipeline, "k", ManualRequest())
    assert asked.newest is not None
    assert asked.newest.name == told[-1]
    assert [one.name for one in world.app.requests.newest_data(world.pipeline)] == [told[-1]]
    assert [match.blob.name for match in preview(world).matches] == matches


BURST: dict[str, Any] = {
    "when_busy": "newest",
    "data": {"blob": "{name}.csv", "settle": "10s"},
}


def test_the_data_of_a_burst_is_the_last_that_was_recorded_of_its_last_second() -> None:
    world = Observed(config={"pipeline": BURST})
    land(world, ["c.csv", "a.csv", "b.csv"], ["c.csv", "b.csv", "a.csv"])
    ended = world.until_ended()
    assert ended.newest is not None
    assert ended.newest.name == "a.csv"
    assert "as training-data/c.csv, training-data/b.csv:" in ended.tie


def test_an_older_model_of_one_second_never_replaces_a_newer_one_and_says_why() -> None:
    world = Observed()
    names = [f"{letter}.csv" for letter in "fedcba"]
    land(world, names, names)
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
    world.app.inbox.give_back(taken, taken.manifest)
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
    land(world, ["a.csv", "b.csv"], ["b.csv", "a.csv"])
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
    land(world, ["a.csv", "b.csv"], ["b.csv", "a.csv"])
    assert any("a.csv has the same Last-Modified" in note for note in preview(world).notes)
    world.clock.move(SECOND)
    land(world, ["c.csv"], ["c.csv"])
    assert not any("has the same Last-Modified" in note for note in preview(world).notes)


@pytest.mark.parametrize("when_busy", ["parallel", "newest", "queue"])
@pytest.mark.parametrize("overwritten", [False, True])
def test_a_metadata_write_within_the_second_of_a_write_opens_no_second_run(
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
    world.blobs.touch(DATA, "a.csv")
    world.deliver("a.csv")
    world.clock.move(HOUR)
    for _ in range(30):
        world.tick()
    assert [one.phase for one in world.runs()] == [Phase.PROMOTED]


def test_a_version_whose_metadata_changed_within_its_second_is_remembered_as_itself() -> None:
    world = Observed(config={"pipeline": {"endpoints": []}})
    world.upload("a.csv", content(1))
    world.deliver("a.csv")
    world.blobs.touch(DATA, "a.csv")
    world.until_ended()
    (known,) = kept(world, "versions")
    for _ in range(45):
        world.clock.move(timedelta(days=29))
        cleaned(world)
    assert kept(world, "versions") == [known]
    world.deliver("a.csv")
    assert len(world.starts) == 1


def test_models_put_by_hand_within_a_second_replace_each_other_in_their_order_alone() -> None:
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
    land(fleet, ["a.csv", "b.csv", "c.csv"], ["c.csv", "a.csv", "b.csv"])
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
    land(world, ["a.csv"], ["a.csv"])
    world.until_ended()
    first = world.serving()
    world.upload("b.csv", content(2))
    facts = world.blobs.facts
    at = {key.rpartition("/")[2]: one for key, one in facts.items()}
    at["b.csv"].modified = at["b.csv"].created = at["a.csv"].modified
    world.deliver("b.csv")
    world.until_ended(80)
    assert world.serving() != first
    hand = world.app.endpoints
    back = hand.rollback(EndpointAddress("sample", "production"), None, OperatorCommand("ada"))
    world.until(back, Phase.PROMOTED)
    assert world.serving() == first


def test_a_due_time_and_a_request_name_the_tie_that_they_chose_from() -> None:
    data = {"blob": "{name}.csv", "opens_runs": False}
    world = Observed(config={"pipeline": {"data": data, "schedule": "0 0 * * * *"}})
    land(world, ["a.csv", "b.csv"], [])
    for _ in range(7):
        world.poll.start_scheduled()
        world.clock.move(timedelta(minutes=10))
    world.poll.start_scheduled()
    asked = world.app.requests.requested(world.pipeline, "k", ManualRequest())
    for made in (asked, next(one for one in world.runs() if one.origin is Origin.SCHEDULE)):
        assert made.newest is not None
        assert made.newest.name == "b.csv"
        assert "b.csv has the same Last-Modified" in made.tie
        assert "as training-data/a.csv:" in made.tie


def test_no_time_of_recording_is_looked_up_where_nothing_is_tied() -> None:
    world = Observed()
    for number in range(5):
        land(world, [f"{number}.csv"], [f"{number}.csv"])
        world.clock.move(SECOND)
    world.until_ended(80)
    world.calls.clear()
    world.app.requests.newest_data(world.pipeline)
    assert world.calls == []
    world.app.requests.requested(world.pipeline, "k", ManualRequest())
    assert "read versions" not in world.calls


def test_a_preview_shows_the_newest_of_more_than_it_has_room_for() -> None:
    world = Observed(config={"pipeline": {"when_busy": "queue"}})
    names = [f"{number:02}.csv" for number in range(60)]
    land(world, names, names[::-1])
    assert [match.blob.name for match in preview(world).matches] == names[:50]


def test_the_newest_of_many_is_the_first_that_is_large_enough() -> None:
    data = {"blob": "{name}.csv", "min_size": "1KB"}
    world = Observed(config={"pipeline": {"when_busy": "queue", "data": data}})
    large = [f"large{number}.csv" for number in (2, 1)]
    for name in large:
        world.upload(name, b"x" * 1024)
    for name in large:
        world.host.by += MICROSECOND
        world.deliver(name)
    world.clock.move(SECOND)
    land(world, [f"small{number}.csv" for number in range(60)], [])
    assert any(f"{large[-1]} has the same" in note for note in preview(world).notes)


def test_a_blob_that_was_recorded_under_no_event_yields_to_none_of_its_second() -> None:
    world = Observed()
    world.upload("a.csv", content(1))
    world.upload("b.csv", content(2))
    world.deliver("b.csv")  # a.csv will be recorded later: it is the newer one
    asked = world.app.requests.requested(world.pipeline, "k", ManualRequest())
    assert asked.newest is not None
    assert asked.newest.name == "a.csv"
    assert "b.csv" in asked.tie


def test_when_a_version_was_recorded_is_kept_once_it_is_known() -> None:
    bare = blob("a.csv")
    assert bare.recorded(None).recorded_at is None
    dated = bare.recorded(NOW)
    assert dated.recorded_at == NOW
    assert dated.recorded(NOW + timedelta(hours=1)).recorded_at == NOW
    assert dated.recorded(None).recorded_at == NOW


@pytest.mark.parametrize(
    ("known", "found", "kept", "noted"),
    [
        ("", "", "", ""),
        ("", "b.csv shares it", "b.csv shares it", "b.csv shares it"),
        ("a.csv shares it", "", "a.csv shares it", ""),
        ("a.csv shares it", "b.csv shares it", "a.csv shares it", "b.csv shares it"),
        ("a.csv shares it", "a.csv shares it", "a.csv shares it", ""),
    ],
)
def test_the_first_tie_that_a_run_knows_of_stays_and_another_is_noted(
    known: str, found: str, kept: str, noted: str
) -> None:
    before = run(Phase.PROMOTING, promotion=None, tie=known)
    after = apply(before, EndpointLeased(promotion(sent_at=None), found), NOW)
    assert after.tie == kept
    notes = [entry.note for entry in after.history[len(before.history) :]]
    assert notes == ([noted] if noted else [])
