"""`relearn backtest`: has an app replay a gate over recorded runs, and shows what would differ."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from cli.output import CommandError, Output, Working
from cli.remote import RemoteApp
from cli.settings import settings_in
from cli.validate import beside, to_fill_in
from shared.config.files import read_yaml
from shared.config.loader import load_pipelines
from shared.core.counting import counted, they
from shared.errors import FileRefusedError

_USAGE: Final = 2
_SECONDS: Final = 200.0  #: a page takes a minute, and then the files of a few runs
_PAGE: Final = 20
_LARGEST: Final = 1024 * 1024
_PIPELINES: Final = re.compile(r"^pipelines\s*:", re.MULTILINE)
_FORM: Final = "a file with a section `gate:`, or a pipelines file"
_HEADS: Final = ("run", "opened", "phase", "its gate", "this gate", "why")
#: What is shown of a run.
_OF_A_RUN: Final = {"run_id", "opened_at", "phase", "changed", "recorded", "reason"}
_OF_A_VERDICT: Final = {"action", "reason"}
#: What the gate does after a verdict, in the words of people.
_ACTIONS: Final = {"promote": "passes", "ask": "asks", "wait": "waits", "reject": "rejects"}
_UNKNOWN: Final = "not_replayable"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is replayed, and what is printed of it."""

    pipeline: str | None  #: None: the only one of the file
    last: int  #: how many runs at most
    from_files: bool
    everything: bool  #: whether runs are printed that would have ended the same


def run(output: Output, file: Path, url: str, settings: Path, wanted: Wanted) -> int:
    """Print which runs would have ended differently, and return 0.

    Args:
        output: where it is printed.
        file: with the gate.
        url: of the app.
        settings: the app settings that a pipelines file names.
        wanted: what is replayed, and what is printed of it.

    Raises:
        CommandError: the file cannot be used, or the app does not answer.
    """
    pipeline, gate = _gate_in(file, settings, wanted.pipeline)
    app = RemoteApp(url)
    with output.working(f"{app.host} replays runs:") as working:
        result = _replayed(app, pipeline, gate, wanted, working)
    if output.as_json:
        output.json(result)
    _print(output, result, everything=wanted.everything)
    return 0


def _gate_in(file: Path, settings: Path, pipeline: str | None) -> tuple[str, Mapping[str, Any]]:
    """Return the pipeline that is meant, and the gate to replay, as the app takes it."""
    try:
        if not file.is_file() or file.stat().st_size > _LARGEST:
            raise CommandError(f"{file} is not a file of less than 1 MB: name {_FORM}", _USAGE)
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise CommandError(f"{file} cannot be read ({type(exc).__name__})", _USAGE) from None
    if _PIPELINES.search(text):
        return _of_pipelines(file, settings, pipeline)
    try:
        tree, _ = read_yaml(text, file.name, _FORM)
    except FileRefusedError as exc:
        raise CommandError(str(exc), _USAGE) from None
    if not isinstance(gate := tree.get("gate"), dict):
        raise CommandError(f"{file.name} has no section gate: name {_FORM}", _USAGE)
    if pipeline is None:
        raise CommandError("which runs? Name their pipeline with --pipeline", _USAGE)
    return pipeline, gate


def _of_pipelines(
    file: Path, settings: Path, pipeline: str | None
) -> tuple[str, Mapping[str, Any]]:
    environment, _ = to_fill_in(file, settings_in(beside(file, settings)))
    development = environment.get("AZURE_FUNCTIONS_ENVIRONMENT") == "Development"
    found = load_pipelines(file, environment, development=development)
    names = (*found.pipelines, *found.broken)
    if pipeline is None and len(names) == 1:
        pipeline = names[0]
    if pipeline is None:
        there = ", ".join(sorted(names)[:20]) or "none"
        raise CommandError(f"which pipeline? Name it with --pipeline; there is {there}", _USAGE)
    if pipeline in found.pipelines:
        shown = found.pipelines[pipeline].gate.model_dump(mode="json", exclude_none=True)
        return pipeline, shown
    if pipeline in found.broken or not names:
        raise CommandError(
            f"{file.name} has problems: see them with relearn validate {file}", _USAGE
        )
    raise CommandError(f"{file.name} has no pipeline {pipeline}", _USAGE)


def _replayed(
    app: RemoteApp, pipeline: str, gate: Mapping[str, Any], wanted: Wanted, working: Working
) -> dict[str, Any]:
    runs: list[dict[str, Any]] = []
    skipped, cursor = 0, None
    path = f"pipelines/{quote(pipeline, safe='')}/backtest"
    while True:
        body = {"gate": gate, "from_files": wanted.from_files, "cursor": cursor}
        body["limit"] = min(_PAGE, wanted.last - len(runs))
        page = app.ask("POST", path, _SECONDS, body)
        if not _is_page(page):
            raise CommandError("the answer is not from a backtest: is --url that of a Relearn app?")
        for one in page["runs"]:
            runs.append(one)
            working.step(wanted.last)
        skipped, cursor = skipped + page["skipped"], page.get("next")
        if cursor is None or len(runs) >= wanted.last:
            break
    known = [one for one in runs if one.get("replayed")]
    return {
        "result": "ok",
        "pipeline": pipeline,
        "replayed": len(known),
        "changed": sum(one["changed"] for one in known),
        "not_replayable": len(runs) - len(known),
        "skipped": skipped,
        "older": cursor is not None,
        "runs": runs,
    }


def _is_page(page: Any) -> bool:
    """Whether an answer has the form of a page, as far as it is printed."""
    runs = page.get("runs")
    return (
        isinstance(runs, list)
        and isinstance(page.get("skipped"), int)
        and all(isinstance(one, dict) and one.keys() >= _OF_A_RUN for one in runs)
        and all(_is_verdict(one["recorded"]) for one in runs)
        and all(_is_verdict(one["replayed"]) for one in runs if one.get("replayed"))
    )


def _is_verdict(verdict: Any) -> bool:
    return isinstance(verdict, dict) and verdict.keys() >= _OF_A_VERDICT


def _print(output: Output, result: Mapping[str, Any], *, everything: bool) -> None:
    runs = result["runs"]
    lines = [one for one in runs if everything or one["changed"] or not one.get("replayed")]
    if lines:
        output.table(_HEADS, [_row(one) for one in lines])
    replayed, changed = result["replayed"], result["changed"]
    said = f"{counted(replayed, 'run')} replayed, {changed} would have ended differently"
    if unknown := result["not_replayable"]:
        said += f"; of {unknown} it is unknown"
    if skipped := result["skipped"]:
        said += f"; {counted(skipped, 'run')} {they(skipped, 'was', 'were')} not judged"
    output.line(said)
    if result["older"]:
        output.line("There are older runs: --last takes more of them")


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    recorded, replayed = one["recorded"], one.get("replayed")
    says, why = _UNKNOWN, one["reason"]
    if replayed:
        says, why = _says(replayed), replayed["reason"]
    opened = str(one["opened_at"])[:16].replace("T", " ")
    return str(one["run_id"]), opened, str(one["phase"]), _says(recorded), says, str(why)


def _says(verdict: Mapping[str, Any]) -> str:
    action = str(verdict["action"])
    return _ACTIONS.get(action, action)
