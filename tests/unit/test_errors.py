"""All error classes are in one module, and each has a documented kind of its own."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from functions.responses import PROBLEMS
from shared import errors
from shared.errors import RelearnError

ROOT: Final = Path(__file__).resolve().parents[2]
#: Errors that no other part of the product sees: each is caught in the folder that raises it,
#: or stands for an error of a library.
PRIVATE: Final = {
    "shared.core.config.cross_field.UnknownValueError",
    "shared.core.config.problems.WrongValueError",
    "shared.core.decisions.pairing._CannotCompareError",
    "shared.execution.comparisons.UnusablePredictionsError",
    "shared.execution.gate._UnusableEvaluationError",
    "shared.execution.holdout.CannotScoreError",
    "shared.execution.holdout._MissingError",
    "shared.execution.holdout._NoScoresError",
    "shared.importers.data_factory.expressions.syntax.SecretError",
    "shared.importers.data_factory.expressions.syntax.UnresolvedError",
    "shared.importers.data_factory.reading.tolerant_json.BrokenDefinitionError",
    "shared.importers.data_factory.version_2.updates._RefusedError",
    "shared.providers.azureml.errors.AzureMlRefusedError",
    "shared.providers.studio.errors.StudioRefusedError",
    "shared.telemetry.RedactedError",
}


def product() -> Iterator[tuple[str, str]]:
    """Yield each module of the product, and its text."""
    for folder in ("shared", "functions"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            yield name, file.read_text(encoding="utf-8")


def tree(found: type[RelearnError] = RelearnError) -> Iterator[type[RelearnError]]:
    """Yield the errors of `shared.errors`, as its docstring lists them."""
    yield found
    for one in found.__subclasses__():
        if one.__module__ == errors.__name__:
            yield from tree(one)


def test_every_error_of_the_product_is_in_one_module() -> None:
    elsewhere = set()
    for module, text in product():
        for name in re.findall(r"^\s*class (\w+)", text, re.MULTILINE):
            if module != errors.__name__:
                known = getattr(importlib.import_module(module), name, None)
                if isinstance(known, type) and issubclass(known, BaseException):
                    elsewhere.add(f"{module}.{name}")
    assert elsewhere == PRIVATE


def test_each_error_has_a_kind_of_its_own() -> None:
    kinds = [one.kind for one in tree()]
    assert len(kinds) > 20
    assert len(set(kinds)) == len(kinds)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", kind) for kind in kinds)


def test_the_docstring_shows_the_tree() -> None:
    listed = re.findall(r"^( *)[*x+-] (\w+)", errors.__doc__ or "", re.MULTILINE)
    depth = {name: len(blanks) // 2 for blanks, name in listed}
    assert depth == {one.__name__: len(one.__mro__) - len(RelearnError.__mro__) for one in tree()}
    assert [name for _, name in listed] == [one.__name__ for one in tree()]


def test_every_kind_is_documented_with_the_status_that_it_is_answered_with() -> None:
    text = (ROOT / "docs" / "http-api.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `([a-z_]+)` \| (\d{3}) \|", text, re.MULTILINE))
    answered = {
        one.kind: str(next(row[1] for row in PROBLEMS if issubclass(one, row[0]))) for one in tree()
    }
    assert listed == {**answered, "method_not_allowed": "405"}
