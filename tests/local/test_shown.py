"""The output of `make run` and of the demo, which has no secret."""

from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from local import run
from local.demo.play import Play


def test_the_sample_is_not_shown_to_whom_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "http://127.0.0.1:7080/subscriptions/s"
    file = tmp_path / "pipelines.yaml"
    monkeypatch.setattr(run, "ROOT", tmp_path)
    assert not run._file_names({}, url)
    file.write_text(f"workspace: {url}\n", encoding="utf-8")
    assert run._file_names({}, url)
    assert run._file_names({"PIPELINES_FILE": str(file)}, url)
    assert not run._file_names({"PIPELINES_FILE": "other.yaml"}, url)
    assert not run._file_names({}, url.replace("7080", "7081"))


def test_without_a_terminal_each_phase_is_printed_once_as_it_begins() -> None:
    out = StringIO()
    play = cast(Play[Any], SimpleNamespace(console=Console(file=out, force_terminal=False)))
    said: list[str] = []
    with Play._shown(play) as show:
        for phases in ([], ["received"], ["received"], ["received", "training", "training"]):
            show({"history": [{"phase": phase} for phase in phases]} if phases else {})
            said.append(out.getvalue())
    first = "  received\n"
    assert said == ["", first, first, f"{first}  training\n"]
