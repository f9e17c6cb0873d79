"""Makes small changes in the product, and shows which of them its tests find."""

import argparse
import ast
import os
import random
import sys
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from proofs.mutants.mutations import Mutant, code_of, mutants_of
from proofs.mutants.operators import Enums, enums_of
from proofs.mutants.scope import ROOT, modules
from proofs.mutants.trials import Trial, Trials

#: In percent of the sample.
WANTED: Final = 95
LISTED: Final = Path(__file__).with_name("listed.toml")


@dataclass(frozen=True, slots=True)
class Listed:
    """A mutant that no test finds, and why that is so."""

    file: str
    was: str
    becomes: str
    why: str
    equal: bool = False  #: it behaves as the original does: it is not a mistake, and is not tried

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
    """Try a sample; return 0 if the tests find enough of it, and the rest is listed."""
    options = _options(arguments)
    console = Console(file=sys.stdout, highlight=False, markup=False, soft_wrap=True)
    every = every_mutant(options.only)
    count = min(options.count, len(every))
    sample = random.Random(options.seed).sample(every, count)  # noqa: S311 -- a sample
    missed = Trials(options.jobs, console).missed([_trial(mutant) for mutant in sample])
    return _show(sample, missed, console)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m proofs.mutants", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the seed of the sample (%(default)s)")
    parser.add_argument("--count", type=int, default=300, help="how many changes (%(default)s)")
    parser.add_argument(
        "--only",
        nargs="+",
        default=(),
        metavar="MODULE",
        help="only these modules, such as: queues",
    )
    cores = os.cpu_count() or 1
    parser.add_argument(
        "--jobs", type=int, default=cores, help="how many at the same time (%(default)s)"
    )
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.only) - {file.stem for file in modules()}):
        parser.error(f"there is no module {', '.join(unknown)}")
    return options


def _trial(mutant: Mutant) -> Trial:
    text = _text(Path(mutant.file))
    return Trial(mutant, text, code_of(mutant, text, _enums()))


def _text(file: Path) -> str:
    return (ROOT / file).read_text(encoding="utf-8")


@cache
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
