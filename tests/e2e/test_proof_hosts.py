"""The short forms of the proofs with real hosts: two over one storage account, and load."""

from proofs import load_test, two_hosts
from proofs.outcomes import Effort, Part


def hold(part: Part, effort: Effort) -> None:
    trials: list[None] = []
    outcomes = part(Effort(effort.seed, effort.size, progress=lambda: trials.append(None)))
    assert len(trials) == effort.size
    assert [violation for outcome in outcomes for violation in outcome.violations] == []


def test_two_hosts_that_get_every_event_open_one_run_for_each_thing() -> None:
    hold(two_hosts.part, Effort(seed=1, size=5))


def test_no_run_of_many_is_lost() -> None:
    hold(load_test.part, Effort(seed=1, size=12))
