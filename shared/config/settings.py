"""The app settings, read once; every wrong one is reported by name, none raises at import."""

import json
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
)
from shared.config.places import CONTAINER, SETTING, Place, place_of
from shared.core.config.problems import Problem, WrongValueError
from shared.core.config.schedule import checked_schedule, hints_of
from shared.core.config.setting_references import not_filled_in
from shared.core.config.types import parse_duration, show_duration

__all__ = [
    "DEFAULT_CONNECTION",
    "POLL_DEFAULT",
    "SCHEDULE_TICK_DEFAULT",
    "Problem",
    "Settings",
    "connection_name",
    "read_settings",
]

POLL_DEFAULT: Final = "*/30 * * * * *"
SCHEDULE_TICK_DEFAULT: Final = "0 * * * * *"
_FUNCTION_TIMEOUT: Final = timedelta(minutes=5)
_TIMEOUT_SETTING: Final = "AzureFunctionsJobHost__functionTimeout"
_BLOB_SOURCES: Final = ("EventGrid", "LogsAndContainerScan")


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings, valid as far as `problems` does not say otherwise."""

    data_container: str
    models_container: str
    ledger_container: str
    pipelines: Place
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
        known = (self.data_container, self.models_container, self.ledger_container)
        return (*known, self.pipelines.container) if self.pipelines.container else known


def read_settings(environment: Mapping[str, str], root: Path) -> Settings:
    """Return the settings in `environment` for the app at `root`, with everything wrong in them.

    A setting that is empty is one that is not set, as in a template that nobody filled in.
    """
    problems: list[Problem] = []
    containers = [
        _required(environment, name, problems)
        for name in ("TRAINING_DATA_CONTAINER", "MODELS_CONTAINER", "LEDGER_CONTAINER")
    ]
    named = [name for name in containers if name]
    if len(set(named)) != len(named):
        cure = (
            "data, models and ledger each need a container of their own: else a pattern could "
            "match what its own runs write, and train for ever"
        )
        problems.append(Problem("LEDGER_CONTAINER", "a container is used twice", cure))
    source = environment.get("BLOB_SOURCE") or _BLOB_SOURCES[0]
    if source not in _BLOB_SOURCES:
        problems.append(Problem("BLOB_SOURCE", "unknown source", " or ".join(_BLOB_SOURCES)))
    development = environment.get("AZURE_FUNCTIONS_ENVIRONMENT") == "Development"
    problems += connection_problems(environment, development=development)
    lease = _duration(environment, "CLAIM_LEASE", "6m", problems)
    timeout = _function_timeout(environment, root, problems)
    if lease <= timeout:
        shown = f"{show_duration(lease)} is not longer than functionTimeout"
        cure = f"a claim must outlive its worker, which may take {show_duration(timeout)}"
        problems.append(Problem("CLAIM_LEASE", shown, cure))
    check_interval_min = _duration(environment, "CHECK_INTERVAL_MIN", "30s", problems)
    check_interval_max = _duration(environment, "CHECK_INTERVAL_MAX", "5m", problems)
    if check_interval_min > check_interval_max:
        shown = f"{show_duration(check_interval_min)} is longer than CHECK_INTERVAL_MAX"
        cure = f"CHECK_INTERVAL_MAX is {show_duration(check_interval_max)}, change one of them"
        problems.append(Problem("CHECK_INTERVAL_MIN", shown, cure))
    timers = {"POLL_SCHEDULE": POLL_DEFAULT, "SCHEDULE_TICK": SCHEDULE_TICK_DEFAULT}
    schedules = {
        name: _schedule(environment, name, default, problems) for name, default in timers.items()
    }
    return Settings(
        data_container=containers[0],
        models_container=containers[1],
        ledger_container=containers[2],
        pipelines=place_of(environment.get(SETTING) or "pipelines.yaml", root, named),
        lease=lease,
        function_timeout=timeout,
        check_interval_min=check_interval_min,
        check_interval_max=check_interval_max,
        development=development,
        poll_schedule=schedules["POLL_SCHEDULE"],
        schedule_tick=schedules["SCHEDULE_TICK"],
        problems=tuple(problems),
        hints=(*connection_hints(environment), *_schedule_hints(schedules)),
    )


def _required(environment: Mapping[str, str], name: str, problems: list[Problem]) -> str:
    value = environment.get(name, "")
    if not value:
        problems.append(Problem(name, "not set", "name the blob container"))
    elif (found := not_filled_in(value, anywhere=True)) is not None:
        problems.append(Problem(name, *found))
    elif not CONTAINER.fullmatch(value):
        cure = (
            "write 3 to 63 lower-case letters, digits and single dashes; a folder goes into the "
            "patterns of pipelines.yaml"
        )
        problems.append(Problem(name, "is no name that a container can have", cure))
    return value


def _duration(
    environment: Mapping[str, str], name: str, default: str, problems: list[Problem]
) -> timedelta:
    try:
        return _longer_than_nothing(environment.get(name) or default)
    except WrongValueError as exc:
        problems.append(Problem(name, exc.what, exc.cure))
        return parse_duration(default)


def _schedule(
    environment: Mapping[str, str], name: str, default: str, problems: list[Problem]
) -> str:
    """Return the schedule of a timer; the host gets what is there, right or wrong."""
    text = environment.get(name) or default
    try:
        return checked_schedule(text)
    except WrongValueError as exc:
        problems.append(Problem(name, exc.what, exc.cure))
        return default


def _schedule_hints(schedules: Mapping[str, str]) -> Iterator[Problem]:
    for name, schedule in schedules.items():
        for hint in hints_of(schedule):
            yield Problem(name, hint)


def _longer_than_nothing(text: object) -> timedelta:
    span = parse_duration(text)
    if not span:
        raise WrongValueError("must be longer than 0s", "write it like 30s or 2m")
    return span


def _function_timeout(
    environment: Mapping[str, str], root: Path, problems: list[Problem]
) -> timedelta:
    """Return how long an invocation may take: the setting counts before host.json."""
    try:
        if text := environment.get(_TIMEOUT_SETTING):
            return _longer_than_nothing(text)
        host = json.loads((root / "host.json").read_text(encoding="utf-8"))
        if isinstance(host, dict):
            usual = show_duration(_FUNCTION_TIMEOUT)
            return _longer_than_nothing(host.get("functionTimeout", usual))
        problems.append(Problem("host.json", "is not a JSON object"))
    except OSError:
        return _FUNCTION_TIMEOUT
    except ValueError as exc:
        problems.append(Problem("functionTimeout", str(exc), "see host.json"))
    return _FUNCTION_TIMEOUT
