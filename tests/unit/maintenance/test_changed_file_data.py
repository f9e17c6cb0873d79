"""Data that arrived, and due times that came, while the pipelines file was changed."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.faults import Kind
from tests.fakes.world import MODELS
from tests.unit.intake.spoilt_files import no_yaml, typo
from tests.unit.maintenance.live_files import Change, Live

SECOND, MINUTE, HOUR, DAY = (timedelta(**{n: 1}) for n in ("seconds", "minutes", "hours", "days"))


@pytest.fixture
def world(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Live:
    caplog.set_level("INFO", "relearn")
    made = Live(folder=tmp_path)
    made.tick()
    made.search.run_until(made.poll.until())
    return made


def third(world: Live) -> None:
    other = json.loads(json.dumps(world.tree["pipelines"]["other"]))
    other["data"]["blob"] = "third-{name}.csv"
    other.pop("endpoints")
    world.tree["pipelines"]["third"] = other
    world.write()


# What came meanwhile


@pytest.mark.parametrize("spoil", [typo, no_yaml], ids=lambda one: one.__name__)
def test_data_that_arrived_while_a_new_pipeline_had_an_error_is_found_in_the_tick_of_the_advice(
    world: Live, spoil: Change, caplog: pytest.LogCaptureFixture
) -> None:
    sound: dict[str, Any] = {}

    def add_broken(world: Live) -> None:
        third(world)
        sound.update(json.loads(json.dumps(world.tree)))
        world.tree["pipelines"]["third"]["triaining"] = {}
        world.write(None if spoil is typo else "pipelines: {")

    world.change(add_broken)
    world.tick()
    for number in range(3):
        world.clock.move(HOUR)
        world.upload(f"third-{number}.csv")
        assert world.deliver(f"third-{number}.csv") == []
        world.search.run_until(world.poll.until())  # no pipeline wants it yet
    assert "will be found within 2 minutes of that" in caplog.text
    world.clock.move(HOUR)
    world.tree = sound
    world.change(lambda world: world.write())
    world.tick()
    assert len(world.runs_of("third")) == 3


def test_it_is_found_too_where_nothing_was_searched_before(tmp_path: Path) -> None:
    world = Live(folder=tmp_path)
    world.tick()
    world.change(third)
    world.clock.move(10 * SECOND)
    world.upload("third-1.csv")
    world.deliver("third-1.csv")
    world.tick(10)
    assert len(world.runs_of("third")) == 1


def test_data_of_the_moments_between_a_change_and_its_notice_is_found(world: Live) -> None:
    world.clock.move(DAY)
    world.tick()
    world.change(third)
    world.clock.move(10 * SECOND)
    world.upload("third-1.csv")
    assert world.deliver("third-1.csv") == []
    world.tick(10)
    assert len(world.runs_of("third")) == 1


def test_data_from_before_a_change_is_not_eligible_for_a_pipeline_that_is_new_in_it(
    world: Live,
) -> None:
    world.upload("third-1.csv")
    world.deliver("third-1.csv")
    for _ in range(3):
        world.clock.move(HOUR)
        world.tick()
    world.change(third)
    world.tick()
    world.tick()
    assert world.runs_of("third") == []


def test_an_operators_model_for_a_pipeline_in_error_waits_and_fails_no_event(
    world: Live, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(world: Live) -> None:
        world.tree["pipelines"]["third"] = {"data": {"blob": "third-{name}.csv"}}
        world.write()

    world.change(broken)
    world.tick()
    model = world.blobs.store.contents
    world.upload("new-0.csv")
    world.until_idle(world.deliver("new-0.csv")[0])
    trained = next(body for name, body in model.items() if name.endswith("model.ilearner"))
    world.blobs.put(MODELS, "promote/third/x.ilearner", trained)
    assert world.app.model_events.model_arrived("promote/third/x.ilearner") is None
    assert "will be found within" in caplog.text

    def mend(world: Live) -> None:
        endpoint = world.tree["pipelines"]["other"]["endpoints"]
        third(world)
        world.tree["pipelines"]["third"]["endpoints"] = json.loads(json.dumps(endpoint))
        world.write()

    world.clock.move(HOUR)
    world.change(mend)
    world.tick()
    world.tick()
    assert [run.origin for run in world.runs_of("third")] == ["model"]


@pytest.mark.parametrize("kind", [Kind.REFUSED, Kind.LOST, Kind.CRASH_BEFORE, Kind.CRASH_AFTER])
def test_data_that_came_meanwhile_is_found_if_noticing_the_change_fails(
    world: Live, kind: Kind
) -> None:
    world.clock.move(DAY)
    world.tick()
    world.change(third)
    world.clock.move(10 * SECOND)
    world.upload("third-1.csv")
    world.deliver("third-1.csv")
    world.faults.plan = {len(world.faults.sites) + at: kind for at in (0, 1)}
    world.survive(lambda: world.tick(10))
    world.faults.plan = {}
    for _ in range(4):
        world.survive(world.tick)
    if kind in (Kind.CRASH_BEFORE, Kind.CRASH_AFTER):
        return  # the next process meets the file for the first time
    assert len(world.runs_of("third")) == 1


def test_another_process_that_searches_goes_back_for_it_too(world: Live) -> None:
    world.clock.move(DAY)
    world.tick()
    world.change(third)
    world.clock.move(10 * SECOND)
    world.upload("third-1.csv")
    world.deliver("third-1.csv")
    assert world.changed_file.check()
    world.app.activations.refresh()  # and then this process dies
    world.restart()
    world.search.run_until(world.poll.until())
    world.poll.tick()
    assert len(world.runs_of("third")) == 1


def test_a_change_that_a_request_noticed_is_searched_for_by_the_next_tick(
    world: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.clock.move(DAY)
    world.tick()
    world.change(third)
    world.clock.move(10 * SECOND)
    world.upload("third-1.csv")
    world.deliver("third-1.csv")
    world.changed_file.check_sometimes()
    assert "third" not in world.app.catalogue.pipelines  # it was checked a moment ago
    monkeypatch.setattr("shared.maintenance.changed_file._SELDOM", 0)
    world.changed_file.check_sometimes()
    assert "third" in world.app.catalogue.pipelines
    world.tick(10)
    assert len(world.runs_of("third")) == 1


def test_anonymous_health_uses_a_changed_file_and_leaves_the_ledger_to_the_next_tick(
    world: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.clock.move(DAY)
    world.tick()
    world.change(third)
    world.clock.move(10 * SECOND)
    world.upload("third-1.csv")
    monkeypatch.setattr("shared.maintenance.changed_file._SELDOM", 0)
    before = dict(world.documents.rows)
    calls = len(world.calls)
    world.changed_file.check_sometimes(read_only=True)
    assert "third" in world.app.catalogue.pipelines
    assert (world.documents.rows, world.calls[calls:]) == (before, [])
    world.tick(10)
    assert len(world.runs_of("third")) == 1


# Schedules


def test_a_schedule_that_is_changed_counts_from_the_change(world: Live) -> None:
    def hourly(world: Live) -> None:
        world.tree["pipelines"]["sample"]["schedule"] = "0 0 * * * *"
        world.write()

    for _ in range(5):
        world.clock.move(HOUR)
        world.tick()
    world.upload("new-1.csv")
    world.until_idle(world.deliver("new-1.csv")[0])
    world.change(hourly)
    world.tick()
    world.poll.start_scheduled()
    assert len(world.runs_of("sample")) == 1  # no due time of the five hours before
    world.clock.move(HOUR)
    world.poll.start_scheduled()
    assert len(world.runs_of("sample")) == 2
