"""Makes the virtual environment that the worker runs in, once for each set of requirements."""

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

#: The worker's runtime; pinned, because the driver speaks to its inside.
RUNTIME: Final = "azure-functions-runtime==1.3.0"
_STAMP: Final = "made-from"


class InstallError(RuntimeError):
    """The packages could not be installed; the message ends with what pip said."""


def worker_python(
    folder: Path, python: Path, requirements: Path, progress: Callable[[str], None]
) -> Path:
    """Return the interpreter of an environment with `requirements` and the runtime.

    One that was made from the same is used again. `progress` gets each line of a new one.

    Raises:
        InstallError: it cannot be made.
    """
    inside, stamp = folder / "bin" / "python", folder / _STAMP
    wanted = _digest(python, requirements)
    if inside.is_file() and stamp.is_file() and stamp.read_text(encoding="ascii") == wanted:
        return inside
    _run([str(python), "-m", "venv", "--clear", str(folder)], progress)
    pip = [str(inside), "-m", "pip", "install", "--disable-pip-version-check"]
    _run([*pip, "--requirement", str(requirements), RUNTIME], progress)
    stamp.write_text(wanted, encoding="ascii")  # last: half an environment has no stamp
    return inside


def _digest(python: Path, requirements: Path) -> str:
    parts = (str(python.resolve()).encode(), requirements.read_bytes(), RUNTIME.encode())
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
