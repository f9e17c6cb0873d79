"""`relearn validate`: checks a pipelines file, and the files that it names."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from cli.output import CommandError, Output
from cli.settings import settings_in
from shared.config.loader import load_pipelines
from shared.core.config.problems import Problem
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
    environment = settings_in(settings)
    development = environment.get("AZURE_FUNCTIONS_ENVIRONMENT") == "Development"
    found = load_pipelines(file, environment, development=development)
    hints = found.hints_at(datetime.now(UTC))
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
        output.result("wrong", f"{problem.where}: {problem.what}", problem.cure)
    for hint in hints:
        output.result("hint", str(hint))
    problems = counted(len(found.problems), "problem")
    output.line(f"{counted(sound, 'pipeline')} without an error, {broken} with one; {problems}")
    return 1 if found.problems else 0


def _shown(found: Iterable[Problem]) -> list[dict[str, str]]:
    return [{"where": one.where, "text": one.what, "to_do": one.cure} for one in found]
