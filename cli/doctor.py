"""`relearn doctor`: tries everything that an app needs, here or as the app itself sees it."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Final, TypeVar

from cli.output import CommandError, Output
from cli.remote import RemoteApp
from cli.settings import folder_of, settings_in
from shared.app import App, of_settings
from shared.core.counting import counted
from shared.core.findings import CheckOutcome, Findings
from shared.version import VERSION

_SECONDS: Final = 225.0  #: the app takes 200 s at most
T = TypeVar("T")
_ASK_EVERY: Final = 0.5
_OF_A_LINE: Final = {"part", "check", "result", "text"}
_SHOWN: Final = {"not_checked": "not checked"}


def run(output: Output, url: str | None, settings: Path) -> int:
    """Print what is wrong and what to do, and return 0 where nothing is wrong.

    Args:
        output: where it is printed.
        url: of an app that runs; None: it is tried from here, by the settings.
        settings: the app settings.

    Raises:
        CommandError: the settings cannot be read, or the app does not answer.
    """
    if url is not None:
        app = RemoteApp(url)
        with output.working(f"doctor runs in {app.host}, for three minutes at most"):
            report = app.ask("POST", "doctor", _SECONDS)
    else:
        report = _here(output, settings)
    if not _is_report(report):
        raise CommandError("the answer is not from doctor: is --url that of a Relearn app?")
    if output.as_json:
        output.json(report)
    _print(output, report)
    return 0 if report["result"] == "ok" else 1


def shown(report: Findings) -> dict[str, Any]:
    """Return a report in the form that the HTTP API has."""
    counts = {outcome.value: report.counted(outcome) for outcome in CheckOutcome}
    lines = []
    for line in report.lines:
        found = line.finding
        one = {"part": line.part, "check": line.check, "result": found.outcome.value}
        one["text"] = found.text
        lines.append({**one, "to_do": found.advice} if found.advice else one)
    result = "ok" if report.is_well else "wrong"
    return {"version": VERSION, "result": result, **counts, "lines": lines}


def interruptible(work: Callable[[], T]) -> T:
    """Return what work returns; Ctrl-C does not wait for services that it waits for."""
    done: list[T] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            done.append(work())
        except Exception as exc:  # noqa: BLE001 -- it is raised below
            failed.append(exc)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_ASK_EVERY)  # with a time: else Ctrl-C is not seen on every system
    if failed:
        raise failed[0]
    return done[0]


def _is_report(answer: Any) -> bool:
    """Whether an answer has the form of a report, as far as it is printed."""
    lines = answer.get("lines") if isinstance(answer, dict) else None
    return (
        isinstance(lines, list)
        and answer.keys() >= {"result", "ok", "wrong", "not_checked"}
        and all(isinstance(one, dict) and one.keys() >= _OF_A_LINE for one in lines)
    )


def _here(output: Output, settings: Path) -> dict[str, Any]:
    environment = settings_in(settings)
    built = of_settings(environment, datetime.now(UTC), folder_of(settings))
    with output.working("checked") as working:
        if isinstance(built, App):
            interruptible(built.begin)
        doctor = built.doctor
        report = interruptible(
            lambda: doctor.report(lambda _check, _finding, count: working.step(count))
        )
    return shown(report)


def _print(output: Output, report: dict[str, Any]) -> None:
    for part, lines in groupby(report["lines"], key=lambda line: str(line["part"])):
        output.heading(part)
        for line in lines:
            result = str(line["result"])
            text = f"{line['check']}: {line['text']}"
            output.result(_SHOWN.get(result, result), text, str(line.get("to_do", "")))
    counts = f"{report['ok']} ok, {report['wrong']} wrong, {report['not_checked']} not checked"
    output.line(f"{counted(len(report['lines']), 'check')}: {counts}")
