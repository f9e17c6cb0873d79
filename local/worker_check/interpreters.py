"""Finds a CPython 3.13 that really runs: a name on PATH may be a shim without an interpreter."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

WANTED: Final = "CPython 3.13"
_COMMAND: Final = "python3.13"
_ASK: Final = (
    "import platform, sys;"
    "print(platform.python_implementation(), '.'.join(map(str, sys.version_info[:2])))"
)
_ASK_SECONDS: Final = 20


class NotUsableError(RuntimeError):
    """The interpreter that was asked for by path is not what the check needs."""


def find_python(
    given: Path | None, environment: Mapping[str, str], running: str = sys.executable
) -> Path | None:
    """Return a CPython 3.13, or None when this machine has none.

    Args:
        given: the only one to consider.
        environment: has PATH, PYENV_ROOT and HOME.
        running: the interpreter that runs the check itself.

    Raises:
        NotUsableError: `given` does not run or is something else.
    """
    if given is not None:
        if (said := identity(given)) != WANTED:
            raise NotUsableError(f"{given} is not {WANTED}: {said or 'it does not run'}")
        return given
    candidates = (Path(running), *_on_path(environment), *_of_pyenv(environment))
    return next((candidate for candidate in candidates if identity(candidate) == WANTED), None)


def identity(python: Path) -> str | None:
    """Return what the interpreter says it is, as `CPython 3.13`; None when it does not run."""
    try:
        asked = subprocess.run(
            [str(python), "-I", "-c", _ASK],
            capture_output=True,
            text=True,
            timeout=_ASK_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return asked.stdout.strip() if asked.returncode == 0 else None


def _on_path(environment: Mapping[str, str]) -> Iterator[Path]:
    for folder in environment.get("PATH", "").split(os.pathsep):
        if folder and (candidate := Path(folder) / _COMMAND).is_file():
            yield candidate


def _of_pyenv(environment: Mapping[str, str]) -> Iterator[Path]:
    roots = [Path(root) for root in (environment.get("PYENV_ROOT"),) if root]
    if home := environment.get("HOME"):
        roots.append(Path(home) / ".pyenv")
    for root in roots:
        found = [path for path in root.glob("versions/3.13*") if path.is_dir()]
        for version in sorted(found, key=_newest_last, reverse=True):
            yield version / "bin" / _COMMAND


def _newest_last(version: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version.name)]
