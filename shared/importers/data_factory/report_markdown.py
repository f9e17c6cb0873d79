"""Writes the report of an import as Markdown: the summary, what to do, then all other lines."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from shared.core.config.schedule_words import NextWindow, moment
from shared.importers.data_factory.account import ImportOutcome, Line
from shared.importers.data_factory.report import Report, by_file, past_words

_SPECIAL: Final = "\\`*[]|"
_MEANING: Final = {
    ImportOutcome.MAPPED: "it is in `pipelines.yaml`, and means the same there",
    ImportOutcome.APPROXIMATED: "it is in `pipelines.yaml`, with a difference that the line tells",
    ImportOutcome.NOT_CARRIED_OVER: "it is not there; the line says why, and what to do",
}
_NO_LINES: Final = "There was no definition in the files."


def markdown(report: Report) -> str:
    """Return the report as Markdown; each line is in one section of it."""
    differs = [one for one in report.lines if _differs(one)]
    others = [one for one in report.lines if not (one.asks or _differs(one))]
    parts = [
        "# Import from Azure Data Factory",
        f"Made {moment(report.made)} by `relearn import-adf`." if report.made else "",
        plain(report.summary),
        _counts(report),
        "## What to do next",
        "\n".join(f"{at}. {prose(step)}" for at, step in enumerate(report.steps(), start=1)),
        *_pipelines(report),
        *_settings(report),
        *_section("To do", "Each of these lines asks for something.", report.asking),
        *_schedules(report),
        *_section("What differs", "These lines ask for nothing, but Relearn differs.", differs),
        *_section("All other values", "There is nothing to do for these lines.", others),
        *_index(report),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _differs(line: Line) -> bool:
    return line.outcome is ImportOutcome.APPROXIMATED and not line.asks


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


def _counts(report: Report) -> str:
    asking = Counter(one.outcome for one in report.asking)
    return _table(
        ("outcome", "lines", "of these ask for something", "meaning"),
        [(one.value, str(report.counts[one]), str(asking[one]), _MEANING[one]) for one in _MEANING],
    )


def _index(report: Report) -> Iterator[str]:
    """Yield how many lines each file has of each outcome."""
    if not report.lines:
        yield _NO_LINES
        return
    yield "## Files"
    rows = []
    for file, lines in report.by_file.items():
        counts = Counter(line.outcome for line in lines)
        asking = sum(line.asks for line in lines)
        rows.append((plain(file), *(str(counts[one]) for one in _MEANING), str(asking)))
    yield _table(("file", *(one.value for one in _MEANING), "ask for something"), rows)


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
                "; ".join(f"{plain(place.file)} {code(place.at)}".strip() for place in one.stood),
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


def _section(title: str, what: str, lines: Sequence[Line]) -> Iterator[str]:
    """Yield lines in a table for each file, with the YAML to fill in; nothing without lines."""
    if not lines:
        return
    yield f"## {title}"
    yield f"{what} *Place* is where in the file it stands."
    for file, here in by_file(lines).items():
        yield f"### {plain(file)}"
        to_do = any(one.to_do for one in here)
        rows = [_row(one) if to_do else _row(one)[:-1] for one in here]
        heads = ("place", "what", "outcome", "where it is now, or what differs", "to do")
        yield _table(heads if to_do else heads[:-1], rows)
        yield from _blocks(here)


def _row(one: Line) -> tuple[str, ...]:
    what = f"{one.kind} {code(one.name)}".strip()
    place = code(one.at) or "the file"
    return place, what, _shown(one.outcome), prose(one.text), prose(one.to_do)


def _shown(outcome: ImportOutcome) -> str:
    left = outcome is ImportOutcome.NOT_CARRIED_OVER
    return f"**{outcome.value}**" if left else outcome.value


def _blocks(lines: Sequence[Line]) -> Iterator[str]:
    for one in lines:
        if one.block:
            yield f"To fill in, for {one.kind} {code(one.name)}:"
            fence = "```" if "```" not in one.block else "~~~~"
            yield f"{fence}yaml\n{one.block.rstrip()}\n{fence}"
