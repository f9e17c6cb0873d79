"""Worlds whose jobs write predictions, as a test says."""

from collections.abc import Callable, Iterator
from typing import Any

from local.studio import OutputKind, Parameter, ParameterKind
from shared.core.decisions.comparison import Comparison, RuleOutcome
from shared.core.run.record import Phase, Run
from tests.fakes.world import pipeline
from tests.unit.execution.gated_worlds import trains
from tests.unit.worlds import Observed

NO_DROP = {"metric": "AUC", "max_drop": 0.01}
ONE_FILE: dict[str, Any] = {"predictions": "output2"}
TWO_FILES: dict[str, Any] = {**ONE_FILE, "holdout": "training-data/holdout.csv"}
Scores = Callable[[int], object]


def world_with(
    compare: dict[str, Any], *rules: dict[str, Any], first_model: str | None = "allow", **gate: Any
) -> Observed:
    known = {"compare": compare, "rules": list(rules or (NO_DROP,)), "first_model": first_model}
    outputs = {"output1": "model.ilearner", "output2": "predictions.csv"}
    given = {} if "holdout" in compare else {"live": "{live.model}", "anchor": "{anchor.model}"}
    world = Observed()
    world.training = world.studio.publish_training(
        "compares",
        outputs={"output1": OutputKind.MODEL, "output2": OutputKind.EVALUATION},
        parameters={name: Parameter(ParameterKind.MODEL) for name in given},
    )
    world.environment["TRAINING_KEY"] = world.training.api_key
    training = {"outputs": outputs, "parameters": given}
    config = {"pipeline": {"gate": {**known, **gate}}, "training": training}
    world.pipeline = pipeline(world.training, world.endpoint, config)
    world.restart()
    trains(world)
    return world


def good(at: int) -> float:
    """Scores by which most positive rows are above most others."""
    return 0.4 * (at % 2) + 0.6 * (at * 37 % 101) / 101


def better(at: int) -> float:
    return 0.5 * (at % 2) + 0.5 * (at * 37 % 101) / 101


def bad(at: int) -> float:
    return 0.1 * (at % 2) + 0.9 * (at * 53 % 101) / 101


def rows(count: int = 400, **scores: Scores) -> bytes:
    """Return predictions: `candidate=good` gives the column candidate."""
    return table(range(count), **scores)


def table(ids: Iterator[int] | range, **scores: Scores) -> bytes:
    lines = [",".join(("id", "label", *scores))]
    lines += [
        ",".join((f"r{at}", str(at % 2), *(str(one(at)) for one in scores.values()))) for at in ids
    ]
    return "\n".join(lines).encode()


def comparisons(run: Run) -> tuple[Comparison, ...]:
    assert run.verdict is not None
    return run.verdict.results[0].comparisons


def only(run: Run) -> Comparison:
    (one,) = comparisons(run)
    return one


def ended(run: Run) -> tuple[Phase, RuleOutcome | None]:
    return run.phase, run.verdict.outcome if run.verdict else None
