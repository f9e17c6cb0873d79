"""Triggers of version 2: what starts a pipeline of the factory, and with which parameters.

Each trigger has one line of the report, and each of its keys that says something has one too. What
triggers mean: data-factory §3.5.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from shared.importers.data_factory.account import NOWHERE, Element
from shared.importers.data_factory.drafts import ImportContext, Timing
from shared.importers.data_factory.expressions.version_2 import Resolved, Scope, resolved
from shared.importers.data_factory.other_activities import set_aside
from shared.importers.data_factory.reading.definitions import Definition, Definitions, folded
from shared.importers.data_factory.reading.shapes import PIPELINE, TRIGGER
from shared.importers.data_factory.secrets import is_secret, report_passed
from shared.importers.data_factory.version_2.blob_events import (
    BlobEvent,
    blob_event,
    other_events,
    polled_event,
)
from shared.importers.data_factory.version_2.trigger_times import scheduled, windowed

Kind = Literal["", "schedule", "window", "blob"]
_ASIDE: Final = ("description", "annotations")
_KINDS: Final[dict[str, Kind]] = {
    "scheduletrigger": "schedule",
    "tumblingwindowtrigger": "window",
    "blobeventstrigger": "blob",
    "blobtrigger": "blob",
}
_INSTEAD: Final = {
    "customeventstrigger": "let what sends the event call POST /api/pipelines/{pipeline}/runs",
    "chainingtrigger": "give the pipeline its data: a run opens when the blob arrives",
    "reruntumblingwindowtrigger": "ask for a manual run with the due time of the window",
}


@dataclass(frozen=True, slots=True)
class Paused:
    """Why a pipeline of Relearn is paused, though a trigger starts that of the factory."""

    why: str
    to_do: str


@dataclass(frozen=True, slots=True)
class Start:
    """One way in which a pipeline of the factory is started."""

    trigger: str = ""  #: its name; empty where nothing but a request starts the pipeline
    kind: Kind = ""
    timing: Timing = field(default_factory=Timing)
    parameters: Mapping[str, Any] = field(default_factory=dict)  #: of the pipeline
    event: BlobEvent | None = None
    item: Resolved | None = None  #: the member of the ForEach that an activity is in
    retries: int = 0  #: of a run of the pipeline as a whole
    pause: str = ""
    source: Element = field(default=NOWHERE, compare=False)

    @property
    def paused(self) -> Timing:
        """The same where nothing starts the pipeline yet. NCRONTAB cannot be paused."""
        schedule = self.timing.schedule
        if isinstance(schedule, str):
            schedule = {"frequency": "Day", "interval": 1}
        paused = None if schedule is None else {**schedule, "paused": True}
        return replace(self.timing, schedule=paused, opens_runs=False)


def starts(definitions: Definitions, context: ImportContext) -> dict[str, list[Start]]:
    """Return what starts each pipeline, by its folded name; each trigger is reported.

    Args:
        definitions: all that was found.
        context: of the import.
    """
    found: dict[str, list[Start]] = {}
    for trigger in definitions.of(TRIGGER):
        made = _starts(trigger, context)
        for pipeline, values in _pipelines(trigger, definitions):
            of = found.setdefault(folded(pipeline), [])
            of += (replace(start, parameters=values) for start in made)
        if not any(start.source is trigger.body for of in found.values() for start in of):
            _report_unused(trigger)
        elif _is_started(trigger) and any(start.timing.is_held for start in made):
            text = "it opens no run yet: see the lines of its keys"
            trigger.body.approximated(TRIGGER, trigger.name, text)
    return found


def report_place(start: Start, place: str, paused: Paused | None = None) -> None:
    """Add to the line of a trigger which pipeline of Relearn it starts.

    Args:
        start: by the trigger.
        place: the pipeline in the pipelines file.
        paused: why the trigger does not start that yet.
    """
    schedule, timing = start.timing.schedule, start.timing if paused is None else start.paused
    parts = []
    if timing.schedule is not None:
        waits = isinstance(timing.schedule, dict) and timing.schedule.get("paused")
        parts.append("schedule, paused" if waits else "schedule")
    if start.event is not None:
        opens = str(timing.opens_runs).lower()
        parts.append(f"data.blob, data.opens_runs: {opens}")
    text = f"{place}: {', '.join(parts)}"
    if paused is None:
        start.source.mapped(TRIGGER, start.trigger, text)
        return
    to_do = paused.to_do
    if isinstance(schedule, str):
        differs = f"{place}: a daily schedule that is paused stands in place of NCRONTAB"
        to_do += f'; it is due by schedule: "{schedule}"'
        recurrence = start.source.get("properties", "typeProperties", "recurrence")
        recurrence.approximated("key", "recurrence", differs, to_do, whole=False)
    start.source.approximated(TRIGGER, start.trigger, f"{text}: {paused.why}", to_do)


def report_unsaid(given: Element, name: str, value: Resolved, pipeline: str) -> bool:
    """Report a parameter that is given to a pipeline, and return True, if its value is not known.

    Args:
        given: by a trigger or a call.
        name: of the parameter.
        value: what it stands for.
        pipeline: that gets it.
    """
    if value.text is not None or value.is_secret:
        return False
    to_do = f"see the lines of pipeline `{pipeline}` that use it"
    given.left("key", name, f"`{value.verbatim}`: {value.why}", to_do)
    return True


def _pipelines(
    trigger: Definition, definitions: Definitions
) -> list[tuple[str, dict[str, Resolved]]]:
    """Return the pipelines that a trigger starts, with their parameters."""
    several, single = (trigger.properties.get(key) for key in ("pipelines", "pipeline"))
    single = single or trigger.properties.get("typeProperties", "pipeline")
    found = []
    for one in [*several.list(), *single.list()]:
        reference = one.get("pipelineReference", "referenceName") or one.get("referenceName")
        name = reference.peek()
        parameters = one.get("parameters")
        one.take()
        pipeline = definitions.named(PIPELINE, name)
        if pipeline is None:
            text = f"pipeline {name or 'without a name'} is not among the files"
            one.left("key", "pipelineReference", text, "import it together with its trigger")
            continue
        values: dict[str, Resolved] = {}
        for key, passed in parameters.items():
            values[key] = resolved(passed.value, {}, Scope(trigger=_kind(trigger)))
            if passes_secret(pipeline, key, passed.value):
                report_passed(passed, key, passed.value)
            else:
                report_unsaid(passed, key, values[key], name)
        found.append((name, values))
    return found


def passes_secret(pipeline: Definition, name: str, value: Any) -> bool:
    """Whether a value for a parameter of a pipeline is a secret, or is declared as one there.

    Args:
        pipeline: that has the parameter.
        name: of the parameter.
        value: that a trigger or a call gives.
    """
    declared = pipeline.properties.get("parameters", name, "type").peek()
    return declared.casefold() == "securestring" or is_secret(name, value)


def _starts(trigger: Definition, context: ImportContext) -> list[Start]:
    """Return the ways in which a trigger starts a pipeline: several, if it needs schedules."""
    kind = _kind(trigger)
    if not kind:
        return []
    typed = _typed(trigger)
    if kind == "blob" and other_events(typed):
        return []
    _report_common(trigger, kind)
    started = _is_started(trigger)
    base = Start(trigger.name, kind, source=trigger.body)
    if kind == "blob":
        polled = trigger.type.strip().casefold() == "blobtrigger"
        event = polled_event(typed) if polled else blob_event(typed)
        opens = started and not event.wrong
        return [replace(base, event=event, timing=Timing(opens_runs=opens))]
    if kind == "window":
        timing, retries, pause = windowed(typed, context, started=started)
        return [replace(base, timing=timing, retries=retries, pause=pause)]
    schedules = scheduled(typed, context, started=started)
    return [replace(base, timing=Timing(schedule=spec)) for spec in schedules]


def _kind(trigger: Definition) -> Kind:
    return _KINDS.get(trigger.type.strip().casefold(), "")


def _typed(trigger: Definition) -> Element:
    return trigger.properties.get("typeProperties") or trigger.properties


def _is_started(trigger: Definition) -> bool:
    state = trigger.properties.get("runtimeState")
    return not state or state.peek().casefold() == "started"


def _report_common(trigger: Definition, kind: Kind) -> None:
    properties = trigger.properties
    for key in ("type", "typeProperties"):
        element = properties.get(key)
        if not isinstance(element.value, dict):
            element.take()
    set_aside(properties, *_ASIDE)
    state = properties.get("runtimeState")
    if not state:
        text = "the file does not say whether it is started, and it is taken as started"
        to_do = "write schedule.paused: true, or data.opens_runs: false, if it is stopped"
        trigger.body.approximated(TRIGGER, trigger.name, text, to_do)
    elif _is_started(trigger):
        state.take()
    elif kind == "blob":
        state.mapped("key", "runtimeState", f"{state.value}: data.opens_runs: false")
    elif kind == "window":
        state.mapped("key", "runtimeState", f"{state.value}: schedule.paused: true")
    else:
        text = f"{state.value}: schedule.paused: true; once that is removed, the newest due time "
        text += "that passed meanwhile gets a run, and in the factory none does"
        state.approximated("key", "runtimeState", text, "write catch_up: none if it is not to")


def _report_unused(trigger: Definition) -> None:
    kind = trigger.type.strip()
    if events := other_events(_typed(trigger)):
        text = f"it waits for {events}: only the arrival of a blob opens a run"
        to_do = "let what causes that call POST /api/pipelines/{pipeline}/runs"
    elif kind.casefold() in _KINDS:
        text, to_do = "it starts no pipeline of these files", "nothing to do"
    else:
        text = f"{kind or 'a trigger without a type'}: Relearn has no such trigger"
        to_do = _INSTEAD.get(kind.casefold(), "open runs by POST /api/pipelines/{pipeline}/runs")
    trigger.body.left(TRIGGER, trigger.name, text, to_do)
