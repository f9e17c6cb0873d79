"""Last good configurations: unreadable records, failed writes, and hosts with other files."""

from datetime import timedelta
from pathlib import Path

import pytest

from shared.config.settings import Problem
from shared.core.config.configuration import Configuration
from shared.core.run.record import Origin, Phase
from shared.errors import ConfigError, PipelineConfigError, TransientError
from tests.fakes.faults import Crash, Kind
from tests.unit.filed import Filed
from tests.unit.intake.spoilt_files import NAMES, by_pipeline, no_yaml, typo
from tests.unit.worlds import Observed

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def test_a_stored_configuration_that_is_not_understood_skips_that_pipeline_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = Filed(folder=tmp_path)
    world.damage("configurations/sample")
    no_yaml(world)
    assert world.pipelines().names() == ["other"]
    assert "configurations/sample is not understood" in caplog.text
    assert world.train("other", 1).phase is Phase.PROMOTED
    with pytest.raises(ConfigError, match="is not plain YAML"):
        world.pipelines().status("sample")


def test_a_stored_configuration_of_another_pipeline_replaces_no_other(tmp_path: Path) -> None:
    world = Filed(folder=tmp_path)
    world.documents.rows["configurations/sample"] = world.documents.rows["configurations/other"]
    typo(world)
    assert world.pipelines().names() == ["other"]
    assert world.pipelines().status("other").pipeline.training.attempts == 3


def test_a_damaged_record_of_a_sound_pipeline_is_left_alone_and_stops_nothing(
    tmp_path: Path,
) -> None:
    world = Filed(folder=tmp_path, parts={"schedule": "0 0 * * * *"})
    world.damage("configurations/sample", b"{}")
    before = world.documents.rows["configurations/sample"]
    world.tree["pipelines"]["sample"]["training"]["attempts"] = 4
    world.write()
    assert world.documents.rows["configurations/sample"] == before
    world.upload("new-1.csv")
    world.clock.move(30 * MINUTE)
    world.poll.start_scheduled()
    for _ in range(6):
        world.clock.move(10 * MINUTE)
        world.poll.start_scheduled()
    assert len(by_pipeline(world, "sample", Origin.SCHEDULE)) == 1


def test_while_the_ledger_cannot_be_read_nobody_learns_that_there_is_no_such_pipeline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = Filed(folder=tmp_path)
    typo(world)
    world.restart()
    with monkeypatch.context() as patched:
        read = world.documents.read

        def refuse(name: str) -> object:
            if name.startswith("configurations/"):
                raise TransientError("the storage account is busy")
            return read(name)

        patched.setattr(world.documents, "read", refuse)
        world.upload("new-1.csv")
        with pytest.raises(TransientError):  # so that the host delivers it again
            world.deliver("new-1.csv")
        with pytest.raises(TransientError):
            world.pipelines().status("sample")
        assert world.train("other", 1).phase is Phase.PROMOTED
    (run,) = world.deliver("new-1.csv")
    assert world.until_idle(run).phase is Phase.PROMOTED


def test_one_record_that_cannot_be_read_now_keeps_no_other_pipeline_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = Filed(folder=tmp_path)
    no_yaml(world)
    world.restart()
    read = world.documents.read

    def refuse(name: str) -> object:
        if name == "configurations/other":
            raise TransientError("the storage account is busy")
        return read(name)

    monkeypatch.setattr(world.documents, "read", refuse)
    for _ in range(2):
        world.app.last_good.load()
    assert world.pipelines().names() == ["sample"]


@pytest.mark.parametrize("kind", [Kind.CRASH_BEFORE, Kind.CRASH_AFTER, Kind.LOST, Kind.REFUSED])
def test_a_configuration_is_stored_after_any_fault(kind: Kind) -> None:
    for call in range(3):
        world = Observed()
        world.app.activations.refresh()
        world.pipeline = world.pipeline.model_copy(update={"pause_after": 3})
        world.restart()
        world.faults.plan = {len(world.faults.sites) + call: kind}
        for _ in range(2):
            try:
                world.app.activations.refresh()
            except (Crash, TransientError):
                world.restart()
        kept = world.context.ledger.configurations.read("sample")
        assert kept is not None
        assert kept.record.pipeline == world.pipeline


def test_a_configuration_costs_one_listing_and_is_written_once_for_each_change() -> None:
    world = Observed()

    def cost() -> list[str]:
        world.calls.clear()
        for _ in range(3):
            world.app.activations.refresh()
        return [call for call in world.calls if call.endswith("configurations")]

    assert cost() == ["list configurations", "read configurations", "create configurations"]
    assert cost() == []
    world.restart()
    assert cost() == ["list configurations"]
    world.pipeline = world.pipeline.model_copy(update={"pause_after": 3})
    world.restart()
    assert cost() == ["list configurations", "read configurations", "replace configurations"]


def test_two_versions_of_the_app_side_by_side_write_theirs_once() -> None:
    world = Observed()
    world.app.activations.refresh()
    other = world.pipeline.model_copy(update={"pause_after": 3})
    new = world.another(other)
    new.activations.refresh()
    world.calls.clear()
    for _ in range(5):
        world.app.activations.refresh()
        new.activations.refresh()
    assert not [call for call in world.calls if call.endswith("configurations")]


def test_a_pipeline_with_an_error_costs_one_read_for_each_process(tmp_path: Path) -> None:
    world = Filed(folder=tmp_path)
    typo(world)
    world.restart()
    world.calls.clear()
    for _ in range(3):
        world.app.last_good.load()
    assert world.calls == ["read configurations"]


def test_no_configuration_is_written_or_removed_for_a_file_that_is_not_yaml(
    tmp_path: Path,
) -> None:
    world = Filed(folder=tmp_path)
    kept = {n: r for n, r in world.documents.rows.items() if n.startswith("configurations/")}
    no_yaml(world)
    assert len(kept) == 2
    assert {n: world.documents.rows[n] for n in kept} == kept


def test_an_unreadable_file_with_an_empty_ledger_is_reported_as_such() -> None:
    world = Observed()
    world.file = Configuration.unreadable(Problem("pipelines.yaml", "is not plain YAML"))
    world.restart()
    world.app.activations.refresh()
    with pytest.raises(PipelineConfigError, match="is not plain YAML"):
        world.app.catalogue.pipeline("sample")
    assert "no earlier configuration" in str(world.app.last_good.notes()[0])


@pytest.mark.parametrize("of_old", ["removes", "never knew"])
def test_a_host_with_an_older_file_takes_nothing_from_those_with_the_newer_one(
    of_old: str, tmp_path: Path
) -> None:
    """Two versions of the app side by side: each starts anew while the other is there."""
    world = Filed(folder=tmp_path)
    text = world.path.read_text()
    newer = world.app
    if of_old == "removes":  # and the newer file has a mistake in that pipeline
        typo(world)
        newer = world.app
    world.write(text.partition("  other:")[0] if of_old != "removes" else only_other(text))
    missing = "sample" if of_old == "removes" else "other"
    assert f"configurations/{missing}" not in world.documents.rows
    for _ in range(12):
        world.clock.move(MINUTE)
        newer.poll.tick()
    assert f"configurations/{missing}" in world.documents.rows
    world.write(text)
    world.tree["pipelines"][missing]["whenbusy"] = 1
    world.write()
    assert sorted(world.pipelines().names()) == sorted(NAMES)


def only_other(text: str) -> str:
    return "pipelines:\n" + "  other:" + text.partition("  other:")[2]
