"""Tries mutants: each against the tests that run it, until one of them fails."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import track

from proofs.mutants.calls import KEPT_IN, Known, function, kept_calls
from proofs.mutants.collected import Collected, NoTestsError, with_tests
from proofs.mutants.forks import Job, ended
from proofs.mutants.imported import try_imported
from proofs.mutants.in_place import Changed, changed
from proofs.mutants.mutations import Mutant
from proofs.mutants.tests_of import tests_of

_NOTHING_RAN: Final = (2, 3, 4, 5)
_RUN_BY_NONE: Final = "run by no test"
_NOT_FOUND: Final = "not found"


@dataclass(frozen=True, slots=True)
class Trial:
    """A mutant, the code of its module, and that code with its mistake."""

    mutant: Mutant
    text: str
    code: str

    @property
    def files(self) -> tuple[str, ...]:
        """The tests of its module."""
        return tests_of(Path(self.mutant.file))


class Trials:
    """Finds out which mutants no test finds.

    Args:
        at_once: how many are tried at the same time.
        console: what is shown, as it is found out.
    """

    def __init__(self, at_once: int, console: Console) -> None:
        self._at_once = at_once
        self._console = console
        self._missed: list[Mutant] = []
        self._known = Known([])
        self._to_import: list[Trial] = []

    def missed(self, trials: Sequence[Trial]) -> list[Mutant]:
        """Return the mutants that are not found. Raises NoTestsError where no test can be run."""
        files = sorted({file for trial in trials for file in trial.files})
        with_tests(files, lambda collected: self._in_place(collected, files, trials))
        # Those whose module has to be imported again need a process where pytest does not run.
        jobs = [self._importing(trial) for trial in self._to_import]
        self._show("mutants that are imported", self._to_import, jobs)
        return self._missed

    def _in_place(self, collected: Collected, files: list[str], trials: Sequence[Trial]) -> None:
        self._learn(collected, files)
        tries: list[Trial] = []
        jobs: list[Job] = []
        for trial in trials:
            mutant = trial.mutant
            tests = self._known.tests_for(mutant, trial.files)
            imported = not mutant.runs_in
            imported |= function(mutant.file, mutant.runs_in) in collected.called
            change = changed(mutant.file, trial.text, trial.code)
            if not tests and not imported:
                self._miss(trial, _RUN_BY_NONE)
            elif imported or change is None or not collected.can_change(change):
                self._to_import.append(trial)
            else:
                tries.append(trial)
                jobs.append(self._changing(collected, change, tests))
        self._show("mutants", tries, jobs)

    def _learn(self, collected: Collected, files: list[str]) -> None:
        """Run the tests without a mutant, to know what they call and how long they take."""
        KEPT_IN.mkdir(parents=True, exist_ok=True)
        notes = kept_calls(files)
        unknown = [(file, kept) for file, kept in notes.items() if not kept.exists()]
        jobs = [_noting(collected, file, kept) for file, kept in unknown]
        for number, code in self._track("tests", jobs):
            file, kept = unknown[number]
            if not kept.exists():
                raise NoTestsError(f"ends before its calls are noted: {file}")
            if code:  # such as those that measure time
                self._console.print(f"tests that fail while they are watched find nothing: {file}")
        self._known = Known(list(notes.values()))

    def _changing(self, collected: Collected, change: Changed, tests: tuple[str, ...]) -> Job:
        seconds = self._known.seconds
        needed = sum(seconds[test] for test in tests)
        return Job(lambda: collected.try_out(change, tests, seconds), needed)

    def _importing(self, trial: Trial) -> Job:
        module = Path(trial.mutant.file)
        tests = self._known.tests_for(trial.mutant, trial.files)
        tests = tests or self._known.tests_in(trial.files)
        needed = sum(self._known.seconds[test] for test in tests)
        return Job(lambda: try_imported(module, trial.code, tests, 60 + 2 * needed), needed)

    def _show(self, title: str, trials: Sequence[Trial], jobs: Sequence[Job]) -> None:
        for number, code in self._track(title, jobs):
            if code in _NOTHING_RAN and self._is_no_fault_of_its_own(trials[number], code):
                raise NoTestsError(f"pytest cannot run: {trials[number].mutant}")
            if code == 0:
                self._miss(trials[number], _NOT_FOUND)

    def _is_no_fault_of_its_own(self, trial: Trial, code: int) -> bool:
        # A module that cannot be imported keeps tests from being collected: that is found.
        return code in (4, 5) and bool(trial.mutant.runs_in)

    def _miss(self, trial: Trial, why: str) -> None:
        self._missed.append(trial.mutant)
        self._console.print(f"{why}: {trial.mutant}")

    def _track(self, title: str, jobs: Sequence[Job]) -> Iterator[tuple[int, int]]:
        yield from track(ended(jobs, self._at_once), title, len(jobs), console=self._console)


def _noting(collected: Collected, file: str, kept: Path) -> Job:
    return Job(lambda: collected.calls_of(file, kept), 600)
