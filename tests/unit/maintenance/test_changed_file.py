"""A pipelines file that is changed while the app runs is used without a restart."""

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.config import loader
from shared.config.loader import load_pipelines
from shared.core.config.pipeline import Pipeline
from shared.core.run.record import Phase, Run
from shared.errors import TransientError
from shared.maintenance.changed_file import ChangedFile, ConfigurationReader
from shared.maintenance.watched_files import WatchedFiles
from tests.fakes.faults import Kind
from tests.fakes.world import MODELS
from tests.unit.filed import Filed
from tests.unit.intake.test_last_good import gone, no_probe, no_setting, no_yaml, typo

SECOND, MINUTE, HOUR, DAY = (timedelta(**{n: 1}) for n in ("seconds", "minutes", "hours", "days"))
Change = Callable[["Live"], None]


@dataclass
class Live(Filed):
    """A process that goes on running while the file is written."""

    live: bool = field(default=False, kw_only=True)
    learned: list[str] = field(default_factory=list, kw_only=True)

    def write(self, text: str | None = None) -> None:
        """Write the file; the app runs on, and is not told."""
        self.path.write_text(text or yaml.safe_dump(self.tree, sort_keys=False))
        if not self.live:
            self.restart()
            self.app.activations.refresh()
            self.live = True

    def restart(self) -> None:
        if not hasattr(self, "tree"):
            return super().restart()
        if self.live and self.__dict__.get("changed_file") is not None and self._in_change():
            return None
        source = ConfigurationReader(self.path, self.read, self.learn)
        watched = WatchedFiles()
        self.file = source.read_watched(watched)
        super(Filed, self).restart()
        self.sweep = self.app.search
        self.changed_file = ChangedFile(
            self.context,
            source,
            self.app.last_good,
            self.app.activations,
            self.sweep,
            watched=watched,
            host=self.host,
            started_at=self.host.now(),
        )
        return None

    def _in_change(self) -> bool:
        return bool(self.__dict__.get("changing"))

    def read(self) -> loader.Configuration:
        return load_pipelines(self.path, self.environment, development=False)

    def learn(self, pipelines: Iterable[Pipeline]) -> None:
        self.learned += [one.name for one in pipelines]

    def change(self, do: Change) -> None:
        """Have somebody change the file, or what it names, while the app runs."""
        self.changing = True
        do(self)
        self.changing = False
        at = self.clock.now().timestamp()
        for file in (self.path, self.folder / "probe.json"):
            if file.exists():
                os.utime(file, (at, at))

    def tick(self, seconds: int = 30) -> None:
        """Do what the timer does: look at the file, search where that is wanted, and poll."""
        self.clock.move(timedelta(seconds=seconds))
        self.studio.work()
        if self.changed_file.look():
            self.sweep.run_until(self.poll.until())
        self.poll.tick()

    def runs_of(self, pipeline: str) -> list[Run]:
        return [run for run in self.runs() if run.pipeline == pipeline]


@pytest.fixture
def world(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Live:
    caplog.set_level("INFO", "relearn")
    made = Live(folder=tmp_path)
    made.tick()
    made.sweep.run_until(made.poll.until())
    return made


def attempts(count: int) -> Change:
    def change(world: Live) -> None:
        for one in world.tree["pipelines"].values():
            one["training"]["attempts"] = count
        world.write()

    return change


def third(world: Live) -> None:
    other = json.loads(json.dumps(world.tree["pipelines"]["other"]))
    other["data"]["blob"] = "third-{name}.csv"
    other.pop("endpoints")
    world.tree["pipelines"]["third"] = other
    world.write()


def taken(world: Live) -> dict[str, int]:
    return {n: one.training.attempts for n, one in world.app.catalogue.pipelines.items()}


# What is used


def test_a_sound_change_is_used_at_the_next_tick(world: Live) -> None:
    world.change(attempts(3))
    assert taken(world) == {"sample": 1, "other": 1}
    world.tick()
    assert taken(world) == {"sample": 3, "other": 3}
    world.upload("new-1.csv")
    assert world.deliver("new-1.csv")[0].config.training.attempts == 3


def test_an_unchanged_file_costs_a_look_at_its_time_and_no_reading(
    world: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in (world.path, world.folder / "probe.json"):
        os.utime(file, (1_700_000_000, 1_700_000_000))
    world.tick()

    def never(*_: Any, **__: Any) -> Any:
        pytest.fail("the file was read")

    monkeypatch.setattr(Path, "open", never)
    monkeypatch.setattr(Live, "read", never)
    for _ in range(10):
        world.tick()


def test_a_file_that_is_written_anew_with_the_same_content_is_not_taken_for_changed(
    world: Live,
) -> None:
    before = world.app.last_good.file
    world.change(lambda world: world.write(world.path.read_text()))
    os.utime(world.path, (1_800_000_000, 1_800_000_000))
    world.tick()
    assert world.app.last_good.file is before


def test_a_change_of_the_same_size_in_the_same_moment_is_seen(world: Live) -> None:
    found = world.path.stat()
    text = world.path.read_text()
    world.path.write_text(text.replace("new-{name}", "old-{name}", 1))
    os.utime(world.path, ns=(found.st_atime_ns, found.st_mtime_ns))
    world.tick()
    (data,) = [world.app.catalogue.pipelines["sample"].data]
    assert data is not None
    assert data.blob == "old-{name}.csv"


def test_a_change_of_a_file_that_it_names_counts_as_one_of_its_own(world: Live) -> None:
    rows = {"Inputs": {"input1": {"ColumnNames": ["a", "b"], "Values": [["7", "8"]]}}}

    def other_rows(world: Live) -> None:
        (world.folder / "probe.json").write_text(json.dumps(rows))

    world.change(other_rows)
    world.tick()
    for one in world.app.catalogue.pipelines.values():
        assert one.endpoint is not None
        assert one.endpoint.verify is not None
        assert one.endpoint.verify.rows == rows


@pytest.mark.parametrize(
    "spoil", [typo, no_setting, no_probe, no_yaml, gone], ids=lambda one: one.__name__
)
def test_a_broken_change_stops_nothing_and_names_what_is_wrong(
    world: Live, spoil: Change, caplog: pytest.LogCaptureFixture
) -> None:
    before = world.app.catalogue.pipelines["sample"]
    world.change(spoil)
    world.tick()
    assert world.app.catalogue.pipelines["sample"] == before
    assert "wrong in the changed file: pipelines.yaml" in caplog.text
    assert world.train("sample", 1).phase is Phase.PROMOTED
    assert not [one for one in caplog.records if one.exc_info]


def test_the_sound_pipelines_of_a_broken_change_take_the_new_one(world: Live) -> None:
    world.change(typo)
    world.tick()
    assert taken(world) == {"sample": 1, "other": 3}


def test_a_broken_change_goes_on_by_what_the_process_knows_while_the_ledger_is_away(
    world: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> Any:
        raise TransientError("not now")

    with monkeypatch.context() as patch:
        patch.setattr(type(world.documents), "read", away)
        world.change(typo)
        assert not world.changed_file.look()
        assert "sample" in world.app.catalogue.pipelines
    world.tick()
    assert "goes on by its last good configuration" in str(world.app.last_good.notes())


def test_a_change_that_was_never_stored_is_known_when_the_next_one_is_broken(
    world: Live,
) -> None:
    for name in ("sample", "other"):
        del world.documents.rows[f"configurations/{name}"]
    world.change(typo)
    world.tick()
    assert "sample" in world.app.catalogue.pipelines
    assert "configurations/sample" in world.documents.rows


def test_a_mended_pipeline_takes_the_new_configuration_and_says_no_more(world: Live) -> None:
    world.change(typo)
    world.tick()

    def mend(world: Live) -> None:
        del world.tree["pipelines"]["sample"]["endpoints"][0]["resorce"]
        world.tree["pipelines"]["sample"]["training"]["attempts"] = 5
        world.write()

    world.change(mend)
    world.tick()
    assert taken(world)["sample"] == 5
    assert world.app.last_good.notes() == ()
    assert world.app.last_good.file.problems == ()


def test_a_pipeline_that_is_taken_out_is_removed_and_its_last_good_one_too(world: Live) -> None:
    def take_out(world: Live) -> None:
        del world.tree["pipelines"]["other"]
        world.write()

    world.change(take_out)
    world.tick()
    assert list(world.app.catalogue.pipelines) == ["sample"]
    assert "configurations/other" not in world.documents.rows


def test_the_secrets_of_a_changed_file_are_known_before_it_is_used(world: Live) -> None:
    world.change(attempts(2))
    world.tick()
    assert world.learned == ["sample", "other"]


# What came meanwhile


@pytest.mark.parametrize("spoil", [typo, no_yaml], ids=lambda one: one.__name__)
def test_what_landed_while_a_new_pipeline_had_an_error_is_found_in_the_tick_of_the_cure(
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
        world.sweep.run_until(world.poll.until())  # a search in between finds nobody that wants it
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


def test_data_from_before_a_change_is_no_news_to_a_pipeline_that_is_new_in_it(
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


def test_a_model_put_by_hand_for_a_pipeline_in_error_waits_and_fails_no_event(
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
def test_whatever_goes_wrong_at_the_notice_what_came_meanwhile_is_found(
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
    assert world.changed_file.look()
    world.app.activations.refresh()  # and then this process dies
    world.restart()
    world.sweep.run_until(world.poll.until())
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
    assert "third" not in world.app.catalogue.pipelines  # it was looked at a moment ago
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


# The files by themselves


def test_whatever_lies_at_the_name_is_looked_at_without_failing(tmp_path: Path) -> None:
    watched = WatchedFiles()
    file, other = tmp_path / "a", tmp_path / "b"
    watched.remember([file, other])
    assert not watched.changed()
    file.mkdir()
    assert not watched.changed()
    file.rmdir()
    file.write_text("x")
    assert watched.changed()
    watched.remember([file])
    file.unlink()
    file.symlink_to("/dev/zero")
    assert watched.changed()
    watched.remember([file, tmp_path / ("n" * 300)])
    assert not watched.changed()


def test_content_moved_from_one_file_to_the_other_is_a_change(tmp_path: Path) -> None:
    watched = WatchedFiles()
    file, other = tmp_path / "a", tmp_path / "b"
    file.write_text("xy")
    other.write_text("z")
    watched.remember([file, other])
    file.write_text("x")
    other.write_text("yz")
    assert watched.changed()


def test_a_file_that_cannot_be_read_for_a_while_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = WatchedFiles()
    file = tmp_path / "a"
    file.write_text("x")

    def fails(*_: Any, **__: Any) -> Any:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", fails)
        os.utime(file, (1_700_000_000, 1_700_000_000))
        watched.remember([file])
        assert not watched.changed()
    assert watched.changed()  # though its time and its size are as they were


def test_a_change_that_could_not_be_read_at_first_is_used_once_it_can(
    world: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.change(attempts(3))
    whole = Path.open

    def fails(path: Path, *given: Any, **named: Any) -> Any:
        if path == world.path:
            raise OSError(5, "Input/output error")
        return whole(path, *given, **named)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", fails)
        os.utime(world.path, (1_700_000_000, 1_700_000_000))
        world.tick()
    assert taken(world) == {"sample": 1, "other": 1}
    assert not world.app.last_good.file.readable
    world.tick()
    assert taken(world) == {"sample": 3, "other": 3}
