"""Finds the containers and queues that doctor checks, each with its storage account."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from shared.config.connections import connections_of
from shared.config.disabled import is_disabled
from shared.config.settings import Settings
from shared.ports.checks import CheckedContainer, CheckedQueue, CheckedStorage

_MADE_LATER: Final = "the app makes it when it first writes a record"
_NO_EVENTS: Final = (
    "it is needed where Event Grid delivers events; without it no event that could not be "
    "delivered is kept"
)
_DISABLED: Final = "its function is disabled: events come in another way"
_LOCAL: Final = "in Development events come from blob triggers"


def checked_storage(environment: Mapping[str, str], settings: Settings) -> CheckedStorage:
    """Return the containers and queues that the settings name.

    Args:
        environment: the app settings.
        settings: as they were read from it; what has a problem there says so.
    """
    wrong = [problem.where for problem in settings.problems]

    def problem(one: CheckedContainer | CheckedQueue) -> str:
        return next((w for w in wrong if w == one.setting or _part_of(w, one.connection)), "")

    return CheckedStorage(
        tuple(replace(one, problem=problem(one)) for one in _containers(environment, settings)),
        tuple(replace(one, problem=problem(one)) for one in _queues(environment, settings)),
    )


def _containers(environment: Mapping[str, str], settings: Settings) -> Iterator[CheckedContainer]:
    of = connections_of(environment)
    data, models, ledger = settings.data_container, settings.models_container, of["LedgerStorage"]
    yield CheckedContainer(
        "TRAINING_DATA_CONTAINER", data, of["DataStorage"], writes=False, signed=True
    )
    yield CheckedContainer("MODELS_CONTAINER", models, of["ModelsStorage"], signed=True)
    yield CheckedContainer(
        "LEDGER_CONTAINER", settings.ledger_container, ledger, unless=_MADE_LATER
    )
    yield CheckedContainer(
        "DEAD_LETTER_CONTAINER",
        settings.dead_letter_container,
        of["EventsStorage"],
        writes=False,  # what lies there counts as an event that was not delivered
        unless=_NO_EVENTS,
    )
    if configured := settings.pipelines.container:
        # Whoever writes there decides what is trained: the app itself only reads.
        yield CheckedContainer("PIPELINES_FILE", configured, ledger, writes=False)


def _queues(environment: Mapping[str, str], settings: Settings) -> Iterator[CheckedQueue]:
    connection = connections_of(environment)["EventsStorage"]
    for setting, name, function in (
        ("STORAGE_EVENTS_QUEUE", settings.storage_events_queue, "on_storage_events"),
        ("WORKSPACE_EVENTS_QUEUE", settings.workspace_events_queue, "on_workspace_events"),
    ):
        unless = _LOCAL if settings.development else ""
        if is_disabled(environment, function):
            unless = _DISABLED
        yield CheckedQueue(setting, name, connection, unless)


def _part_of(setting: str, connection: str) -> bool:
    return setting.partition("__")[0] == connection
