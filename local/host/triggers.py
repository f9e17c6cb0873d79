"""Makes the trigger of each indexed function, with its settings resolved and checked."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from local.host.config import HostConfig, RefusedError
from local.host.messages import IndexedFunction
from local.host.storage import check_connection
from shared.core.config.ncrontab import checked

HOST_STORAGE: Final = "AzureWebJobsStorage"
_TOKEN: Final = re.compile(r"\{(\w+)\}")
_QUEUE: Final = re.compile(r"(?=.{3,63}\Z)[a-z0-9]+(?:-[a-z0-9]+)*")


@dataclass(frozen=True)
class HttpTrigger:
    """An HTTP function; no methods means all of them."""

    function: str
    route: str
    methods: tuple[str, ...]
    auth_level: str


@dataclass(frozen=True)
class TimerTrigger:
    """A timer function; the schedule is NCRONTAB with six fields, in UTC."""

    function: str
    schedule: str
    run_on_startup: bool


@dataclass(frozen=True)
class BlobTrigger:
    """A blob function; the prefix is what every name that matches starts with."""

    function: str
    connection: str
    container: str
    prefix: str
    matches: Callable[[str], object]
    deferred: bool
    source: str


@dataclass(frozen=True)
class QueueTrigger:
    """A queue function."""

    function: str
    connection: str
    queue: str

    @property
    def poison(self) -> str:
        """Where messages go that failed too often (azure-functions §9.1)."""
        return f"{self.queue}-poison"


Trigger = HttpTrigger | TimerTrigger | BlobTrigger | QueueTrigger


def read_triggers(functions: Sequence[IndexedFunction], config: HostConfig) -> list[Trigger]:
    """Return one trigger per function that is not disabled, in the app's order.

    Raises:
        RefusedError: a setting is missing or a value is not usable; names the function.
    """
    return [_read(one, config) for one in functions if not config.disabled(one.name)]


def _read(function: IndexedFunction, config: HostConfig) -> Trigger:
    binding, name = function.trigger, function.name
    match binding["type"]:
        case "httpTrigger":
            methods = tuple(str(method).upper() for method in binding.get("methods") or ())
            level = str(binding.get("authLevel", "FUNCTION")).lower()
            return HttpTrigger(name, str(binding["route"]).strip("/"), methods, level)
        case "timerTrigger":
            schedule = config.resolve(binding["schedule"], name)
            try:
                checked(schedule)
            except ValueError as error:
                raise RefusedError(f"function {name}: schedule {schedule!r}: {error}") from None
            return TimerTrigger(name, schedule, bool(binding.get("runOnStartup")))
        case "queueTrigger":
            return _queue(function, config)
        case _:
            return _blob(function, config)


def _queue(function: IndexedFunction, config: HostConfig) -> QueueTrigger:
    binding, name = function.trigger, function.name
    connection = binding.get("connection") or HOST_STORAGE
    check_connection(connection, config.environment, name)
    queue = config.resolve(binding["queueName"], name)
    if not _QUEUE.fullmatch(queue):
        raise RefusedError(f"function {name}: {queue!r} is not a name that a queue can have")
    return QueueTrigger(name, connection, queue)


def _blob(function: IndexedFunction, config: HostConfig) -> BlobTrigger:
    binding, name = function.trigger, function.name
    connection = binding.get("connection") or HOST_STORAGE
    for setting in dict.fromkeys((connection, HOST_STORAGE)):
        check_connection(setting, config.environment, name)
    container, _, pattern = config.resolve(binding["path"], name).strip("/").partition("/")
    if not pattern or "{" in container:
        raise RefusedError(f"function {name}: the path must be of the form container/{{name}}")
    try:
        expression = _expression(pattern)
    except ValueError as error:
        raise RefusedError(f"function {name}: path {pattern!r}: {error}") from None
    return BlobTrigger(
        function=name,
        connection=connection,
        container=container,
        prefix=pattern.partition("{")[0],
        matches=expression.fullmatch,
        deferred=function.deferred,
        source=binding.get("source") or "LogsAndContainerScan",
    )


def _expression(pattern: str) -> re.Pattern[str]:
    # A token stands for any text, slashes included, so that `{name}` reaches into sub-folders.
    pieces = _TOKEN.split(pattern)
    if any(sign in literal for literal in pieces[::2] for sign in "{}"):
        raise ValueError("its braces do not pair up around a name")
    if len(set(pieces[1::2])) != len(pieces[1::2]):
        raise ValueError("it names a token twice")
    built = [".+" if at % 2 else re.escape(piece) for at, piece in enumerate(pieces)]
    return re.compile("".join(built), re.DOTALL)
