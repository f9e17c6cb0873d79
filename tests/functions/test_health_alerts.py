"""The poll raises an alert for each reason why health is not ok, at most once in an interval."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from functools import cache
from threading import Barrier, BrokenBarrierError

import pytest
from azure.functions.timer import TimerRequest

from functions import process
from functions.poll_jobs import poll_jobs
from shared.app import Unusable
from shared.config.settings import Problem
from shared.errors import TransientError
from tests.fakes.world import MODELS, World
from tests.functions.calls import Api
from tests.functions.conftest import Serve, app_over
from tests.unit.log_reader import parse

PROBLEM = Problem("pipelines.sample", "is wrong")
TEN_MINUTES = timedelta(minutes=10)


def alerts(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the text of each alert about health so far, and forget them."""
    read = [parse(one) for one in caplog.messages if one.startswith("[RL1010 health]")]
    caplog.clear()
    for one in read:
        assert one is not None
        assert {one[part] for part in ("run", "pipeline", "key", "phase")} == {"-"}
    return [one["text"] for one in read if one]


def poll(world: World, minutes: int = 0) -> None:
    world.clock.move(timedelta(minutes=minutes))
    poll_jobs(TimerRequest(past_due=False))


@pytest.mark.usefixtures("api")
def test_while_health_is_ok_nothing_is_raised(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        poll(world)
    assert alerts(caplog) == []


def test_what_health_lists_is_raised_every_ten_minutes(
    world: World, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    serve(app_over(world, PROBLEM))
    world.blobs.missing = {MODELS}
    for _ in range(5):
        poll(world, 1)
    said = alerts(caplog)
    assert [text.partition(":")[0] for text in said] == ["configuration", "storage"]
    listed = Api().health_details().body["problems"]
    assert all(any(problem in text for problem in listed) for text in said)
    world.blobs.missing = set()
    poll(world, 4)
    assert alerts(caplog) == []
    poll(world, 2)
    assert [text.partition(":")[0] for text in alerts(caplog)] == ["configuration"]


@pytest.mark.usefixtures("api")
def test_a_timer_that_fell_silent_is_raised_by_the_other_one(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(4):
        poll(world, 10)
    assert any("start_scheduled_runs: no tick since" in text for text in alerts(caplog))


@pytest.mark.usefixtures("api")
def test_storage_that_refuses_the_tick_is_raised(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise TransientError("the storage does not answer")

    for call in ("read", "listing"):
        monkeypatch.setattr(world.documents, call, refuse)
    with pytest.raises(TransientError):
        poll(world)
    (text,) = alerts(caplog)
    assert text.startswith("storage: the storage does not answer")


def test_many_problems_are_few_lines(
    world: World, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    serve(app_over(world, *(Problem(f"pipelines.p{at}", "is wrong") for at in range(50))))
    poll(world)
    said = alerts(caplog)
    assert len(said) == 20
    assert "(and 30 problems more)" in said[0]


def test_wrong_settings_of_the_whole_app_are_raised_by_its_timers(
    world: World, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    serve(Unusable((PROBLEM,)))
    process._UNUSABLE_LOGGED.__dict__["_logged"].clear()
    for _ in range(3):
        poll(world)
    (text,) = alerts(caplog)
    assert text.startswith("poll_jobs: nothing is done, since a setting is wrong: ")


def test_each_wrong_setting_is_raised_when_the_process_starts(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(os, "environ", {"PIPELINES_FILE": "missing.yaml"})
    built = process._of_this_process.__wrapped__()
    assert isinstance(built, Unusable)
    said = alerts(caplog)
    assert said == [f"wrong setting: {problem}" for problem in built.problems]
    assert any("TRAINING_DATA_CONTAINER" in text for text in said)


def test_the_first_invocations_of_a_process_share_one_app(monkeypatch: pytest.MonkeyPatch) -> None:
    built, together = list[Unusable](), Barrier(2)

    def build(*_: object) -> Unusable:
        built.append(Unusable(()))
        with suppress(BrokenBarrierError):  # where nobody else builds
            together.wait(timeout=0.2)
        return built[-1]

    monkeypatch.setattr(process, "of_settings", build)
    monkeypatch.setattr(process, "_of_this_process", cache(process._of_this_process.__wrapped__))
    with ThreadPoolExecutor(2) as pool:
        used = list(pool.map(lambda _: process.app_or_problems(), range(2)))
    assert used == built * 2
