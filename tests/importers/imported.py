"""Runs `relearn import-adf` over definitions, and reads the files that it wrote."""

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cli.main import main


@dataclass(frozen=True, slots=True)
class Imported:
    """What one run of the command gave."""

    code: int
    said: str
    folder: Path
    report: dict[str, Any]  #: for programs

    @property
    def lines(self) -> list[dict[str, str]]:
        """The lines of the report."""
        found: list[dict[str, str]] = self.report["lines"]
        return found

    @property
    def pipelines(self) -> dict[str, Any]:
        """The pipelines of the file, by name."""
        found: dict[str, Any] = yaml.safe_load(self.text("pipelines.yaml"))["pipelines"]
        return found

    def text(self, name: str) -> str:
        """Return a file that the command wrote; an empty text if there is none."""
        file = self.folder / name
        return file.read_text(encoding="utf-8") if file.exists() else ""

    def everything(self) -> str:
        """Return all that it wrote and said."""
        files = (one for one in sorted(self.folder.rglob("*")) if one.is_file())
        return "\n".join([self.said, *(one.read_text(encoding="utf-8") for one in files)])


def run_import(source: Path, output: Path, *more: str) -> Imported:
    """Import definitions; fails on an exception that the command did not expect.

    Args:
        source: the folder of the definitions.
        output: where the result is written.
        more: further arguments.
    """
    said, warned = io.StringIO(), io.StringIO()
    arguments = ["import-adf", str(source), "--output", str(output), *more, "--json", "--debug"]
    with redirect_stdout(said), redirect_stderr(warned):
        code = main(arguments)
    assert "Traceback" not in warned.getvalue(), warned.getvalue()
    text = said.getvalue() + warned.getvalue()
    return Imported(code, text, output, json.loads(said.getvalue()))
