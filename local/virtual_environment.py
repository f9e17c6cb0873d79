"""Makes a virtual environment for a check, once for each set of requirements."""

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_STAMP: Final = "made-from"

#: The exit code of a check that could not be made: it neither passed nor failed.
NOT_CHECKED: Final = 3


class InstallError(RuntimeError):
    """The packages could not be installed; the message ends with pip's last lines."""


def python_with(
    folder: Path,
    python: Path,
    requirements: Path,
    progress: Callable[[str], None],
    more: Sequence[str] = (),
) -> Path:
    """Return the interpreter of an environment with packages; one made from the same is used again.

    Args:
        folder: of the environment.
        python: the interpreter that makes it.
        requirements: a file that pins packages.
        progress: gets each line of pip's output.
        more: further packages, pinned.

    Returns:
        The interpreter.

    Raises:
        InstallError: it cannot be made.
    """
    inside, stamp = folder / "bin" / "python", folder / _STAMP
    wanted = _digest(python, requirements, more)
    with _alone(folder):
        if inside.is_file() and stamp.is_file() and stamp.read_text(encoding="ascii") == wanted:
            return inside
        _install(python, folder, ["--requirement", str(requirements), *more], progress)
        stamp.write_text(wanted, encoding="ascii")  # last: half an environment has no stamp
    return inside


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes from making the same environment at the same time."""
    folder.mkdir(parents=True, exist_ok=True)
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def _install(
    python: Path, folder: Path, wanted: Sequence[str], progress: Callable[[str], None]
) -> None:
    """Make the environment: by the uv beside an interpreter, which is quick, or with pip.

    What is never imported is not compiled either: that would take most of the time.
    """
    inside = str(folder / "bin" / "python")
    make = [str(python), "-m", "venv", "--clear"]
    beside = [one.with_name("uv") for one in (python, Path(sys.executable))]
    if uv := next(filter(Path.is_file, beside), None):
        try:
            _run([*make, "--without-pip", str(folder)], progress)
            return _run([str(uv), "pip", "install", "--python", inside, *wanted], progress)
        except InstallError:
            progress("uv could not; pip is tried, which may be set up otherwise")
    _run([*make, str(folder)], progress)
    pip = [inside, "-m", "pip", "install", "--no-compile", "--disable-pip-version-check"]
    return _run([*pip, *wanted], progress)


def _digest(python: Path, requirements: Path, more: Sequence[str]) -> str:
    named = [str(python.resolve()), *more]
    parts = (requirements.read_bytes(), *(one.encode() for one in named))
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _run(command: list[str], progress: Callable[[str], None]) -> None:
    said: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            said.append(line)
            progress(line.strip())
    if process.returncode:
        raise InstallError(f"{' '.join(command[1:4])} failed:\n{''.join(said[-30:])}")
