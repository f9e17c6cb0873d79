"""Writes the report of an import as Markdown: the summary, what to do, then every line."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from shared.core.config.schedule_words import NextWindow, moment
from shared.importers.data_factory.account import Line, Outcome
from shared.importers.data_factory.report import Report, past_words

_SPECIAL: Final = "\\`*[]|"
_MEANING: Final = {
    Outcome.MAPPED: "it is in `pipelines.yaml`, and means the same there",
    Outcome.APPROXIMATED: "it is in `pipelines.yaml`, with a difference that the line tells",
    Outcome.NOT_CARRIED_OVER: "it is not there; the line says what to do",
}


def markdown(report: Report) -> str:
    """Return the report as Markdown."""
    parts = [
        "# Import from Azure Data Factory",
        plain(report.summary),
        _table(
            ("outcome", "lines", "meaning"),
            [(one.value, str(report.counts[one]), _MEANING[one]) for one in _MEANING],
        ),
        "## What to do next",
        "\n".join(f"{at}. {prose(step)}" for at, step in enumerate(report.steps(), start=1)),
        *_settings(report),
        *_pipelines(report),
        *_schedules(report),
        *_index(report),
        *_files(report),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def prose(text: str) -> str:
    """Return a text of a line; what stands in it between two backticks is code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return plain(text)
    return "".join(code(part) if at % 2 else plain(part) for at, part in enumerate(parts))


def plain(text: str) -> str:
    """Return a text of a definition in which nothing is Markdown or HTML."""
    one_line = "".join(one if one.isprintable() else " " for one in text)
    escaped = "".join(f"\\{one}" if one in _SPECIAL else one for one in one_line)
    return escaped.replace("&", "&amp;").replace("<", "&lt;")


def code(text: str) -> str:
    """Return a text as code, also within a table."""
    one_line = "".join(one if one.isprintable() else " " for one in text).strip()
    if not one_line:
        return ""
    if "`" in one_line:
        return plain(one_line)
    return f"`{one_line}`".replace("|", "\\|")


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(heads)} |", f"| {' | '.join('---' for _ in heads)} |"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def _index(report: Report) -> Iterator[str]:
    """Yield how many lines each file has of each outcome, with a link to them."""
    if not report.lines:
        return
    yield "## Files"
    rows = []
    for at, (file, lines) in enumerate(report.by_file.items(), start=1):
        counts = Counter(line.outcome for line in lines)
        rows.append((f"[{plain(file)}](#file-{at})", *(str(counts[one]) for one in _MEANING)))
    yield _table(("file", *(one.value for one in _MEANING)), rows)


def _settings(report: Report) -> Iterator[str]:
    if not report.settings:
        return
    yield "## Settings to set"
    yield (
        "`local.settings.json` has a line for each. No secret was copied. One that stood in clear "
        "text is known to everybody who could read the definitions: rotate it."
    )
    yield _table(
        ("setting", "what belongs there", "where it stood", "rotate"),
        [
            (
                code(one.name),
                plain(one.text),
                "; ".join(f"{plain(place.file)} {code(place.at)}" for place in one.stood),
                "yes, it stood there in clear text" if one.in_clear else "",
            )
            for one in report.settings
        ],
    )


def _schedules(report: Report) -> Iterator[str]:
    if not report.schedules:
        return
    yield "## Schedules"
    yield "All times are UTC. Each window gets one run."
    for one in report.schedules:
        yield f"### {plain(one.pipeline)}"
        passed = f" {past_words(one)}." if one.past else ""
        words = f"{one.words[:1].upper()}{one.words[1:]}"
        yield plain(f"{words}. It waits for {one.waits_for}.{passed}")
        if one.windows:
            rows = [_window(window) for window in one.windows]
            yield _table(("window from", "to", "due", "its run begins"), rows)


def _window(window: NextWindow) -> tuple[str, str, str, str]:
    begins = moment(window.begins, "") if window.begins else "no run: paused"
    return moment(window.start, ""), moment(window.end, ""), moment(window.due, ""), begins


def _pipelines(report: Report) -> Iterator[str]:
    if not report.pipelines:
        return
    yield "## Pipelines"
    rows = []
    for one in report.pipelines:
        made = (f"{code(name)} ({plain(place.file)})" for name, place in one.made_from)
        endpoints = ", ".join(map(code, one.endpoints)) or "none"
        rows.append((code(one.name), ", ".join(made), endpoints))
    yield _table(("pipeline", "made from the activities", "endpoints"), rows)


def _files(report: Report) -> Iterator[str]:
    yield "## Every value, by file"
    if not report.lines:
        yield "There was no definition in what was read."
    for at, (file, lines) in enumerate(report.by_file.items(), start=1):
        yield f'<a id="file-{at}"></a>\n\n### {plain(file)}'
        yield _table(
            ("place", "what", "outcome", "where it is now, or what differs", "what to do"),
            [
                (
                    code(one.at) or "the file",
                    f"{one.kind} {code(one.name)}".strip(),
                    _shown(one.outcome),
                    prose(one.text),
                    prose(one.to_do),
                )
                for one in lines
            ],
        )
        yield from _blocks(lines)


def _shown(outcome: Outcome) -> str:
    left = outcome is Outcome.NOT_CARRIED_OVER
    return f"**{outcome.value}**" if left else outcome.value


def _blocks(lines: Sequence[Line]) -> Iterator[str]:
    for one in lines:
        if one.block:
            yield f"To fill in, for {one.kind} {code(one.name)}:"
            fence = "```" if "```" not in one.block else "~~~~"
            yield f"{fence}yaml\n{one.block.rstrip()}\n{fence}"
