"""The app settings, read once; every wrong one is reported by name, none raises at import."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from shared.config.connections import (
    DEFAULT_CONNECTION,
    connection_hints,
    connection_name,
    connection_problems,
    connection_settings,
)
from shared.config.disabled import is_disabled
from shared.config.file_locations import CONTAINER, SETTING, FileLocation, place_of
from shared.config.values import (
    duration_in,
    longer_than_nothing,
    misspelt,
    quoted,
    schedule_hints,
    schedule_in,
    scope_problems,
)
from shared.core.config.problems import Problem
from shared.core.config.setting_references import not_filled_in
from shared.core.config.types import parse_duration, show_duration

__all__ = [
    "APP_SETTINGS",
    "DEFAULT_CONNECTION",
    "POLL_DEFAULT",
    "SCHEDULE_TICK_DEFAULT",
    "STORAGE_EVENTS_DEFAULT",
    "WORKSPACE_EVENTS_DEFAULT",
    "AppSetting",
    "Problem",
    "Settings",
    "connection_name",
    "is_disabled",
    "read_settings",
    "triggering",
]

POLL_DEFAULT: Final = "*/30 * * * * *"
SCHEDULE_TICK_DEFAULT: Final = "0 * * * * *"
STORAGE_EVENTS_DEFAULT: Final = "relearn-storage-events"
WORKSPACE_EVENTS_DEFAULT: Final = "relearn-workspace-events"
DEAD_LETTERS_DEFAULT: Final = "relearn-dead-letters"
_FUNCTION_TIMEOUT: Final = timedelta(minutes=5)
_CLOCK_TIME: Final = re.compile(r"(?:[0-9]{1,3}\.)?[0-9]{1,2}:[0-9]{2}:[0-9]{2}")
_TIMEOUT_SETTING: Final = "AzureFunctionsJobHost__functionTimeout"
#: A queue's name leaves room for the name of its poison queue: `<name>-poison`.
_QUEUE: Final = re.compile(r"(?=.{3,56}\Z)[a-z0-9]+(?:-[a-z0-9]+)*")
_NEEDED: Final = {
    "poll_jobs": "no open run continues",
    "start_scheduled_runs": "no schedule and no search for lost events is carried out",
}
_BLOB_SOURCES: Final = ("EventGrid", "LogsAndContainerScan")
_CONTAINERS: Final = ("TRAINING_DATA_CONTAINER", "MODELS_CONTAINER", "LEDGER_CONTAINER")


@dataclass(frozen=True, slots=True)
class AppSetting:
    """A setting that the app reads."""

    name: str
    required: bool = False  #: without it the app does nothing


#: Every setting that the app reads by its own name. Of the connections none is required by itself:
#: one that is not set stands for `AzureWebJobsStorage`. Settings that the pipelines file names
#: as `${NAME}` are not among them.
APP_SETTINGS: Final = (
    *(AppSetting(name, required=True) for name in _CONTAINERS),
    AppSetting("DEAD_LETTER_CONTAINER"),
    AppSetting("STORAGE_EVENTS_QUEUE"),
    AppSetting("WORKSPACE_EVENTS_QUEUE"),
    *(AppSetting(name) for name in connection_settings()),
    AppSetting("BLOB_SOURCE"),
    AppSetting("PIPELINES_FILE"),
    AppSetting("POLL_SCHEDULE"),
    AppSetting("SCHEDULE_TICK"),
    AppSetting("CHECK_INTERVAL_MIN"),
    AppSetting("CHECK_INTERVAL_MAX"),
    AppSetting("CLAIM_LEASE"),
    AppSetting(_TIMEOUT_SETTING),
    AppSetting("AZUREML_ARM_SCOPE"),
    AppSetting("AZUREML_ML_SCOPE"),
    AppSetting("AZURE_FUNCTIONS_ENVIRONMENT"),
    AppSetting("PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY"),
    AppSetting("PYTHON_ENABLE_OPENTELEMETRY"),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings, valid as far as `problems` does not say otherwise."""

    data_container: str
    models_container: str
    ledger_container: str
    dead_letter_container: str
    storage_events_queue: str
    workspace_events_queue: str
    pipelines: FileLocation
    lease: timedelta
    function_timeout: timedelta
    check_interval_min: timedelta
    check_interval_max: timedelta
    development: bool
    poll_schedule: str
    schedule_tick: str
    problems: tuple[Problem, ...]
    hints: tuple[Problem, ...] = ()  #: what is set and not used, and the like

    @property
    def containers(self) -> tuple[str, ...]:
        """The names of the app's containers."""
        known = (
            self.data_container,
            self.models_container,
            self.ledger_container,
            self.dead_letter_container,
        )
        return (*known, self.pipelines.container) if self.pipelines.container else known

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the app's containers and queues, which are not secret."""
        return (*self.containers, self.storage_events_queue, self.workspace_events_queue)


def triggering(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the connections whose blobs trigger a function.

    Where a function is disabled, the queues of its account may be closed to the app.
    """
    functions = {"DataStorage": "on_training_data", "ModelsStorage": "on_trained_model"}
    return tuple(name for name, one in functions.items() if not is_disabled(environment, one))


def read_settings(environment: Mapping[str, str], root: Path) -> Settings:
    """Return the settings in `environment` for the app at `root`, with everything wrong in them.

    A setting that is empty is one that is not set, as in a template that nobody filled in.
    """
    own = [one.name for one in APP_SETTINGS if one.name not in connection_settings()]
    problems = [*misspelt(environment, own), *scope_problems(environment)]
    containers = _containers(environment, problems)
    queues = _queues(environment, problems)
    problems += _blob_source_problems(environment)
    development = environment.get("AZURE_FUNCTIONS_ENVIRONMENT") == "Development"
    problems += connection_problems(environment, development=development)
    lease, timeout = _lease(environment, root, problems)
    check_interval_min, check_interval_max = _check_intervals(environment, problems)
    timers = {"POLL_SCHEDULE": POLL_DEFAULT, "SCHEDULE_TICK": SCHEDULE_TICK_DEFAULT}
    schedules = {
        name: schedule_in(environment, name, default, problems) for name, default in timers.items()
    }
    return Settings(
        data_container=containers[0],
        models_container=containers[1],
        ledger_container=containers[2],
        dead_letter_container=containers[3],
        storage_events_queue=queues[0],
        workspace_events_queue=queues[1],
        pipelines=place_of(
            environment.get(SETTING) or "pipelines.yaml",
            root,
            [name for name in containers if name],
        ),
        lease=lease,
        function_timeout=timeout,
        check_interval_min=check_interval_min,
        check_interval_max=check_interval_max,
        development=development,
        poll_schedule=schedules["POLL_SCHEDULE"],
        schedule_tick=schedules["SCHEDULE_TICK"],
        problems=tuple(problems),
        hints=(*connection_hints(environment), *schedule_hints(schedules), *_disabled(environment)),
    )


def _blob_source_problems(environment: Mapping[str, str]) -> Iterator[Problem]:
    if (environment.get("BLOB_SOURCE") or _BLOB_SOURCES[0]) not in _BLOB_SOURCES:
        advice = f"write {' or '.join(_BLOB_SOURCES)}, in this spelling"
        yield Problem("BLOB_SOURCE", "unknown source", advice)


def _lease(
    environment: Mapping[str, str], root: Path, problems: list[Problem]
) -> tuple[timedelta, timedelta]:
    """Return how old a claim must be before its holder counts as dead, and functionTimeout."""
    lease = duration_in(environment, "CLAIM_LEASE", "6m", problems)
    timeout = _function_timeout(environment, root, problems)
    if lease <= timeout:
        shown = f"{show_duration(lease)} is not longer than functionTimeout"
        advice = f"a claim must outlive its worker, which may take {show_duration(timeout)}"
        problems.append(Problem("CLAIM_LEASE", shown, advice))
    return lease, timeout


def _check_intervals(
    environment: Mapping[str, str], problems: list[Problem]
) -> tuple[timedelta, timedelta]:
    """Return the shortest and the longest interval between checks of a job."""
    shortest = duration_in(environment, "CHECK_INTERVAL_MIN", "30s", problems)
    longest = duration_in(environment, "CHECK_INTERVAL_MAX", "5m", problems)
    if shortest > longest:
        shown = f"{show_duration(shortest)} is longer than CHECK_INTERVAL_MAX"
        advice = f"CHECK_INTERVAL_MAX is {show_duration(longest)}, change one of them"
        problems.append(Problem("CHECK_INTERVAL_MIN", shown, advice))
    return shortest, longest


def _disabled(environment: Mapping[str, str]) -> Iterator[Problem]:
    """Yield the functions without which data is found late, or runs do not continue."""
    for name, what in _NEEDED.items():
        if is_disabled(environment, name):
            yield Problem(f"AzureWebJobs.{name}.Disabled", f"is true: {what}")
    ways = ("on_training_data", "on_storage_events")
    if all(is_disabled(environment, one) for one in ways):
        what = "is true for both: no event of data comes, so the search finds it within 25 minutes"
        yield Problem(" and ".join(f"AzureWebJobs.{one}.Disabled" for one in ways), what)


def _containers(environment: Mapping[str, str], problems: list[Problem]) -> list[str]:
    """Return the containers of data, models, ledger and dead letters."""
    found = [_container(environment, name, "", problems) for name in _CONTAINERS]
    found.append(_container(environment, "DEAD_LETTER_CONTAINER", DEAD_LETTERS_DEFAULT, problems))
    names = (*_CONTAINERS, "DEAD_LETTER_CONTAINER")
    for n, name in enumerate(found):
        if name and name in found[:n]:
            advice = (
                "data, models, ledger and dead letters each need a container of their own: else a "
                "pattern could match what its own runs write, and train for ever"
            )
            what = f"names the same container as {names[found.index(name)]}"
            problems.append(Problem(names[n], what, advice))
    return found


def _queues(environment: Mapping[str, str], problems: list[Problem]) -> list[str]:
    """Return the queues of storage events and of workspace events."""
    defaults = {
        "STORAGE_EVENTS_QUEUE": STORAGE_EVENTS_DEFAULT,
        "WORKSPACE_EVENTS_QUEUE": WORKSPACE_EVENTS_DEFAULT,
    }
    found = []
    for name, default in defaults.items():
        value = environment.get(name) or default
        found.append(value)
        if (what := not_filled_in(value, anywhere=True) or quoted(value)) is not None:
            problems.append(Problem(name, *what))
        elif not _QUEUE.fullmatch(value):
            advice = "write 3 to 56 lower-case letters, digits and single dashes"
            problems.append(Problem(name, "is not a name that a queue can have", advice))
    if found[0] == found[1]:
        advice = "storage events and workspace events each need a queue of their own"
        problems.append(Problem("WORKSPACE_EVENTS_QUEUE", "a queue is used twice", advice))
    return found


def _container(
    environment: Mapping[str, str], name: str, default: str, problems: list[Problem]
) -> str:
    value = environment.get(name) or default
    if not value:
        problems.append(Problem(name, "not set", "name the blob container"))
    elif (found := not_filled_in(value, anywhere=True) or quoted(value)) is not None:
        problems.append(Problem(name, *found))
    elif not CONTAINER.fullmatch(value):
        advice = (
            "write 3 to 63 lower-case letters, digits and single dashes; a folder goes into the "
            "patterns of pipelines.yaml"
        )
        problems.append(Problem(name, "is not a name that a container can have", advice))
    return value


def _function_timeout(
    environment: Mapping[str, str], root: Path, problems: list[Problem]
) -> timedelta:
    """Return how long an invocation may take: the setting counts before host.json."""
    if text := environment.get(_TIMEOUT_SETTING):
        if _CLOCK_TIME.fullmatch(text) and (span := parse_duration(text)):
            return span
        advice = "write it like 00:05:00, and longer than nothing"
        problems.append(Problem(_TIMEOUT_SETTING, "is not a time span that the host takes", advice))
        return _FUNCTION_TIMEOUT
    try:
        host = json.loads((root / "host.json").read_text(encoding="utf-8"))
        if isinstance(host, dict):
            usual = show_duration(_FUNCTION_TIMEOUT)
            return longer_than_nothing(host.get("functionTimeout", usual))
        problems.append(Problem("host.json", "is not a JSON object"))
    except OSError:
        return _FUNCTION_TIMEOUT
    except ValueError as exc:
        problems.append(Problem("functionTimeout", str(exc), "see host.json"))
    return _FUNCTION_TIMEOUT
