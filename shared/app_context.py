"""Builds the context of the app: the storage, the ledger, the queues, the providers, the limits.

It is a part of `shared.app`; no request is made.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from shared.config.connections import CONNECTIONS
from shared.config.settings import Settings, connection_name, triggering
from shared.core.redaction import Redactor
from shared.execution.context import Context, EventPlaces, Limits
from shared.ledger.ledger import Ledger
from shared.ports.clock import Clock
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
    development = settings.development
    names = {name: connection_name(environment, name) or name for name in CONNECTIONS}
    accounts = {
        name: account_of(environment, of, development=development) for name, of in names.items()
    }
    data_account, models_account = accounts["DataStorage"], accounts["ModelsStorage"]
    ledger_account, events_account = accounts["LedgerStorage"], accounts["EventsStorage"]
    container = ledger_account.get_container_client(settings.ledger_container)
    documents, storage_clock = documents_of(container, clock, new_id)
    data, models = blobs_of(data_account, storage_clock), blobs_of(models_account, storage_clock)

    def queues(name: str) -> AccountQueues:
        account = name_of(accounts[name])
        return AccountQueues(environment, names[name], account, development=development)

    context = Context(
        ledger=Ledger(documents),
        data=RedactingBlobs(data, redactor),
        models=RedactingBlobs(models, redactor),
        data_container=settings.data_container,
        models_container=settings.models_container,
        queues=queues("EventsStorage"),
        events=EventPlaces(
            settings.storage_events_queue,
            settings.workspace_events_queue,
            settings.dead_letter_container,
            blobs_of(events_account, storage_clock),
            tuple(map(queues, triggering(environment))),
        ),
        providers=ConfiguredProviders(
            http,
            environment,
            data,
            models,
            settings.models_container,
            development=development,
            redactor=redactor,
            slow=patient(http),
            elsewhere=lambda url: blobs_of(account_at(url, development=development), storage_clock),
        ),
        clock=storage_clock,
        new_id=new_id,
        limits=Limits.of(
            settings.lease,
            (settings.check_interval_min, settings.check_interval_max),
            settings.function_timeout,
            settings.poll_schedule,
        ),
        redactor=redactor,
    )
    return context, blobs_of(ledger_account, storage_clock)


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
    from shared.config.storage_places import places_of  # noqa: PLC0415 -- seldom needed
    from shared.providers.azure_storage.checks import StorageChecks  # noqa: PLC0415

    places = places_of(environment, settings)
    return StorageChecks(environment, places, clock, new_id, settings.development)()
