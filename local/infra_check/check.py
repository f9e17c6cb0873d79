"""Runs all checks of the infrastructure without Azure, and returns one list of problems."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from local.infra_check.declarations import check_file
from local.infra_check.files import Program, check_outputs
from local.infra_check.monitoring import ALERTS, WORKBOOK, check_monitoring
from local.infra_check.project import AZURE_YAML, PARAMETERS, check_project
from local.infra_check.roles import check_values
from local.infra_check.settings import check_settings, indexed_functions
from local.infra_check.syntax import Finding
from local.infra_check.wanted import check_wanted

ROOT: Final = Path(__file__).parents[2]
_OTHERS: Final = (AZURE_YAML, PARAMETERS, ALERTS, WORKBOOK)


def texts_of(root: Path) -> dict[str, str]:
    """Return the content of every file that is checked, by its path from the root."""
    names = [file.relative_to(root).as_posix() for file in sorted(root.glob("infra/**/*.bicep"))]
    names += [name for name in _OTHERS if (root / name).is_file()]
    return {name: (root / name).read_text(encoding="utf-8") for name in names}


def check_all(root: Path, texts: Mapping[str, str], functions: frozenset[str]) -> list[Finding]:
    """Return everything that is wrong, in the order of files and lines.

    Args:
        root: of the project.
        texts: path -> content of the files that are checked.
        functions: the names of the app's functions.
    """
    program = templates(root, texts)
    if not program.files:
        return [Finding("infra", 1, "there is no file of Bicep")]
    for file in program.files.values():
        check_file(file)
        check_values(file)
        check_wanted(file)
    check_outputs(program)
    check_settings(program, functions)
    found = check_project(root, texts, program) + check_monitoring(texts, functions)
    for file in program.files.values():
        found += file.found
    return sorted(set(found))


def templates(root: Path, texts: Mapping[str, str]) -> Program:
    """Return the templates, parsed and not yet checked.

    Args:
        root: of the project, for the files that they load.
        texts: path -> content; the files of Bicep among them.
    """

    def content(name: str) -> str | None:
        if name in texts:
            return texts[name]
        path = root / name
        return path.read_text(encoding="utf-8") if path.is_file() else None

    program = Program(content)
    for name, text in texts.items():
        if name.endswith(".bicep"):
            program.add(name, text)
    return program


def check_here() -> list[Finding]:
    """Return everything that is wrong in this project."""
    return check_all(ROOT, texts_of(ROOT), indexed_functions(ROOT))
