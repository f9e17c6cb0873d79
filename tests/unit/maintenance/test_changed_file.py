"""A pipelines file that is changed while the app runs is used within a tick."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from shared.core.run.record import Phase
from shared.errors import TransientError
from tests.unit.intake.spoilt_files import gone, no_probe, no_setting, no_yaml, typo
from tests.unit.maintenance.live_files import Change, Live, attempts, taken


@pytest.fixture
def world(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Live:
    caplog.set_level("INFO", "relearn")
    made = Live(folder=tmp_path)
    made.tick()
    made.search.run_until(made.poll.until())
    return made


def test_a_sound_change_is_used_at_the_next_tick(world: Live) -> None:
    world.change(attempts(3))
    assert taken(world) == {"sample": 1, "other": 1}
    world.tick()
    assert taken(world) == {"sample": 3, "other": 3}
    world.upload("new-1.csv")
    assert world.deliver("new-1.csv")[0].config.training.attempts == 3


def test_an_unchanged_file_costs_a_check_of_its_time_and_no_reading(
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


def test_a_file_that_is_written_again_with_the_same_content_is_not_taken_for_changed(
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


def test_a_broken_change_continues_with_what_the_process_knows_while_the_ledger_is_away(
    world: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> Any:
        raise TransientError("not now")

    with monkeypatch.context() as patch:
        patch.setattr(type(world.documents), "read", away)
        world.change(typo)
        assert not world.changed_file.check()
        assert "sample" in world.app.catalogue.pipelines
    world.tick()
    assert "continues with its last good configuration" in str(world.app.last_good.notes())


def test_a_change_that_was_never_stored_is_known_when_the_next_one_is_broken(
    world: Live,
) -> None:
    for name in ("sample", "other"):
        del world.documents.rows[f"configurations/{name}"]
    world.change(typo)
    world.tick()
    assert "sample" in world.app.catalogue.pipelines
    assert "configurations/sample" in world.documents.rows


def test_a_corrected_pipeline_takes_the_new_configuration_and_says_no_more(world: Live) -> None:
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
