"""The forest plot of a verdict over HTTP."""

import azure.functions as func

from functions import runs
from shared.core.decisions.comparison import RuleOutcome
from tests.fakes.world import World
from tests.functions.api_host import GATE
from tests.functions.calls import Api
from tests.functions.conftest import Serve, app_over, present_world
from tests.functions.operators import call, until
from tests.unit.core.evaluation.compared import comparison, judged, slice_of

#: What XML escapes, so that it would not be recognised any more.
SECRET = 'a"secret&of<ours>'


def drawing_of(run_id: str) -> func.HttpResponse:
    asked = func.HttpRequest(
        "GET", "http://localhost/api", route_params={"run_id": run_id}, body=b""
    )
    answer: func.HttpResponse = runs.draw_verdict(asked)
    return answer


def promoted(serve: Serve) -> tuple[World, str]:
    world = present_world(pipeline={"gate": GATE})
    serve(app_over(world))
    world.upload()
    run_id = str(Api().start().body["run_id"])
    until(world, run_id, "promoted")
    return world, run_id


def test_a_run_names_the_forest_plot_of_its_verdict_and_it_is_a_picture(serve: Serve) -> None:
    _, run_id = promoted(serve)
    shown = Api().get(run_id).body
    assert shown["plot"] == f"/api/runs/{run_id}/verdict.svg"
    answer = drawing_of(run_id)
    assert (answer.status_code, answer.mimetype) == (200, "image/svg+xml")
    text = answer.get_body().decode()
    assert text.startswith("<svg ")
    assert f"{run_id}: fit" in text
    assert "AUC, at_least 0.5" in text
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'"


def test_a_run_without_a_verdict_has_no_forest_plot_and_says_so(world: World, api: Api) -> None:
    world.upload()
    run_id = str(api.start().body["run_id"])
    assert "plot" not in api.get(run_id).body
    answer = call(runs.draw_verdict, run_id=run_id)
    assert (answer.status, answer.body["kind"]) == (404, "no_verdict")
    assert run_id in answer.body["detail"]
    assert call(runs.draw_verdict, run_id="sample-none").body["kind"] == "no_such_run"


def test_a_secret_is_not_drawn_also_where_xml_would_escape_it(serve: Serve) -> None:
    world, run_id = promoted(serve)
    ledger = world.context.ledger
    stored = ledger.runs.read(run_id)
    assert stored is not None
    found = judged(comparison(slices=(slice_of(SECRET, RuleOutcome.FIT),)))
    ledger.runs.replace(stored.record.evolve(verdict=found), stored.etag)
    world.environment["STORAGE_KEY"] = SECRET  # known only now: the record holds it
    world.restart()
    serve(app_over(world))
    assert "secret" in str(world.context.ledger.runs.read(run_id))
    text = drawing_of(run_id).get_body().decode()
    assert "region" in text
    for part in ("secret", "of&lt;ours", "of<ours"):
        assert part not in text
