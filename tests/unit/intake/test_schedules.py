"""Pipelines with a schedule are checked in turn, and the ledger keeps which one is next."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.core.config.pipeline import Pipeline
from shared.errors import TransientError
from shared.intake.due_times import DueTimesResult
from shared.intake.schedules import Schedules
from shared.ledger.progress import Rotation
from tests.unit.intake.test_due_times import HOURLY
from tests.unit.worlds import Observed

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


class ScheduledPipelines:
    """Pipelines a, b and c, of which each call opens one run and takes a second."""

    def __init__(self, each: int = 1) -> None:
        self.world = Observed()
        siblings = [self.world.sibling(name=name, schedule=HOURLY) for name in "cab"]
        self.world.app = self.world.another(*siblings)
        self.world.app.activations.refresh()
        self.left = dict.fromkeys("abc", each)
        self.started: list[str] = []
        self.lists: list[int] = []
        context = self.world.context
        app = self.world.app
        self.schedules = Schedules(context, app.catalogue, app.activations, self)  # type: ignore[arg-type]

    def start(
        self, pipeline: Pipeline, since: datetime | None, until: datetime, listed: Any
    ) -> DueTimesResult:
        assert since == self.world.app.activations.scheduled_since(pipeline.name)
        assert until > self.world.clock.now()
        self.lists.append(id(listed))
        self.started.append(pipeline.name)
        self.world.clock.move(SECOND)
        self.left[pipeline.name] -= 1
        return DueTimesResult((f"{pipeline.name}-1",), more=self.left[pipeline.name] > 0)

    def open(self, seconds: int = 60) -> list[str]:
        return self.schedules.open_due(self.world.clock.now() + timedelta(seconds=seconds))

    @property
    def first(self) -> str | None:
        stored = self.world.context.ledger.rotation.read()
        return stored.record.first if stored else None


def test_pipelines_are_served_in_turn_by_name_until_none_has_more_to_open() -> None:
    case = ScheduledPipelines(each=2)
    assert case.open() == ["a-1", "b-1", "c-1", "a-1", "b-1", "c-1"]
    assert case.first is None  # nothing is to be kept
    assert len(set(case.lists)) == 1  # what was listed is known to all rounds of a call


def test_where_time_runs_out_the_next_call_continues_there() -> None:
    case = ScheduledPipelines(each=9)
    case.open(2)
    assert (case.started, case.first) == (["a", "b"], "c")
    case.open(2)
    assert (case.started, case.first) == (["a", "b", "c", "a"], "b")
    case.left = dict.fromkeys("abc", 1)
    case.open()
    assert (case.started[4:], case.first) == (["b", "c", "a"], "")


def test_the_pipeline_that_was_next_may_be_gone() -> None:
    case = ScheduledPipelines()
    case.world.context.ledger.rotation.put(Rotation(first="bb"), None)
    case.open()
    assert case.started == ["c", "a", "b"]
    case.started.clear()
    stored = case.world.context.ledger.rotation.read()
    assert stored is not None
    case.world.context.ledger.rotation.put(Rotation(first="zz"), stored.etag)
    case.open()
    assert case.started == ["a", "b", "c"]


def test_without_a_schedule_nothing_is_read() -> None:
    world = Observed()
    world.app.activations.refresh()
    world.calls.clear()
    catalogue, activations = world.app.catalogue, world.app.activations
    schedules = Schedules(world.context, catalogue, activations, ScheduledPipelines())  # type: ignore[arg-type]
    assert schedules.open_due(world.clock.now() + MINUTE) == []
    assert "read rotation" not in world.calls


def test_a_record_that_only_says_who_is_first_stops_nothing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = ScheduledPipelines()
    case.world.damage("rotation")
    assert case.open() == ["a-1", "b-1", "c-1"]
    assert "rotation is not understood" in caplog.text
    case = ScheduledPipelines(each=9)

    def fails(*_: object) -> None:
        raise TransientError("busy")

    monkeypatch.setattr(case.world.context.ledger.rotation, "read", fails)
    monkeypatch.setattr(case.world.context.ledger.rotation, "put", fails)
    assert case.open(1) == ["a-1"]
    assert "the pipeline whose due times come first cannot be read: busy" in caplog.text
    assert "the pipeline whose due times come first cannot be stored: busy" in caplog.text


def test_one_schedule_that_must_wait_stops_no_other(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = ScheduledPipelines()
    since = case.world.app.activations.scheduled_since

    def fails(name: str) -> datetime | None:
        if name == "a" and len(case.started) == 0:
            raise TransientError("busy")
        return since(name)

    monkeypatch.setattr(case.world.app.activations, "scheduled_since", fails)
    assert case.open() == ["b-1", "c-1"]
    assert "pipeline a: its schedule must wait: busy" in caplog.text
