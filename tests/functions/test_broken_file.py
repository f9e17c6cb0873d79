"""With errors in the pipelines file no answer says that something does not exist: it is a 503."""

from typing import NoReturn

import pytest

from functions import endpoints, pipelines
from shared.config.settings import Problem
from shared.core.config.configuration import Configuration
from shared.errors import TransientError
from tests.functions.conftest import Serve, app_over, present_world
from tests.functions.operators import call

PROBLEM = Problem("pipelines.yaml:3: pipelines.sample.when_busy", "must be 'newest'", "write it")
UNREADABLE = Configuration.unreadable(Problem("pipelines.yaml", "is not plain YAML", "line 3"))
LISTS = (pipelines.list_pipelines, endpoints.list_endpoints)
IDS = ("pipelines", "endpoints")


def refuse(_: str) -> NoReturn:
    raise TransientError("the storage is busy")


def broken(*, readable: bool) -> Configuration:
    if not readable:
        return UNREADABLE
    return Configuration({}, (PROBLEM,), {"sample": (PROBLEM,)})


@pytest.mark.parametrize("readable", [True, False])
@pytest.mark.parametrize("listed", LISTS, ids=IDS)
def test_a_list_answers_503_with_the_problems_where_nothing_can_be_used(
    serve: Serve, listed: object, *, readable: bool
) -> None:
    world = present_world()
    world.file = broken(readable=readable)
    world.restart()
    serve(app_over(world))
    said = call(listed)  # type: ignore[arg-type]
    assert said.status == 503
    assert said.title == "Pipeline in error"
    assert "Correct it: pipelines.yaml" in said.body["detail"]
    assert ("when_busy" if readable else "not plain YAML") in said.body["detail"]


@pytest.mark.parametrize(("count", "more"), [(20, ""), (21, "; and 1 more: GET /api/health")])
def test_twenty_problems_are_named_and_the_others_counted(
    serve: Serve, count: int, more: str
) -> None:
    world = present_world()
    problems = tuple(Problem(f"line {n}", "is wrong", "write it") for n in range(count))
    world.file = Configuration({}, problems, {"sample": problems})
    world.restart()
    serve(app_over(world))
    detail = call(pipelines.list_pipelines).body["detail"]
    assert "line 19" in detail
    assert "line 20" not in detail
    assert more in detail
    assert ("more: GET" in detail) is bool(more)


@pytest.mark.parametrize("readable", [True, False])
def test_a_view_and_a_preview_answer_503_with_the_problems_and_not_404(
    serve: Serve, *, readable: bool
) -> None:
    world = present_world()
    world.file = broken(readable=readable)
    world.restart()
    serve(app_over(world))
    for view in (pipelines.get_pipeline, pipelines.preview_pipeline):
        said = call(view, pipeline="sample")
        assert said.status == 503
        assert "pipelines.yaml" in said.body["detail"]


@pytest.mark.parametrize("readable", [True, False])
@pytest.mark.parametrize("listed", LISTS, ids=IDS)
def test_a_list_goes_by_the_last_good_configuration_and_says_so(
    serve: Serve, listed: object, *, readable: bool
) -> None:
    world = present_world()
    world.app.last_good.keep()
    world.file = broken(readable=readable)
    world.restart()
    serve(app_over(world))
    said = call(listed)  # type: ignore[arg-type]
    assert said.status == 200
    (found,) = said.body.get("pipelines", said.body.get("endpoints"))
    assert found.get("name", found.get("pipeline")) == "sample"
    answer = " ".join(said.body["problems"])
    assert "last good configuration" in answer
    assert ("when_busy" if readable else "not plain YAML") in answer


@pytest.mark.parametrize("listed", LISTS, ids=IDS)
def test_a_sound_file_has_no_problems(serve: Serve, listed: object) -> None:
    world = present_world()
    serve(app_over(world))
    assert call(listed).body["problems"] == []  # type: ignore[arg-type]


@pytest.mark.parametrize("listed", LISTS, ids=IDS)
def test_a_ledger_that_does_not_work_is_no_file_without_pipelines(
    serve: Serve, listed: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = present_world()
    world.file = UNREADABLE
    world.restart()
    serve(app_over(world))
    monkeypatch.setattr(world.documents, "listing", refuse)
    said = call(listed)  # type: ignore[arg-type]
    assert (said.status, said.title) == (503, "Temporarily unavailable")
