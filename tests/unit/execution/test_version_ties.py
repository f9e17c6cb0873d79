"""Versions that share a Last-Modified: what is shown, recorded and chosen."""

from datetime import timedelta

import pytest

from shared.core.run.machine import apply
from shared.core.run.manual_request import ManualRequest
from shared.core.run.promotion_events import EndpointLeased
from shared.core.run.record import Origin, Phase
from tests.unit.core.test_versions import MICROSECOND, SECOND
from tests.unit.execution.second_worlds import arrive, content, preview
from tests.unit.samples import NOW, blob, promotion, run
from tests.unit.worlds import Observed


def test_a_due_time_and_a_request_name_the_tie_that_they_chose_from() -> None:
    data = {"blob": "{name}.csv", "opens_runs": False}
    world = Observed(config={"pipeline": {"data": data, "schedule": "0 0 * * * *"}})
    arrive(world, ["a.csv", "b.csv"], [])
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
        arrive(world, [f"{number}.csv"], [f"{number}.csv"])
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
    arrive(world, names, names[::-1])
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
    arrive(world, [f"small{number}.csv" for number in range(60)], [])
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
