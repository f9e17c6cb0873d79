"""Reads from the settings which container and which queue lies in which storage account."""

from collections.abc import Iterator, Mapping
from typing import Final

from shared.config.connections import connection_name
from shared.config.disabled import is_disabled
from shared.config.settings import Settings
from shared.core.config.places import Place, Places, QueuePlace

_MADE_LATER: Final = "the app makes it when it first writes a record"
_NO_EVENTS: Final = (
    "it is needed where Event Grid delivers events; without it no event that could not be "
    "delivered is kept"
)
_DISABLED: Final = "its function is disabled: events come in another way"
_LOCAL: Final = "in Development events come from blob triggers"


def places_of(environment: Mapping[str, str], settings: Settings) -> Places:
    """Return the containers and queues that the settings name.

    Args:
        environment: the app settings.
        settings: as they were read from it; where they have a problem, the places say so.
    """
    wrong = [problem.where for problem in settings.problems]

    def connection(name: str) -> str:
        return connection_name(environment, name) or name

    def problem(setting: str, counts: str) -> str:
        return next(_among(wrong, setting, counts), "")

    def place(
        setting: str,
        container: str,
        name: str,
        *,
        writes: bool = True,
        signed: bool = False,
        unless: str = "",
    ) -> Place:
        counts = connection(name)
        return Place(setting, container, counts, writes, signed, unless, problem(setting, counts))

    def queue(setting: str, name: str, function: str) -> QueuePlace:
        unless = _LOCAL if settings.development else ""
        if is_disabled(environment, function):
            unless = _DISABLED
        counts = connection("EventsStorage")
        return QueuePlace(setting, name, counts, unless, problem(setting, counts))

    dead_letters, config = settings.dead_letter_container, settings.pipelines.container
    # Whoever writes there decides what is trained: the app itself only reads.
    configured = [place("PIPELINES_FILE", config, "LedgerStorage", writes=False)] if config else []
    return Places(
        (
            place(
                "TRAINING_DATA_CONTAINER",
                settings.data_container,
                "DataStorage",
                writes=False,
                signed=True,
            ),
            place("MODELS_CONTAINER", settings.models_container, "ModelsStorage", signed=True),
            place(
                "LEDGER_CONTAINER", settings.ledger_container, "LedgerStorage", unless=_MADE_LATER
            ),
            place(
                "DEAD_LETTER_CONTAINER",
                dead_letters,
                "EventsStorage",
                writes=False,  # what lies there counts as an event that was not delivered
                unless=_NO_EVENTS,
            ),
            *configured,
        ),
        (
            queue("STORAGE_EVENTS_QUEUE", settings.storage_events_queue, "on_storage_events"),
            queue("WORKSPACE_EVENTS_QUEUE", settings.workspace_events_queue, "on_workspace_events"),
        ),
    )


def _among(wrong: list[str], setting: str, counts: str) -> Iterator[str]:
    return (one for one in wrong if one == setting or one.partition("__")[0] == counts)
