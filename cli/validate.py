"""`relearn validate`: checks a pipelines file, and the files that it names."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from cli.output import CommandError, Output
from cli.settings import DEFAULT_SETTINGS, settings_in
from shared.config.loader import load_pipelines
from shared.core.config.problems import Problem
from shared.core.config.setting_references import not_filled_in, references_in
from shared.core.counting import counted


def run(output: Output, file: Path, settings: Path) -> int:
    """Print every problem and hint of a file, and return 0 where there is no problem.

    Args:
        output: where it is printed.
        file: the pipelines file.
        settings: the app settings.

    Raises:
        CommandError: the file or the settings cannot be read.
    """
    if not file.is_file():
        raise CommandError(f"there is no file {file}: correct the path", 2)
    environment, placeholders = to_fill_in(file, settings_in(beside(file, settings)))
    development = environment.get("AZURE_FUNCTIONS_ENVIRONMENT") == "Development"
    found = load_pipelines(file, environment, development=development)
    hints = (*found.hints_at(datetime.now(UTC)), *placeholders)
    sound, broken = len(found.pipelines), len(found.broken)
    if output.as_json:
        output.json(
            {
                "result": "wrong" if found.problems else "ok",
                "sound": sound,
                "broken": broken,
                "problems": _shown(found.problems),
                "hints": _shown(hints),
            }
        )
    for problem in found.problems:
        output.result("wrong", f"{problem.where}: {problem.what}", problem.advice)
    for hint in hints:
        output.result("hint", str(hint))
    problems = counted(len(found.problems), "problem")
    output.line(f"{counted(sound, 'pipeline')} without an error, {broken} with one; {problems}")
    return 1 if found.problems else 0


def beside(file: Path, settings: Path) -> Path:
    """Return the settings: by default those in the file's folder, if there are any.

    Args:
        file: the pipelines file.
        settings: as they were named.
    """
    there = file.parent / DEFAULT_SETTINGS
    return there if settings == DEFAULT_SETTINGS and there.is_file() else settings


def to_fill_in(file: Path, environment: Mapping[str, str]) -> tuple[dict[str, str], list[Problem]]:
    """Return the environment with values for placeholders, and a hint for each of those.

    The file is no worse for a setting that is not filled in yet. Doctor and the app refuse it.

    Args:
        file: that names settings.
        environment: the app settings.
    """
    try:
        names = references_in(file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError):
        names = ()
    filled, hints = dict(environment), list[Problem]()
    for name in dict.fromkeys(names):
        if (wrong := not_filled_in(environment.get(name, ""))) is not None:
            filled[name] = f"stands-in-for-{name.lower()}"
            hints.append(Problem(f"app setting {name}", *wrong))
    return filled, hints


def _shown(found: Iterable[Problem]) -> list[dict[str, str]]:
    return [{"where": one.where, "text": one.what, "to_do": one.advice} for one in found]
