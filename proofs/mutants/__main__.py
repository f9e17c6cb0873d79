"""Mutates the core and the modules with claims, and shows that their tests find the mutants."""

import argparse
import ast
import os
import random
import sys
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import track
from rich.table import Table

from proofs.mutants.calls import KEPT_IN, Known, kept_calls
from proofs.mutants.changes import Enums, enums_of
from proofs.mutants.mutations import Mutant, code_of, mutants_of
from proofs.mutants.tests_of import ROOT, modules, tests_of
from proofs.mutants.trials import Trial, results, warm_up

#: Of the sample, in percent.
WANTED: Final = 95
LISTED: Final = Path(__file__).with_name("listed.toml")


@dataclass(frozen=True, slots=True)
class Listed:
    """A mutant that no test finds, and why that is so."""

    file: str
    was: str
    becomes: str
    why: str
    equal: bool = False  #: it does what the original does: it is no mistake, and is not tried

    def is_of(self, mutant: Mutant) -> bool:
        """Whether it is this mutant."""
        return (self.file, self.was, self.becomes) == (mutant.file, mutant.was, mutant.becomes)


def listed() -> list[Listed]:
    """Return the mutants that are known not to be found."""
    known = tomllib.loads(LISTED.read_text(encoding="utf-8"))
    return [Listed(**one) for one in known.get("mutant", ())]


def every_mutant(only: Sequence[str] = ()) -> list[Mutant]:
    """Return the mutants of all modules, or of those named, without those listed as equal."""
    enums, same = _enums(), [one for one in listed() if one.equal]
    return [
        mutant
        for file in modules()
        if not only or file.stem in only
        for mutant in mutants_of(file.as_posix(), _text(file), enums)
        if not any(one.is_of(mutant) for one in same)
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Try a sample; return 0 when enough of it is found and the rest is listed."""
    options = _options(arguments)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    every = every_mutant(options.only)
    count = min(options.count, len(every))
    sample = random.Random(options.seed).sample(every, count)  # noqa: S311 -- a sample
    missed = _missed(sample, options.jobs, console)
    return _show(sample, missed, console)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m proofs.mutants", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="which sample (%(default)s)")
    parser.add_argument("--count", type=int, default=300, help="how many (%(default)s)")
    parser.add_argument("--only", nargs="+", default=(), metavar="MODULE", help="such as: slot")
    cores = os.cpu_count() or 1
    parser.add_argument("--jobs", type=int, default=cores, help="at the same time (%(default)s)")
    return parser.parse_args(arguments)


def _missed(sample: list[Mutant], jobs: int, console: Console) -> list[Mutant]:
    warm_up()
    enums = _enums()
    files = {test for mutant in sample for test in tests_of(Path(mutant.file))}
    known = _known(sorted(files), jobs, console)
    missed, tried = list[Mutant](), list[Mutant]()
    trials = list[Trial]()
    for mutant in sample:
        file = Path(mutant.file)
        if tests := known.tests_for(mutant, tests_of(file)):
            tried.append(mutant)
            trials.append(Trial(tests, file, code_of(mutant, _text(file), enums)))
        else:
            missed.append(mutant)
            console.print(f"run by no test: {mutant}")
    ended = results(trials, jobs)
    for number, passed in track(ended, "mutants", len(trials), console=console):
        if passed:
            missed.append(tried[number])
            console.print(f"not found: {tried[number]}")
    return missed


def _known(files: list[str], jobs: int, console: Console) -> Known:
    """Run the tests without a mutant: they pass, and show what they call."""
    KEPT_IN.mkdir(parents=True, exist_ok=True)
    notes = kept_calls(files)
    trials = [Trial((name,), calls=file) for name, file in notes.items() if not file.exists()]
    for number, passed in track(results(trials, jobs), "tests", len(trials), console=console):
        if not passed:
            raise SystemExit(f"fails without a mutant: {trials[number].tests[0]}")
    return Known(list(notes.values()))


def _text(file: Path) -> str:
    return (ROOT / file).read_text(encoding="utf-8")


def _enums() -> Enums:
    enums: dict[str, tuple[str, ...]] = {}
    for file in (ROOT / "shared").rglob("*.py"):
        enums |= enums_of(ast.parse(file.read_text(encoding="utf-8")))
    return enums


def _show(sample: list[Mutant], missed: list[Mutant], console: Console) -> int:
    table = Table(title="\nmutants", title_justify="left")
    for heading in ("module", "tried", "not found"):
        table.add_column(heading)
    lost = Counter(mutant.file for mutant in missed)
    for file, number in sorted(Counter(mutant.file for mutant in sample).items()):
        table.add_row(file, str(number), str(lost[file] or ""))
    console.print(table)
    known = listed()
    unlisted = [mutant for mutant in missed if not any(one.is_of(mutant) for one in known)]
    for mutant in unlisted:
        console.print(f"not found, and not in {LISTED.name}:\n{mutant}")
    percent = 100 * (len(sample) - len(missed)) / max(len(sample), 1)
    console.print(f"mutants: {len(sample)} tried, {percent:.1f} % found, {WANTED} % are wanted")
    return 1 if percent < WANTED or unlisted else 0


if __name__ == "__main__":
    sys.exit(main())
