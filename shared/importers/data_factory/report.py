"""The report of an import: what became of each value, the next windows, the settings to set.

Its JSON form has the number `form`; a form that is changed gets another number. No secret is in a
report: lines are written without values of secrets, and say where those stood.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.core.config.schedule_words import NextWindow
from shared.core.counting import counted, they
from shared.importers.data_factory.account import Line, Outcome, Path, Place

#: Of the JSON form.
FORM: Final = 1
#: Windows of the past are counted up to this number.
MOST_PAST: Final = 1000
#: Places that a step names one by one.
_MOST_NAMED: Final = 5
_OUTCOMES: Final = (Outcome.MAPPED, Outcome.APPROXIMATED, Outcome.NOT_CARRIED_OVER)
_NOTHING: Final = "Nothing was imported: each line of the report says why."
_NOTHING_READ: Final = "Nothing was imported: there was no file of JSON in what was named."
_ALL_AT_ONCE: Final = (
    "Name the folder of the factory, or all its files at once: pipelines, datasets, services."
)


#: What a line says of a URL that the definitions do not have.
_EXAMPLES: Final = re.compile(r"\bexample(?: ids)? stands? in (?:its|their) place")


@dataclass(frozen=True, slots=True)
class Setting:
    """An app setting that the pipelines file names."""

    name: str
    text: str  #: what belongs there
    stood: tuple[Place, ...] = ()  #: where its value, or a reference to it, was
    in_clear: bool = False  #: whether the value was readable there, so that it has to be rotated


@dataclass(frozen=True, slots=True)
class ScheduleOfReport:
    """When a pipeline runs."""

    pipeline: str
    words: str
    waits_for: str  #: what must happen before the next run
    windows: tuple[NextWindow, ...]
    past: int = 0  #: windows of the past; `MOST_PAST` stands for so many and more
    backfill: bool = False  #: whether those are trained


@dataclass(frozen=True, slots=True)
class PipelineOfReport:
    """A pipeline of the file, and the activities that it was made from."""

    name: str
    made_from: tuple[tuple[str, Place], ...]
    endpoints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the definitions."""

    lines: tuple[Line, ...]
    pipelines: tuple[PipelineOfReport, ...] = ()
    schedules: tuple[ScheduleOfReport, ...] = ()
    settings: tuple[Setting, ...] = ()
    container: str = ""
    account: str = ""

    @property
    def counts(self) -> dict[Outcome, int]:
        """How many lines there are of each outcome."""
        return {one: sum(line.outcome is one for line in self.lines) for one in _OUTCOMES}

    @property
    def by_file(self) -> dict[str, tuple[Line, ...]]:
        """The lines of each file."""
        files: dict[str, list[Line]] = {}
        for line in self.lines:
            files.setdefault(line.file, []).append(line)
        return {file: tuple(lines) for file, lines in files.items()}

    @property
    def summary(self) -> str:
        """What was imported, in one sentence."""
        counts = self.counts
        numbers = ", ".join(f"{counts[one]} {one.value}" for one in _OUTCOMES)
        files = counted(len(self.by_file), "file")
        return (
            f"{counted(len(self.pipelines), 'pipeline')} made from {files}; "
            f"{counted(len(self.lines), 'line')}: {numbers}."
        )

    def steps(self, folder: str = "") -> list[str]:
        """Return what the reader does next, in order.

        Args:
            folder: where the files are; empty: here.
        """
        if not self.pipelines:
            return [_NOTHING if self.lines else _NOTHING_READ, _ALL_AT_ONCE]
        return list(_steps(self, folder))


def past_words(one: ScheduleOfReport) -> str:
    """Return how many windows have passed, and what becomes of them; empty where there is none."""
    if not one.past:
        return ""
    number = counted(one.past, "window") + (" or more" if one.past >= MOST_PAST else "")
    passed = f"{number} {they(one.past, 'has', 'have')} passed"
    if one.backfill:
        return f"{passed}: trained, the newest ones as catch_up_most says (schedule.backfill)"
    return f"{passed}: not trained again, since the factory has done so (--backfill trains them)"


def sorted_lines(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Return lines by file and by their place in it."""
    return tuple(sorted(lines, key=lambda one: (one.file, _in_order(one.path))))


def as_json(report: Report) -> dict[str, Any]:
    """Return the report for programs, in a form that stays the same."""
    counts = report.counts
    return {
        "form": FORM,
        "result": "imported" if report.pipelines else "nothing imported",
        "counts": {one.value.replace(" ", "_"): counts[one] for one in _OUTCOMES},
        "pipelines": [
            {
                "name": one.name,
                "activities": [
                    {"name": name, "file": place.file, "path": place.at}
                    for name, place in one.made_from
                ],
                "endpoints": list(one.endpoints),
            }
            for one in report.pipelines
        ],
        "lines": [_line_as_json(line) for line in report.lines],
        "schedules": [_schedule_as_json(one) for one in report.schedules],
        "settings": [
            {
                "name": one.name,
                "text": one.text,
                "stood": [{"file": place.file, "path": place.at} for place in one.stood],
                "in_clear": one.in_clear,
            }
            for one in report.settings
        ],
        "container": {"name": report.container, "account": report.account},
        "steps": report.steps(),
    }


def _line_as_json(line: Line) -> dict[str, str]:
    made = {
        "file": line.file,
        "path": line.at,
        "kind": line.kind,
        "name": line.name,
        "outcome": line.outcome.value,
        "text": line.text,
    }
    more = {"to_do": line.to_do, "block": line.block}
    return made | {key: value for key, value in more.items() if value}


def _schedule_as_json(one: ScheduleOfReport) -> dict[str, Any]:
    return {
        "pipeline": one.pipeline,
        "words": one.words,
        "waits_for": one.waits_for,
        "windows": [
            {
                "start": at.start.isoformat(),
                "end": at.end.isoformat(),
                "due": at.due.isoformat(),
                "begins": at.begins.isoformat() if at.begins else None,
            }
            for at in one.windows
        ],
        "past": one.past,
        "backfill": one.backfill,
    }


def _in_order(path: Path) -> Sequence[tuple[bool, Any]]:
    return tuple((isinstance(part, str), part) for part in path)


def _steps(report: Report, folder: str) -> Iterable[str]:
    counts = report.counts
    if left := counts[Outcome.NOT_CARRIED_OVER]:
        are = they(left, "is", "are")
        yield f"Read {counted(left, 'line')} that {are} not carried over: each says what to do."
    if differs := counts[Outcome.APPROXIMATED]:
        are = they(differs, "is", "are")
        yield f"Read {counted(differs, 'line')} that {are} approximated: each says what differs."
    if any("fill-in/" in one.text for one in report.lines):
        yield "Replace the paths of pipelines.yaml that begin with fill-in/: they are unknown."
    if any(_EXAMPLES.search(one.text) for one in report.lines):
        yield "Replace the example ids in URLs of pipelines.yaml: relearn validate names them."
    if report.settings:
        names = counted(len(report.settings), "setting")
        yield (
            f"Give {names} of local.settings.json a value; the report says which secret each of "
            "them is. No value was copied."
        )
    if clear := [str(one.place) for one in report.lines if "rotate" in one.to_do]:
        places = counted(len(clear), "place")
        more = f", and {len(clear) - _MOST_NAMED} more" if len(clear) > _MOST_NAMED else ""
        yield (
            f"Rotate the secrets that stand in clear text in {places}: "
            f"{', '.join(clear[:_MOST_NAMED])}{more}."
        )
    if report.container:
        yield (
            f"Let the app use the storage account {report.account}: its container "
            f"{report.container} is TRAINING_DATA_CONTAINER."
        )
    there = f"cd {folder} && " if folder else ""
    yield f"Check the file: {there}relearn validate pipelines.yaml"
    if any(one.past and not one.backfill for one in report.schedules):
        yield "Import with --backfill if windows that have passed should be trained again."
    yield (
        "Stop the triggers and pipelines of the factory before the app runs: else both update the "
        "same endpoints."
    )
    if any(one.endpoints for one in report.pipelines):
        yield (
            "Add `verify: {rows: probe.json}` to each endpoint, so that updates are verified: the "
            "factory had nothing like it."
        )
