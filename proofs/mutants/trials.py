"""Tries mutants: each against the tests that run it, until one of them fails."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import track

from proofs.mutants.calls import CACHE, CallMap, cache_files, function
from proofs.mutants.collected import Collected, NoTestsError, with_tests
from proofs.mutants.forks import Job, ended
from proofs.mutants.imported import try_imported
from proofs.mutants.in_place import changed
from proofs.mutants.mutations import Mutant
from proofs.mutants.scope import every_test_file, nearest

#: Seconds of tests for one mutant, in each of the two rounds.
MOST_SECONDS: Final = 60
#: How pytest ends if it is called wrongly, or no test is collected.
_NO_TESTS: Final = (4, 5)


@dataclass(frozen=True, slots=True)
class Trial:
    """A mutant, the code of its module, and that code with its mistake."""

    mutant: Mutant
    text: str
    code: str


class Trials:
    """Finds out which mutants no test finds.

    The first round runs the nearest test files of each module. What they do not find, the second
    round shows to all other tests that call the changed function.

    Args:
        at_once: how many are tried at the same time.
        console: for the results, as soon as they are known.
    """

    def __init__(self, at_once: int, console: Console) -> None:
        self._at_once = at_once
        self._console = console
        self._calls = CallMap()
        self._at_import: set[str] = set()
        self._missed: dict[Mutant, str] = {}

    def missed(self, trials: Sequence[Trial]) -> list[Mutant]:
        """Return the mutants that are not found. Raises NoTestsError where no test can be run."""
        near = {file for trial in trials for file in nearest(trial.mutant.file)}
        left = self._round(trials, sorted(near))
        left = self._round(left, [file for file in every_test_file() if file not in near])
        for trial in left:
            self._console.print(f"{self._missed[trial.mutant]}: {trial.mutant}")
        return [trial.mutant for trial in left]

    def _round(self, trials: Sequence[Trial], files: list[str]) -> list[Trial]:
        """Try mutants with some test files; return those that are not found."""
        if not trials or not files:
            return list(trials)
        left, imported = list[Trial](), list[tuple[Trial, Job]]()
        with_tests(
            files, lambda collected: left.extend(self._try(collected, files, trials, imported))
        )
        # These run pytest in their forks, so they begin when it does not run here.
        return [*left, *self._not_found("mutants that are imported", imported)]

    def _try(
        self,
        collected: Collected,
        files: list[str],
        trials: Sequence[Trial],
        imported: list[tuple[Trial, Job]],
    ) -> Iterator[Trial]:
        """Yield the trials that are not found; put those that must be imported into a list."""
        self._learn(collected, files)
        self._at_import |= collected.called
        in_place = list[tuple[Trial, Job]]()
        for trial in trials:
            tests = self._tests_for(trial.mutant)
            if not tests:
                yield trial
                continue
            job = self._in_place(collected, trial, tests)
            if job is None:
                imported.append((trial, self._imported(trial, tests)))
            else:
                in_place.append((trial, job))
        yield from self._not_found("mutants", in_place)

    def _tests_for(self, mutant: Mutant) -> tuple[str, ...]:
        tests = self._calls.tests_for(mutant, at_import=self._runs_at_import(mutant))
        within = self._calls.within(tests, MOST_SECONDS)
        why = "not found" if tests else "run by no test"
        if len(within) < len(tests):
            why = f"not found by the {len(within)} of {len(tests)} tests that take {MOST_SECONDS} s"
        if tests or mutant not in self._missed:
            self._missed[mutant] = why
        return within

    def _learn(self, collected: Collected, files: list[str]) -> None:
        """Run the tests without a mutant, to know what they call and how long they take."""
        CACHE.mkdir(parents=True, exist_ok=True)
        stored = cache_files(files)
        unknown = [(file, store) for file, store in stored.items() if not store.exists()]
        jobs = [_learning(collected, file, store) for file, store in unknown]
        for number, code in self._track("tests", jobs):
            file, store = unknown[number]
            if code or not store.exists():  # such as those that measure time
                self._console.print(f"has tests that fail while their calls are noted: {file}")
        self._calls = CallMap([file for file in stored.values() if file.exists()])

    def _in_place(self, collected: Collected, trial: Trial, tests: tuple[str, ...]) -> Job | None:
        mutant = trial.mutant
        change = changed(mutant.file, trial.text, trial.code)
        if self._runs_at_import(mutant) or change is None or not collected.can_change(change):
            return None
        seconds = self._calls.seconds
        return Job(lambda: collected.try_out(change, tests, seconds), self._needed(tests))

    def _runs_at_import(self, mutant: Mutant) -> bool:
        return not mutant.runs_in or function(mutant.file, mutant.runs_in) in self._at_import

    def _imported(self, trial: Trial, tests: tuple[str, ...]) -> Job:
        module, needed = Path(trial.mutant.file), self._needed(tests)
        return Job(lambda: try_imported(module, trial.code, tests, 60 + 2 * needed), needed)

    def _needed(self, tests: tuple[str, ...]) -> float:
        return sum(self._calls.seconds[test] for test in tests)

    def _not_found(self, title: str, tries: Sequence[tuple[Trial, Job]]) -> Iterator[Trial]:
        for number, code in self._track(title, [job for _, job in tries]):
            trial, _ = tries[number]
            # A module that cannot be imported keeps tests from being collected: that is found.
            if code in _NO_TESTS and not self._runs_at_import(trial.mutant):
                raise NoTestsError(f"pytest cannot run: {trial.mutant}")
            if code == 0:
                yield trial

    def _track(self, title: str, jobs: Sequence[Job]) -> Iterator[tuple[int, int]]:
        yield from track(ended(jobs, self._at_once), title, len(jobs), console=self._console)


def _learning(collected: Collected, file: str, store: Path) -> Job:
    return Job(lambda: collected.calls_of(file, store), 600)
