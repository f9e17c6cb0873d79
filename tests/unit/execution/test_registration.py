"""A model is registered once it has passed its gate, and never before."""

from shared.core.run.record import Phase
from tests.fakes.azureml_runs import AzureMlRuns


def ended(rules: list[dict[str, object]]) -> AzureMlRuns:
    gate = {"metrics": "evaluation", "rules": rules} if rules else {}
    world = AzureMlRuns(config={"pipeline": {"gate": gate}})
    world.start("a.csv")
    world.until_ended()
    return world


def test_a_model_that_passed_is_registered() -> None:
    world = ended([{"metric": "AUC", "at_least": 0.5}])
    run = world.run()
    assert run.phase is Phase.FINISHED
    assert run.model is not None
    ((name, version),) = world.versions()
    assert run.model.name == f"azureml:{name}:{version}"


def test_a_model_without_rules_is_registered() -> None:
    world = ended([])
    assert world.run().phase is Phase.FINISHED
    assert len(world.versions()) == 1


def test_a_rejected_model_is_not_registered() -> None:
    world = ended([{"metric": "AUC", "at_least": 0.99}])
    assert world.run().phase is Phase.REJECTED
    assert world.run().model is not None
    assert world.versions() == {}
