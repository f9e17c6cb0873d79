"""Prints the report of an import: what needs attention, and counts of the rest."""

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from cli.output import Output
from shared.core.config.schedule_words import moment
from shared.core.counting import counted, they
from shared.importers.data_factory.account import ImportOutcome, Line
from shared.importers.data_factory.report import Report, ScheduleOfReport, past_words

#: Lines, schedules and settings that are printed where there is a file with all of them.
_MOST_LINES: Final = 20
_MOST_SCHEDULES: Final = 5
_MOST_SETTINGS: Final = 10
_IN_FILE: Final = "in import-report.md"


def show(
    output: Output, report: Report, folder: Path, written: Sequence[str], *, everything: bool
) -> None:
    """Print a report: the lines that ask for something, schedules, settings, and the next steps.

    Args:
        output: where it is printed.
        report: what became of the definitions.
        folder: where the files are.
        written: the files; empty where nothing was imported: then no file has the other lines.
        everything: whether nothing is left out.
    """
    _lines(output, report, whole=everything or not written, everything=everything)
    _schedules(output, report.schedules, everything=everything)
    _settings(output, report, everything=everything)
    output.heading(report.summary)
    output.heading("What to do next")
    for number, step in enumerate(
        report.steps(shlex.quote(str(folder / "pipelines.yaml"))), start=1
    ):
        output.line(f"  {number}. {step}")
    if written:
        output.line(f"Written: {', '.join(written)}")
    else:
        output.line("Nothing was written.")


def _lines(output: Output, report: Report, *, whole: bool, everything: bool) -> None:
    """Print the lines that ask for something; all of them where no file has them."""
    chosen: Sequence[Line] = report.lines if everything else report.asking
    if whole and not everything:
        chosen = [one for one in report.lines if one.outcome is not ImportOutcome.MAPPED]
    groups = _alike(chosen)
    shown = groups if whole else groups[:_MOST_LINES]
    file = ""
    for group in shown:
        first = group[0]
        if first.file != file:
            file = first.file
            output.heading(file)
        what = ", ".join(map(_what, group))
        output.result(first.outcome.value, f"{what}: {first.text}", first.to_do)
        for text in first.block.splitlines():
            output.line(f"      {text}")
    if more := sum(map(len, groups[len(shown) :])):
        ask = they(more, "asks", "ask")
        output.line(f"{counted(more, 'more line')} {ask} for something: {_IN_FILE}.")
    if rest := len(report.lines) - len(chosen):
        where = f"{_IN_FILE}, and with --all" if not whole else "shown with --all"
        ask = they(rest, "asks", "ask")
        output.line(f"{counted(rest, 'other line')} {ask} for nothing: {where}.")


def _alike(lines: Iterable[Line]) -> list[list[Line]]:
    """Return lines in groups: those of one file that say and ask the same are one group."""
    groups: dict[tuple[str, ...], list[Line]] = {}
    for one in lines:
        own = () if not one.block else (one.at,)
        said = (one.file, one.outcome.value, one.text, one.to_do, *own)
        groups.setdefault(said, []).append(one)
    return list(groups.values())


def _what(line: Line) -> str:
    at = f" ({line.at})" if line.path else ""
    return f"{line.kind} {line.name}".strip() + at


def _schedules(output: Output, schedules: Sequence[ScheduleOfReport], *, everything: bool) -> None:
    shown = schedules if everything else schedules[:_MOST_SCHEDULES]
    for one in shown:
        output.heading(f"Schedule of {one.pipeline}")
        output.line(f"  {one.words[:1].upper()}{one.words[1:]}.")
        output.line(f"  It waits for {one.waits_for}.")
        if passed := past_words(one):
            output.line(f"  {passed}.")
        if one.windows:
            output.table(("window from", "to (UTC)", "its run begins"), _windows(one))
    if more := len(schedules) - len(shown):
        output.line(f"{counted(more, 'more schedule')}: {_IN_FILE}, and with --all.")


def _windows(one: ScheduleOfReport) -> list[tuple[str, str, str]]:
    return [
        (
            moment(at.start, ""),
            moment(at.end, ""),
            moment(at.begins, "") if at.begins else "no run: paused",
        )
        for at in one.windows
    ]


def _settings(output: Output, report: Report, *, everything: bool) -> None:
    if not report.settings:
        return
    shown = report.settings if everything else report.settings[:_MOST_SETTINGS]
    output.heading("Settings that need a value, in local.settings.json")
    for one in shown:
        rotate = "; it stood in clear text: rotate it" if one.in_clear else ""
        stood = f" ({'; '.join(map(str, one.stood))})" if everything and one.stood else ""
        output.line(f"  {one.name}: {one.text}{rotate}{stood}")
    if more := len(report.settings) - len(shown):
        output.line(f"{counted(more, 'more setting')}: {_IN_FILE}, and with --all.")
