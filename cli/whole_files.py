"""Writes several files into a folder: all of them whole, or none."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cli.output import CommandError

_BESIDE: Final = ".relearn-new"


def refuse_existing(folder: Path, names: Mapping[str, object] | list[str]) -> None:
    """Refuse to write over files.

    Args:
        folder: where they would be.
        names: of the files.

    Raises:
        CommandError: some of them exist; it names them.
    """
    there = [str(folder / name) for name in names if os.path.lexists(folder / name)]
    if there:
        are = "exists" if len(there) == 1 else "exist"
        raise CommandError(
            f"{', '.join(there)} {are}: nothing was written. To do: choose another folder with "
            "--output, or write over with --force"
        )


def write_whole(folder: Path, files: Mapping[str, str]) -> None:
    """Write files, each below another name first, so that none is written in part.

    Args:
        folder: where they belong; it is made.
        files: the text of each, by its name.

    Raises:
        CommandError: they cannot be written; none of them was changed.
    """
    made: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            if (folder / name).is_dir():
                raise CommandError(f"{folder / name} is a folder: choose another with --output")
            beside = folder / f".{name}{_BESIDE}"
            made.append(beside)
            beside.write_text(text, encoding="utf-8", newline="\n")
        for name, beside in zip(files, made, strict=True):
            beside.replace(folder / name)
    except OSError as exc:
        raise CommandError(
            f"the files cannot be written to {folder} ({exc.strerror or type(exc).__name__}): "
            "choose another folder with --output"
        ) from None
    finally:
        for beside in made:
            beside.unlink(missing_ok=True)
