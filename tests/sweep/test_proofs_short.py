"""Short forms of the proofs with HTTP and storage faults, hostile input, and permissions."""

import pytest

from proofs import http_faults, permissions, storage_fault_trials
from proofs.hostile import echoed_secrets, findings
from proofs.hostile import suite as hostile
from proofs.outcomes import Effort, Part

SEED = 1


def holds(part: Part, size: int, least: dict[str, int]) -> None:
    """Run a part, and check that every promise was tried and held."""
    outcomes = {one.promise: one for one in part(Effort(SEED, size))}
    assert set(outcomes) == set(least)
    for promise, trials in least.items():
        assert outcomes[promise].trials >= trials, promise
    assert [violation for one in outcomes.values() for violation in one.violations] == []


def test_with_wrong_answers_a_run_ends_as_without_them() -> None:
    holds(http_faults.part, 40, {http_faults.SAME_END: 40, http_faults.FEW_PARK: 40})


def test_storage_faults_are_reported_and_recovered_from() -> None:
    least = {
        storage_fault_trials.RECOVERS: 24,
        storage_fault_trials.UNTOUCHED: 12,
        storage_fault_trials.SAYS_SO: 12,
        storage_fault_trials.OTHERS: 12,
    }
    holds(storage_fault_trials.part, 12, least)


def test_hostile_input_breaks_nothing_and_leaks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    # Those of every kind of world are tried by tests/functions/test_echoes.py.
    monkeypatch.setattr(echoed_secrets, "KINDS", ("keyed",))
    least = {
        findings.ODD_ANSWERS: 22,
        findings.NO_SECRETS: 72,
        findings.ODD_EVALUATIONS: 20,
        findings.ODD_FILES: 20,
        findings.ODD_NAMES: 4,
        findings.URLS: 200,
        findings.REDIRECTS: 25,
    }
    holds(hostile.part, 20, least)


def test_every_key_and_signature_allows_its_use_and_no_other() -> None:
    least = {
        permissions.ROUTES: 18,
        permissions.LEAST: 6,
        permissions.WORKS: 3,
        permissions.REFUSED: 200,
    }
    holds(permissions.part, 1, least)
