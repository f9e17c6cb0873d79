"""The app scores a holdout by the staged candidate and by the live model, then compares them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from local.azureml.answers import Answer, RequestBody
from local.azureml.containers import rows_of
from local.azureml.switches import Switches
from shared.core.config.azureml_models import model_version
from shared.core.decisions.comparison import Comparison, Outcome
from shared.core.run.record import Phase, Run
from tests.fakes.azureml_world import QUICK, AzureMlWorld
from tests.fakes.world import DATA

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
HOLDOUT = f"{DATA}/holdouts/rows.csv"
NO_DROP = {"metric": "AUC", "max_drop": 0.01}
Scores = Callable[[int], object]


def good(at: int) -> float:
    """Scores by which most positive rows are above most others."""
    return 0.4 * (at % 2) + 0.6 * (at * 37 % 101) / 101


def better(at: int) -> float:
    return 0.5 * (at % 2) + 0.5 * (at * 37 % 101) / 101


def bad(at: int) -> float:
    return 0.1 * (at % 2) + 0.9 * (at * 53 % 101) / 101


def holdout(count: int = 450) -> bytes:
    lines = ["id,a,b,label", *(f"r{at},{at},x{at},{at % 2}" for at in range(count))]
    return "\n".join(lines).encode()


def world_with(*rules: dict[str, Any], **compare: Any) -> AzureMlWorld:
    gate = {
        "compare": {"holdout": HOLDOUT, **compare},
        "rules": list(rules or (NO_DROP,)),
        "first_model": "allow",
    }
    world = AzureMlWorld(switches=Switches(**QUICK), config={"gate": gate})
    world.blobs.put(DATA, HOLDOUT.partition("/")[2], holdout())
    return world


def model_of(scores: Scores) -> Callable[[RequestBody], Answer]:
    """Return a model that takes the first column of a row as the row's number."""
    return lambda body: Answer(200, [scores(int(row[0])) for row in rows_of(body)])


def started(world: AzureMlWorld, scores: Scores) -> Run:
    run = world.start()
    name = f"sample/{model_version(run.run_id, 1)}"
    world.azureml.hooks.set_model(name, model_of(scores))
    return run


def promoted(world: AzureMlWorld, scores: Scores = good) -> Run:
    return world.until(started(world, scores), Phase.PROMOTED, ticks=80)


def only(run: Run) -> Comparison:
    assert run.verdict is not None
    (one,) = run.verdict.results[0].comparisons
    return one


def test_both_models_score_every_row_before_the_candidate_gets_a_request() -> None:
    world = world_with()
    first = promoted(world)
    run = world.until(started(world, better), Phase.VERIFYING, ticks=60)
    found = only(run)
    assert (found.against, found.run_id, found.rows) == ("live", first.run_id, 450)
    assert found.outcome is Outcome.FIT
