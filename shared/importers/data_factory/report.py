"""The report of an import: what became of each value, the next windows, the settings to set.

Its JSON form has the number `form`; a form that is changed gets another number. No secret is in a
report: lines are written without values of secrets, and say where those stood.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from shared.core.config.schedule_words import NextWindow
from shared.core.counting import counted, they
from shared.importers.data_factory.account import ImportOutcome, Line, Path, Place

#: Of the JSON form.
FORM: Final = 1
#: Windows of the past are counted up to this number.
MOST_PAST: Final = 1000
#: Places that a step names one by one.
_MOST_NAMED: Final = 5
_OUTCOMES: Final = (
    ImportOutcome.MAPPED,
    ImportOutcome.APPROXIMATED,
    ImportOutcome.NOT_CARRIED_OVER,
)
_NOTHING: Final = "Nothing was imported: each line of the report says why."
_NOTHING_READ: Final = (
    "Nothing was imported: there was no JSON file in the named paths. Zip files are not read: "
    "unpack them."
)
_ALL_AT_ONCE: Final = (
    "Name the folder of the factory, or all its files at once: pipelines, datasets, services."
)
#: What is to be done after each import.
_REPLACE: Final = (
    "Replace `training` and `endpoints` by those of Azure Machine Learning (docs/azureml.md): "
    "Studio (classic) was retired on 31 August 2024, and its services do not answer. Data, "
    "schedules and windows stay."
)
_STOP: Final = (
    "Stop the triggers and pipelines of the factory before the app runs: else both update the "
    "same endpoints."
)
_START: Final = (
    "Put pipelines.yaml and local.settings.json into the folder of the app, or add them to those "
    "that are there, and start it. "
    "relearn doctor then tries each service and endpoint."
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

    @property
    def opens_no_run(self) -> bool:
        """Whether it is paused, or over without a window of the past that is to be trained."""
        over = not self.windows and not (self.past and self.backfill)
        return over or (bool(self.windows) and not any(at.begins for at in self.windows))


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
    made: datetime | None = None  #: when; windows of the past are those that passed before

    @property
    def counts(self) -> dict[ImportOutcome, int]:
        """How many lines there are of each outcome."""
        return {one: sum(line.outcome is one for line in self.lines) for one in _OUTCOMES}

    @property
    def by_file(self) -> dict[str, tuple[Line, ...]]:
        """The lines of each file."""
        return by_file(self.lines)

    @property
    def asking(self) -> tuple[Line, ...]:
        """The lines that ask the reader to do something."""
        return tuple(one for one in self.lines if one.asks)

    @property
    def summary(self) -> str:
        """What was imported, in two sentences."""
        counts, asking = self.counts, len(self.asking)
        numbers = ", ".join(f"{counts[one]} {one.value}" for one in _OUTCOMES)
        files = counted(len(self.by_file), "file")
        return (
            f"{counted(len(self.pipelines), 'pipeline')} made from {files}. "
            f"{counted(len(self.lines), 'line')}: {numbers}; "
            f"{asking} {they(asking, 'asks', 'ask')} you to do something."
        )

    def steps(self, file: str = "pipelines.yaml") -> list[str]:
        """Return what the reader does next, in order.

        Args:
            file: the pipelines file, as a shell takes it.
        """
        if not self.pipelines:
            why = _NOTHING if self.lines else _NOTHING_READ
            return [why, _ALL_AT_ONCE, *_rotations(self)]
        return list(_steps(self, file))


def by_file(lines: Iterable[Line]) -> dict[str, tuple[Line, ...]]:
    """Return lines by their files, in the order in which those come."""
    files: dict[str, list[Line]] = {}
    for line in lines:
        files.setdefault(line.file, []).append(line)
    return {file: tuple(mine) for file, mine in files.items()}


def past_words(one: ScheduleOfReport) -> str:
    """Return how many windows have passed, and what becomes of them; empty where there is none."""
    if not one.past:
        return ""
    number = counted(one.past, "window") + (" or more" if one.past >= MOST_PAST else "")
    passed = f"{number} {they(one.past, 'has', 'have')} passed"
    if one.backfill:
        get = they(one.past, "it gets a run", "they get runs, the newest catch_up_most of them")
        return f"{passed}: {get} (schedule.backfill)"
    return f"{passed}; none of them gets a run (--backfill changes that)"


def sorted_lines(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Return lines by file and by their place in it."""
    return tuple(sorted(lines, key=lambda one: (one.file, _in_order(one.path))))


def as_json(report: Report) -> dict[str, Any]:
    """Return the report for programs, in a form that stays the same."""
    counts = report.counts
    return {
        "form": FORM,
        "result": "imported" if report.pipelines else "nothing imported",
        "made": report.made.isoformat(timespec="seconds") if report.made else None,
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


def _steps(report: Report, file: str) -> Iterable[str]:
    yield from _rotations(report)
    yield _REPLACE
    if asking := len(report.asking):
        each = they(asking, "it says what", "each says what and where")
        yield f'Do what {counted(asking, "line")} under "To do" in import-report.md ask: {each}.'
    if any("fill-in/" in one.text for one in report.lines):
        yield (
            "Write the paths that begin with fill-in/ in pipelines.yaml: the definitions do not "
            "say them."
        )
    if any(_EXAMPLES.search(one.text) for one in report.lines):
        yield "Replace the example ids in URLs of pipelines.yaml: relearn validate shows where."
    if report.settings:
        names = counted(len(report.settings), "setting")
        yield (
            f"Give a value to {names} of local.settings.json, where pipelines.yaml still needs it: "
            "what stands there in <> says what belongs there. No secret was copied."
        )
    if report.container:
        yield (
            f"Let the app use the storage account {report.account}: its container "
            f"{report.container} is TRAINING_DATA_CONTAINER."
        )
    yield from _about_schedules(report.schedules)
    if any(one.endpoints for one in report.pipelines):
        yield (
            "Add `verify: {rows: probe.json}` to each endpoint, so that updates are verified: the "
            "factory had nothing like it."
        )
    yield f"Check the file: relearn validate {file}"
    yield from (_STOP, _START)


def _rotations(report: Report) -> Iterable[str]:
    clear = [str(one.place) for one in report.lines if "rotate" in one.to_do]
    if clear:
        places = counted(len(clear), "place")
        yield f"Rotate the secrets that stand in clear text in {places}: {_some(clear)}."


def _some(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    more = f", and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{', '.join(names[:_MOST_NAMED])}{more}"


def _about_schedules(schedules: Sequence[ScheduleOfReport]) -> Iterable[str]:
    """Yield which schedules open no run, and what becomes of windows that have passed."""
    idle = [one.pipeline for one in schedules if one.opens_no_run]
    if idle:
        they_are = they(len(idle), "This schedule opens", "These schedules open")
        yield (
            f"{they_are} no run, being paused or over: {_some(idle)}. "
            "Remove schedule.paused, or write a later schedule.end, where runs are wanted."
        )
    if any(one.past and not one.backfill for one in schedules):
        yield (
            "Write schedule.backfill: true, or import again with --backfill --force, if windows "
            "that have passed are to be trained: without that they get no run."
        )
