"""Worlds in which the app scores a holdout: models that answer as a test says."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from local.azureml.answers import Answer, RequestBody
from local.azureml.containers import error_of_model, rows_of
from local.azureml.switches import Switches
from shared.core.config.azureml_models import model_version
from shared.core.decisions.comparison import Comparison, RuleOutcome
from shared.core.evaluation.holdout import HoldoutProgress
from shared.core.run.record import Phase, Run
from shared.operations.commands import OperatorCommand
from tests.fakes.azureml_world import CENSUS, QUICK, AzureMlWorld
from tests.fakes.world import DATA, MODELS

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ROWS = "holdouts/rows.csv"
HOLDOUT = f"{DATA}/{ROWS}"
#: Models that say the same in 450 rows are fit by it.
NO_DROP = {"metric": "AUC", "max_drop": 0.02}
Scores = Callable[[int], object]
Model = Callable[[RequestBody], Answer]


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


def world_with(
    *rules: dict[str, Any],
    approval: str = "none",
    steps: Any = None,
    blue: bool = False,
    **compare: Any,
) -> AzureMlWorld:
    """Return a world whose endpoint has no traffic; with `blue`, its other deployment serves."""
    gate = {
        "approval": approval,
        "compare": {"holdout": HOLDOUT, **compare},
        "rules": list(rules or (NO_DROP,)),
        "first_model": "allow",
    }
    world = AzureMlWorld(
        switches=Switches(**QUICK), config={"gate": gate}, traffic_rules=steps or {}
    )
    world.blobs.put(DATA, ROWS, holdout())
    world.azureml.hooks.set_traffic(CENSUS, {"blue": 100} if blue else {})
    return world


def model_of(scores: Scores) -> Model:
    """Return a model that takes the first column of a row as the row's number."""
    return lambda body: Answer(200, [scores(int(row[0])) for row in rows_of(body)])


def started(world: AzureMlWorld, scores: Scores, name: str = "new.csv") -> Run:
    run = world.start(name)
    serves(world, run, model_of(scores))
    return run


def serves(world: AzureMlWorld, run: Run, model: Model) -> None:
    """Have the model of a run answer so."""
    world.azureml.hooks.set_model(f"sample/{model_version(run.run_id, 1)}", model)


def promoted(world: AzureMlWorld, scores: Scores = good) -> Run:
    return world.until(started(world, scores), Phase.PROMOTED, ticks=80)


def only(run: Run) -> Comparison:
    assert run.verdict is not None
    (one,) = run.verdict.results[0].comparisons
    return one


def ended(run: Run) -> tuple[Phase, RuleOutcome | None]:
    return run.phase, run.verdict.outcome if run.verdict else None


def made(world: AzureMlWorld, run: Run) -> list[str]:
    """Return the lines of the predictions of a run."""
    content = world.blobs.read(MODELS, f"runs/sample/{run.run_id}/predictions.csv", 10**6)
    assert content is not None
    return content.decode().splitlines()


def asked(world: AzureMlWorld) -> list[str]:
    """Return who answered, in order."""
    return [who for _, who in world.azureml.scoring.answered]


def name_of(world: AzureMlWorld, run: Run) -> str:
    found = world.now_of(run).candidate
    assert found is not None
    return found.name


def progress(world: AzureMlWorld, run: Run) -> HoldoutProgress:
    evidence = world.now_of(run).evidence
    assert evidence is not None
    assert evidence.holdout is not None
    return evidence.holdout


class Failing:
    """A model that first gives answers of another one, and then none, for given numbers."""

    def __init__(self, model: Model, after: int, instead: Model, times: int = 10**6) -> None:
        self.model, self.instead = model, instead
        self.left, self.times = after, times
        self.sizes: list[int] = []

    def __call__(self, body: RequestBody) -> Answer:
        if "index" not in body["input_data"]:  # the probe
            return Answer(200, [0.5, 0.5])
        self.sizes.append(len(rows_of(body)))
        if self.left:
            self.left -= 1
            return self.model(body)
        if not self.times:
            return self.model(body)
        self.times -= 1
        return self.instead(body)


BUSY = error_of_model(429, "busy")
CRASHES = error_of_model(500, "KeyError: 'Jane Doe, r7'")


def approve(world: AzureMlWorld, run: Run) -> Run:
    world.until(run, Phase.AWAITING_APPROVAL, ticks=60)
    return world.run_operations.approve(run.run_id, OperatorCommand("ada", "good"))
