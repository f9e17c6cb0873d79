"""A mistake in the pipelines file stops nothing: what was good before goes on."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from shared.config.settings import Problem
from shared.core.config.configuration import Configuration
from shared.core.run.record import Origin, Phase, Run
from shared.errors import ConfigError, PipelineConfigError, TransientError
from shared.intake.rollbacks import EndpointAddress
from shared.operations.commands import OperatorCommand
from tests.fakes.faults import Crash, Kind
from tests.fakes.world import MODELS
from tests.unit.filed import Filed
from tests.unit.fleet import Fleet
from tests.unit.samples import state_of
from tests.unit.worlds import Observed

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
NAMES = ("sample", "other")
ENDPOINT = "production"


def typo(world: Filed) -> None:
    """`sample` has a key that nobody knows; `other` is changed on purpose."""
    world.tree["pipelines"]["sample"]["endpoints"][0]["resorce"] = "x"
    world.tree["pipelines"]["other"]["training"]["attempts"] = 3
    world.write()


def no_setting(world: Filed) -> None:
    world.tree["pipelines"]["sample"]["training"]["parameters"] = {"x": "${NOT_SET}"}
    world.write()


def no_probe(world: Filed) -> None:
    world.tree["pipelines"]["sample"]["endpoints"][0]["verify"]["rows"] = "gone.json"
    world.write()


def twice(world: Filed) -> None:
    text = world.path.read_text()
    again = text.partition("\n")[2].partition("  other:")[0]
    world.write(text + again)


def a_tag(world: Filed) -> None:
    world.write(world.path.read_text().replace("when_busy: parallel", "when_busy: !x parallel", 1))


def no_yaml(world: Filed) -> None:
    world.write("pipelines: {")


def empty(world: Filed) -> None:
    world.write("# nothing yet\n")


def gone(world: Filed) -> None:
    world.path.unlink()
    world.restart()
    world.app.activations.refresh()


def too_large(world: Filed) -> None:
    world.write("#" * 600_000)


ALONE = (typo, no_setting, no_probe, twice, a_tag)
ALL = (no_yaml, empty, gone, too_large)
Spoil = Callable[[Filed], None]


@pytest.fixture(params=(typo, no_yaml), ids=lambda spoil: spoil.__name__)
def spoil(request: pytest.FixtureRequest) -> Spoil:
    found: Spoil = request.param
    return found


@pytest.fixture(params=[False, True], ids=["", "and restarted"])
def spoilt(request: pytest.FixtureRequest, spoil: Spoil, tmp_path: Path) -> Filed:
    """Both pipelines promoted two models; then the file was spoilt."""
    world = Filed(folder=tmp_path)
    for number in (1, 2):
        for name in NAMES:
            assert world.train(name, number).phase is Phase.PROMOTED
    spoil(world)
    if request.param:
        world.restart()
    return world


def by_pipeline(world: Filed, pipeline: str, origin: Origin) -> list[Run]:
    return [run for run in world.runs() if run.pipeline == pipeline and run.origin is origin]


def oldest(world: Filed, pipeline: str) -> Run:
    return min(by_pipeline(world, pipeline, Origin.DATA), key=lambda run: run.opened_at)


@pytest.mark.parametrize("name", NAMES)
def test_a_rollback_and_a_resume_work(spoilt: Filed, name: str) -> None:
    spoilt.poll.tick()
    back = spoilt.endpoints().rollback(
        EndpointAddress(name, ENDPOINT), None, OperatorCommand("ada")
    )
    assert spoilt.until_idle(back).phase is Phase.PROMOTED
    held = spoilt.endpoints().show(EndpointAddress(name, ENDPOINT)).known.held
    assert held is not None
    assert held.by == "ada"
    assert spoilt.endpoints().resume(EndpointAddress(name, ENDPOINT))


@pytest.mark.parametrize("name", NAMES)
def test_a_pause_a_resume_and_a_preview_work_and_new_data_has_its_run(
    spoilt: Filed, name: str
) -> None:
    hand = spoilt.hand()
    hand.pause(name, OperatorCommand("ada"))
    assert hand.status(name).pause is not None
    hand.resume(name)
    assert hand.preview(name, None).request is not None
    run = spoilt.train(name, 3)
    assert run.phase is Phase.PROMOTED
    assert sorted(hand.names()) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_data_whose_event_came_first_to_a_new_worker_has_its_run(spoilt: Filed, name: str) -> None:
    spoilt.restart()
    assert spoilt.train(name, 3).phase is Phase.PROMOTED


@pytest.mark.parametrize("name", NAMES)
def test_a_parked_run_is_retried(spoilt: Filed, name: str) -> None:
    key = "ENDPOINT_KEY" if name == "sample" else "SECOND_KEY"
    value = spoilt.environment.pop(key)
    run = spoilt.train(name, 3)
    assert run.phase is Phase.PARKED
    spoilt.environment[key] = value
    spoilt.run_operations.retry(run.run_id)
    assert spoilt.until_idle(run).phase is Phase.PROMOTED


@pytest.mark.parametrize("name", NAMES)
def test_drift_is_noticed_and_repaired(spoilt: Filed, name: str) -> None:
    found = spoilt.app.catalogue.pipeline(name)
    assert found is not None
    model = spoilt.model_of(oldest(spoilt, name))
    other = spoilt.blobs.put("models", "baselines/x.ilearner", model)
    spoilt.context.providers.serving(found.endpoints[0]).restore(state_of(other))
    spoilt.idle(1.2 * HOUR)
    (repair,) = by_pipeline(spoilt, name, Origin.DRIFT)
    assert repair.phase is Phase.PROMOTED
    assert not [r for n in NAMES if n != name for r in by_pipeline(spoilt, n, Origin.DRIFT)]


@pytest.mark.parametrize("name", NAMES)
def test_a_model_put_by_hand_is_promoted(spoilt: Filed, name: str) -> None:
    model = spoilt.model_of(oldest(spoilt, name))
    spoilt.clock.move(MINUTE)
    spoilt.blobs.put(MODELS, f"promote/{name}/mine.ilearner", model)
    run = spoilt.app.model_events.model_arrived(f"promote/{name}/mine.ilearner")
    assert run is not None
    assert spoilt.until_idle(run).phase is Phase.PROMOTED


@pytest.mark.parametrize("name", NAMES)
def test_a_schedule_goes_on(spoil: Spoil, name: str, tmp_path: Path) -> None:
    world = Filed(folder=tmp_path, parts={"schedule": "0 0 * * * *"})
    world.upload(f"{'new' if name == 'sample' else name}-1.csv")
    spoil(world)
    for _ in range(2):
        world.clock.move(HOUR)
        world.restart()
        world.poll.start_scheduled()
    assert len(by_pipeline(world, name, Origin.SCHEDULE)) == 2


@pytest.mark.parametrize("spoil", [*ALONE, *ALL], ids=lambda spoil: spoil.__name__)
def test_new_data_has_its_run_whatever_is_wrong_with_the_file(spoil: Spoil, tmp_path: Path) -> None:
    world = Filed(folder=tmp_path)
    sound = world.hand().status("sample").pipeline
    spoil(world)
    assert world.told() != ""
    world.restart()
    assert world.train("sample", 1).config == sound.chosen_by({})
    assert world.train("other", 1).phase is Phase.PROMOTED
    assert world.hand().status("other").pipeline.training.attempts == (3 if spoil is typo else 1)


def test_sound_pipelines_of_the_file_take_the_new_configuration(tmp_path: Path) -> None:
    world = Filed(folder=tmp_path)
    typo(world)
    assert world.hand().status("other").pipeline.training.attempts == 3
    assert world.hand().status("sample").pipeline.training.attempts == 1
    assert "resorce" in world.told()
    assert "goes on by its last good configuration, of 2026-03-01T12:00:00" in world.told()


def test_what_is_corrected_is_taken_and_what_it_goes_on_by_is_told_no_more(
    spoilt: Filed,
) -> None:
    for name in NAMES:
        one = spoilt.tree["pipelines"][name]
        one["training"] = {**one["training"], "attempts": 5, "parameters": {}}
        one["endpoints"][0].pop("resorce", None)
        one["endpoints"][0]["verify"]["rows"] = "probe.json"
    spoilt.write()
    assert spoilt.told() == ""
    assert {spoilt.hand().status(n).pipeline.training.attempts for n in NAMES} == {5}


def test_a_restart_while_another_pipeline_is_renamed_keeps_the_one_with_an_error(
    tmp_path: Path,
) -> None:
    world = Filed(folder=tmp_path)
    pipelines = world.tree["pipelines"]
    pipelines["renamed"] = pipelines.pop("other")
    typo_of = pipelines["sample"]["endpoints"][0]
    typo_of["resorce"] = "x"
    world.write()
    world.restart()
    world.app.activations.refresh()
    assert sorted(world.hand().names()) == ["renamed", "sample"]
    assert sorted(n for n in world.documents.rows if n.startswith("configurations/")) == [
        "configurations/renamed",
        "configurations/sample",
    ]


def test_a_pipeline_that_never_was_sound_is_told_with_its_problems(tmp_path: Path) -> None:
    world = Filed(folder=tmp_path)
    world.tree["pipelines"]["third"] = {"data": {"blob": "third-{name}.csv"}}
    world.write()
    for ask in (
        lambda: world.hand().status("third"),
        lambda: world.endpoints().show(EndpointAddress("third", "production")),
    ):
        with pytest.raises(PipelineConfigError, match="training: is missing"):
            ask()
    assert "pipelines.third: has no earlier configuration" in world.told()
    assert world.train("sample", 1).phase is Phase.PROMOTED


def test_a_name_that_no_pipeline_can_have_is_told_and_asked_for_nowhere(tmp_path: Path) -> None:
    world = Filed(folder=tmp_path)
    world.tree["pipelines"]["../runs/x"] = world.tree["pipelines"]["other"]
    world.calls.clear()
    world.write()
    assert "not a pipeline name" in world.told()
    assert world.calls.count("read configurations") == 0


def test_a_stored_configuration_that_is_not_understood_skips_that_pipeline_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = Filed(folder=tmp_path)
    world.damage("configurations/sample")
    no_yaml(world)
    assert world.hand().names() == ["other"]
    assert "configurations/sample is not understood" in caplog.text
    assert world.train("other", 1).phase is Phase.PROMOTED
    with pytest.raises(ConfigError, match="is not plain YAML"):
        world.hand().status("sample")


def test_a_stored_configuration_of_another_pipeline_takes_nobodys_place(tmp_path: Path) -> None:
    world = Filed(folder=tmp_path)
    world.documents.rows["configurations/sample"] = world.documents.rows["configurations/other"]
    typo(world)
    assert world.hand().names() == ["other"]
    assert world.hand().status("other").pipeline.training.attempts == 3


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


def test_while_the_ledger_cannot_be_read_nobody_is_told_that_there_is_no_such_pipeline(
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
            world.hand().status("sample")
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
    assert world.hand().names() == ["sample"]


@pytest.mark.parametrize("kind", [Kind.CRASH_BEFORE, Kind.CRASH_AFTER, Kind.LOST, Kind.REFUSED])
def test_a_configuration_is_stored_whatever_goes_wrong_on_the_way(kind: Kind) -> None:
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


def test_no_configuration_is_written_or_forgotten_for_a_file_that_is_not_yaml(
    tmp_path: Path,
) -> None:
    world = Filed(folder=tmp_path)
    kept = {n: r for n, r in world.documents.rows.items() if n.startswith("configurations/")}
    no_yaml(world)
    assert len(kept) == 2
    assert {n: world.documents.rows[n] for n in kept} == kept


def test_no_secret_is_in_a_stored_configuration(spoilt: Filed) -> None:
    said = spoilt.said() + spoilt.told()
    assert not [secret for secret in spoilt.environment.values() if secret in said]


def test_an_unreadable_file_with_an_empty_ledger_is_told_as_such() -> None:
    world = Observed()
    world.file = Configuration.unreadable(Problem("pipelines.yaml", "is not plain YAML"))
    world.restart()
    world.app.activations.refresh()
    with pytest.raises(PipelineConfigError, match="is not plain YAML"):
        world.app.catalogue.pipeline("sample")
    assert "no earlier configuration" in str(world.app.last_good.notes()[0])


def test_a_roll_out_goes_on_and_is_retried_by_the_last_good_configuration() -> None:
    fleet = Fleet()
    fleet.app.activations.refresh()
    fleet.start()
    key = fleet.environment.pop("KEY_e2")
    problems = (Problem("pipelines.yaml:9: pipelines.sample.endpoints", "unknown key"),)
    fleet.file = Configuration({}, problems, {"sample": problems})
    fleet.restart()
    assert fleet.settle().phase is Phase.PARKED
    fleet.environment["KEY_e2"] = key
    fleet.restart()
    fleet.app.last_good.load()
    fleet.run_operations.retry(fleet.parent().run_id)
    assert fleet.settle().phase is Phase.PROMOTED
    assert fleet.endpoints_serving(fleet.model()) == ["e1", "e2", "e3"]


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
    assert sorted(world.hand().names()) == sorted(NAMES)


def only_other(text: str) -> str:
    return "pipelines:\n" + "  other:" + text.partition("  other:")[2]
