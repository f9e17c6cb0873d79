"""Short forms of the proofs that kill hosts: one kill point each, and every promise holds."""

from proofs import azureml_kills, host_kills
from proofs.outcomes import Effort, Part

SIZE, SEED = 1, 1


def holds(part: Part, plan: str | None = None) -> None:
    trials: list[None] = []
    outcomes = part(Effort(SEED, SIZE, progress=lambda: trials.append(None), plan=plan))
    assert len(trials) == SIZE
    assert [violation for outcome in outcomes for violation in outcome.violations] == []
    assert {outcome.trials for outcome in outcomes} == {SIZE}, outcomes[0].notes


def test_a_kill_at_a_call_of_the_app_breaks_no_promise() -> None:
    holds(host_kills.part)


def test_a_kill_while_a_step_is_asked_for_breaks_no_promise() -> None:
    holds(azureml_kills.part_of_steps, azureml_kills.SHIFTED)


def test_a_kill_while_a_workspace_starts_the_job_starts_no_second_one() -> None:
    holds(azureml_kills.part, azureml_kills.STARTED)
