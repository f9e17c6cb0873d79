"""The short form of the proof by kills: one point of the way, and every promise holds."""

from proofs import host_kills
from proofs.outcomes import Effort

SIZE, SEED = 1, 1


def test_a_kill_at_a_call_of_the_app_breaks_no_promise() -> None:
    trials: list[None] = []
    outcomes = host_kills.part(Effort(SEED, SIZE, progress=lambda: trials.append(None)))
    assert len(trials) == SIZE
    assert [violation for outcome in outcomes for violation in outcome.violations] == []
    assert {outcome.trials for outcome in outcomes} == {SIZE}, outcomes[0].notes
