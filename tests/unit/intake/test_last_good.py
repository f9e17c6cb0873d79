"""After an error in the pipelines file, each pipeline continues by its last good configuration."""

from datetime import timedelta
from pathlib import Path
from shutil import copytree

import pytest

from shared.config.settings import Problem
from shared.core.config.configuration import Configuration
from shared.core.run.record import Origin, Phase, Run
from shared.core.serving.references import EndpointAddress
from shared.errors import PipelineConfigError
from shared.operations.commands import OperatorCommand
from tests.fakes.world import MODELS
from tests.unit.filed import Filed
from tests.unit.fleet import Fleet
from tests.unit.intake.spoilt_files import (
    ALL,
    ALONE,
    NAMES,
    Spoil,
    by_pipeline,
    no_yaml,
    typo,
)
from tests.unit.samples import state_of

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ENDPOINT = "production"


@pytest.fixture(params=(typo, no_yaml), ids=lambda spoil: spoil.__name__)
def spoil(request: pytest.FixtureRequest) -> Spoil:
    found: Spoil = request.param
    return found


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Filed:
    """Both pipelines promoted two models; it is only to be copied."""
    world = Filed(folder=tmp_path_factory.mktemp("trained"))
    for number in (1, 2):
        for name in NAMES:
            assert world.train(name, number).phase is Phase.PROMOTED
    return world


@pytest.fixture(params=[False, True], ids=["", "and restarted"])
def spoilt(request: pytest.FixtureRequest, spoil: Spoil, trained: Filed, tmp_path: Path) -> Filed:
    """Both pipelines promoted two models; then the file was spoilt."""
    world = trained.copied()
    world.folder = copytree(trained.folder, tmp_path, dirs_exist_ok=True)
    spoil(world)
    if request.param:
        world.restart()
    return world


def oldest(world: Filed, pipeline: str) -> Run:
    return min(by_pipeline(world, pipeline, Origin.DATA), key=lambda run: run.opened_at)


@pytest.mark.parametrize("name", NAMES)
def test_a_rollback_and_a_resume_work(spoilt: Filed, name: str) -> None:
    spoilt.poll.tick()
    rollback = spoilt.endpoints().rollback(
        EndpointAddress(name, ENDPOINT), None, OperatorCommand("ada")
    )
    assert spoilt.until_idle(rollback).phase is Phase.PROMOTED
    held = spoilt.endpoints().show(EndpointAddress(name, ENDPOINT)).known.held
    assert held is not None
    assert held.by == "ada"
    assert spoilt.endpoints().resume(EndpointAddress(name, ENDPOINT))


@pytest.mark.parametrize("name", NAMES)
def test_a_pause_a_resume_and_a_preview_work_and_new_data_has_its_run(
    spoilt: Filed, name: str
) -> None:
    pipelines = spoilt.pipelines()
    pipelines.pause(name, OperatorCommand("ada"))
    assert pipelines.status(name).pause is not None
    pipelines.resume(name)
    assert pipelines.preview(name, None).request is not None
    run = spoilt.train(name, 3)
    assert run.phase is Phase.PROMOTED
    assert sorted(pipelines.names()) == sorted(NAMES)


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
def test_an_operators_model_is_promoted(spoilt: Filed, name: str) -> None:
    model = spoilt.model_of(oldest(spoilt, name))
    spoilt.clock.move(MINUTE)
    spoilt.blobs.put(MODELS, f"promote/{name}/mine.ilearner", model)
    run = spoilt.app.model_events.model_arrived(f"promote/{name}/mine.ilearner")
    assert run is not None
    assert spoilt.until_idle(run).phase is Phase.PROMOTED


@pytest.mark.parametrize("name", NAMES)
def test_a_schedule_continues(spoil: Spoil, name: str, tmp_path: Path) -> None:
    world = Filed(folder=tmp_path, parts={"schedule": "0 0 * * * *"})
    world.upload(f"{'new' if name == 'sample' else name}-1.csv")
    spoil(world)
    for _ in range(2):
        world.clock.move(HOUR)
        world.restart()
        world.poll.start_scheduled()
    assert len(by_pipeline(world, name, Origin.SCHEDULE)) == 2


@pytest.mark.parametrize("spoil", [*ALONE, *ALL], ids=lambda spoil: spoil.__name__)
def test_new_data_has_its_run_with_any_error_in_the_file(spoil: Spoil, tmp_path: Path) -> None:
    world = Filed(folder=tmp_path)
    sound = world.pipelines().status("sample").pipeline
    spoil(world)
    assert world.reported() != ""
    world.restart()
    assert world.train("sample", 1).config == sound.chosen_by({})
    assert world.train("other", 1).phase is Phase.PROMOTED
    assert world.pipelines().status("other").pipeline.training.attempts == (
        3 if spoil is typo else 1
    )


def test_sound_pipelines_of_the_file_take_the_new_configuration(tmp_path: Path) -> None:
    world = Filed(folder=tmp_path)
    typo(world)
    assert world.pipelines().status("other").pipeline.training.attempts == 3
    assert world.pipelines().status("sample").pipeline.training.attempts == 1
    assert "resorce" in world.reported()
    assert "continues with its last good configuration, of 2026-03-01T12:00:00" in world.reported()


def test_what_is_corrected_is_taken_and_what_it_continues_with_is_reported_no_more(
    spoilt: Filed,
) -> None:
    for name in NAMES:
        one = spoilt.tree["pipelines"][name]
        one["training"] = {**one["training"], "attempts": 5, "parameters": {}}
        one["endpoints"][0].pop("resorce", None)
        one["endpoints"][0]["verify"]["rows"] = "probe.json"
    spoilt.write()
    assert spoilt.reported() == ""
    assert {spoilt.pipelines().status(n).pipeline.training.attempts for n in NAMES} == {5}


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
    assert sorted(world.pipelines().names()) == ["renamed", "sample"]
    assert sorted(n for n in world.documents.rows if n.startswith("configurations/")) == [
        "configurations/renamed",
        "configurations/sample",
    ]


def test_a_pipeline_that_never_was_sound_is_reported_with_its_problems(tmp_path: Path) -> None:
    world = Filed(folder=tmp_path)
    world.tree["pipelines"]["third"] = {"data": {"blob": "third-{name}.csv"}}
    world.write()
    for ask in (
        lambda: world.pipelines().status("third"),
        lambda: world.endpoints().show(EndpointAddress("third", "production")),
    ):
        with pytest.raises(PipelineConfigError, match="training: is missing"):
            ask()
    assert "pipelines.third: has no earlier configuration" in world.reported()
    assert world.train("sample", 1).phase is Phase.PROMOTED


def test_a_name_that_no_pipeline_can_have_is_reported_and_asked_for_nowhere(tmp_path: Path) -> None:
    world = Filed(folder=tmp_path)
    world.tree["pipelines"]["../runs/x"] = world.tree["pipelines"]["other"]
    world.calls.clear()
    world.write()
    assert "not a pipeline name" in world.reported()
    assert world.calls.count("read configurations") == 0


def test_no_secret_is_in_a_stored_configuration(spoilt: Filed) -> None:
    said = spoilt.everything_stored() + spoilt.reported()
    assert not [secret for secret in spoilt.environment.values() if secret in said]


def test_a_roll_out_continues_and_is_retried_by_the_last_good_configuration() -> None:
    fleet = Fleet()
    fleet.app.activations.refresh()
    fleet.start()
    key = fleet.environment.pop("KEY_e2")
    problems = (Problem("pipelines.yaml:9: pipelines.sample.endpoints", "unknown key"),)
    fleet.file = Configuration({}, problems, {"sample": problems})
    fleet.restart()
    assert fleet.finish().phase is Phase.PARKED
    fleet.environment["KEY_e2"] = key
    fleet.restart()
    fleet.app.last_good.load()
    fleet.run_operations.retry(fleet.parent().run_id)
    assert fleet.finish().phase is Phase.PROMOTED
    assert fleet.endpoints_serving(fleet.model()) == ["e1", "e2", "e3"]
