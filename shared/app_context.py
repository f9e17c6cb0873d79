"""Builds the context of the app, the reader of its configuration, and the checks of its storage.

It is a part of `shared.app`; no request is made.
"""

import uuid
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from shared.config.connections import connections_of
from shared.config.known_secrets import learn_file
from shared.config.loader import load_pipelines
from shared.config.settings import Settings, triggering
from shared.core.config.configuration import Configuration
from shared.core.redaction import Redactor
from shared.execution.context import Context, EventPlaces, Limits
from shared.ledger.ledger import Ledger
from shared.maintenance.changed_file import ConfigurationReader
from shared.ports.clock import Clock
from shared.ports.files import Files
from shared.ports.storage import Blobs
from shared.providers.azure_storage.accounts import account_at, account_of, blobs_of, documents_of
from shared.providers.azure_storage.copies import name_of
from shared.providers.azure_storage.queues import AccountQueues
from shared.providers.factory import ConfiguredProviders
from shared.providers.http.client import Http, patient
from shared.providers.redacting import RedactingBlobs

if TYPE_CHECKING:
    from shared.ports.checks import Check, ServiceChecks


def context_of(
    settings: Settings,
    environment: Mapping[str, str],
    http: Http,
    clock: Clock,
    redactor: Redactor,
) -> tuple[Context, Blobs]:
    """Return the context over the storage accounts, and the blobs of the ledger's account.

    Args:
        settings: name the containers.
        environment: the app settings with the connections.
        http: sends requests to the ML services.
        clock: of this host.
        redactor: keeps secrets out of what services answer.

    Raises:
        ConfigError: a connection is wrong.
    """
    development, names = settings.development, connections_of(environment)
    accounts = {
        name: account_of(environment, of, development=development) for name, of in names.items()
    }
    container = accounts["LedgerStorage"].get_container_client(settings.ledger_container)
    documents, storage_clock = documents_of(container, clock, new_id)
    blobs = {name: blobs_of(account, storage_clock) for name, account in accounts.items()}

    def queues(name: str) -> AccountQueues:
        account = name_of(accounts[name])
        return AccountQueues(environment, names[name], account, development=development)

    def elsewhere(url: str) -> Blobs:
        return blobs_of(account_at(url, development=development), storage_clock)

    context = Context(
        ledger=Ledger(documents),
        data=RedactingBlobs(blobs["DataStorage"], redactor),
        models=RedactingBlobs(blobs["ModelsStorage"], redactor),
        data_container=settings.data_container,
        models_container=settings.models_container,
        queues=queues("EventsStorage"),
        events=_event_places(
            settings, blobs["EventsStorage"], tuple(map(queues, triggering(environment)))
        ),
        providers=ConfiguredProviders(
            http,
            environment,
            blobs["DataStorage"],
            blobs["ModelsStorage"],
            settings.models_container,
            development=development,
            redactor=redactor,
            slow=patient(http),
            elsewhere=elsewhere,
        ),
        clock=storage_clock,
        new_id=new_id,
        limits=_limits(settings),
        redactor=redactor,
    )
    return context, blobs["LedgerStorage"]


def _event_places(
    settings: Settings, dead_letters: Blobs, blob_queues: tuple[AccountQueues, ...]
) -> EventPlaces:
    return EventPlaces(
        settings.storage_events_queue,
        settings.workspace_events_queue,
        settings.dead_letter_container,
        dead_letters,
        blob_queues,
    )


def _limits(settings: Settings) -> Limits:
    check_interval = settings.check_interval_min, settings.check_interval_max
    return Limits.of(
        settings.lease, check_interval, settings.function_timeout, settings.poll_schedule
    )


def services_of(context: Context) -> "ServiceChecks | None":
    """Return what can be tried at services; None where a test has others than the app's own."""
    return context.providers if isinstance(context.providers, ConfiguredProviders) else None


def new_id() -> str:
    """Return an id that nothing else has."""
    return uuid.uuid4().hex


def storage_checks(
    environment: Mapping[str, str], settings: Settings, clock: Clock
) -> "Sequence[Check]":
    """Return the checks of the storage; they need no context, which wrong settings may prevent.

    Args:
        environment: the app settings.
        settings: the same, as they were read.
        clock: of this host.
    """
    from shared.config.checked_storage import checked_storage  # noqa: PLC0415 -- seldom needed
    from shared.providers.azure_storage.checks import StorageChecks  # noqa: PLC0415

    storage = checked_storage(environment, settings)
    return StorageChecks(environment, storage, clock, new_id, settings.development)()


def reader_of(
    settings: Settings, environment: Mapping[str, str], redactor: Redactor, files: Files
) -> ConfigurationReader:
    """Return the source of the configuration.

    Args:
        settings: say where the pipelines file is.
        environment: the app settings that the file refers to.
        redactor: learns the secrets that the file names.
        files: of the place of the file.
    """
    file, development = settings.pipelines.file, settings.development

    def load(watched: Files) -> Configuration:
        return load_pipelines(file, environment, development=development, files=watched)

    learn = partial(learn_file, redactor, environment)
    return ConfigurationReader(files.shown(file), files, load, learn)


def ahead_of(host: Clock, context: Context) -> float:
    """Return by how many seconds the storage's clock is ahead of a host's.

    Args:
        host: the clock of the host.
        context: knows the storage's time.
    """
    now = host.now()
    return (context.storage_time(now) - now).total_seconds()
