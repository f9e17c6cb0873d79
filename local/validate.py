"""Checks a pipelines file, and the files that it names, without an app or a service.

Exit codes: 0 the file has no problem; 1 it has; 2 the app settings cannot be read.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from shared.config.loader import load_pipelines

ROOT: Final = Path(__file__).parents[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print every problem and hint of the file, and return 0 when there is no problem."""
    parser = argparse.ArgumentParser(prog="python -m local.validate", description=__doc__)
    parser.add_argument("file", type=Path, help="such as pipelines.yaml")
    parser.add_argument(
        "--settings",
        type=Path,
        default=ROOT / "local.settings.json",
        help="app settings (local.settings.json, where there is one)",
    )
    options = parser.parse_args(arguments)
    try:
        environment = {**os.environ, **_settings(options.settings)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"{options.settings.name} cannot be read ({type(error).__name__})")
        return 2
    development = environment.get("AZURE_FUNCTIONS_ENVIRONMENT") == "Development"
    found = load_pipelines(options.file, environment, development=development)
    for problem in found.problems:
        print(problem)
    for hint in found.hints:
        print(f"hint: {hint}")
    counted = f"{len(found.pipelines)} sound, {len(found.broken)} with an error"
    print(f"pipelines: {counted}, problems: {len(found.problems)}")
    return 1 if found.problems else 0


def _settings(file: Path) -> Mapping[str, str]:
    if not file.exists():
        return {}
    values = json.loads(file.read_text(encoding="utf-8-sig"))["Values"]
    return {str(name): str(value) for name, value in values.items()}


if __name__ == "__main__":
    sys.exit(main())
