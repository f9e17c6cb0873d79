"""Short, seeded forms of the proofs about noise, storage, hostile input, and permissions."""

from proofs import noise, permissions, storage_trouble
from proofs.hostile import book
from proofs.hostile import part as hostile
from proofs.trial import DueTimePart, Effort

SEED = 1


def holds(part: DueTimePart, size: int, least: dict[str, int]) -> None:
    """Have a part tried, and see that it was, and that every promise held."""
    outcomes = {one.promise: one for one in part(Effort(SEED, size))}
    assert set(outcomes) == set(least)
    for promise, trials in least.items():
        assert outcomes[promise].trials >= trials, promise
    assert [violation for one in outcomes.values() for violation in one.violations] == []


def test_the_end_under_noise_is_that_without() -> None:
    holds(noise.part, 40, {noise.SAME_END: 40, noise.FEW_PARK: 40})


def test_trouble_with_the_storage_is_told_of_and_recovered_from() -> None:
    least = {
        storage_trouble.RECOVERS: 24,
        storage_trouble.UNTOUCHED: 12,
        storage_trouble.SAYS_SO: 12,
        storage_trouble.OTHERS: 12,
    }
    holds(storage_trouble.part, 12, least)


def test_hostile_input_breaks_nothing_and_leaks_nothing() -> None:
    least = {
        book.ODD_ANSWERS: 22,
        book.NO_SECRETS: 60,
        book.ODD_EVALUATIONS: 20,
        book.ODD_FILES: 20,
        book.ODD_NAMES: 4,
        book.URLS: 200,
        book.REDIRECTS: 25,
    }
    holds(hostile.part, 20, least)


def test_nobody_may_do_more_than_they_should() -> None:
    least = {
        permissions.ROUTES: 18,
        permissions.LEAST: 6,
        permissions.WORKS: 3,
        permissions.REFUSED: 200,
    }
    holds(permissions.part, 1, least)
