"""Builds the real thing once for each worker process, on first use; nothing happens at import."""

import logging
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from azure.storage.blob import BlobServiceClient, ContainerClient, ExponentialRetry

from shared.adapters import StudioAdapters
from shared.clients.blob_documents import BlobDocuments
from shared.clients.http import Http, RequestsHttp
from shared.clients.storage import AccountBlobs
from shared.config import load_pipelines
from shared.configuration import Configuration
from shared.context import Context, Limits, log
from shared.core.urls import is_loopback
from shared.driver import Driver
from shared.endpoints import Endpoints
from shared.errors import ConfigError
from shared.full_listings import FullListings
from shared.guarded_blobs import GuardedBlobs
from shared.history import History
from shared.intake import Intake
from shared.known_secrets import redactor_for
from shared.ledger import Ledger
from shared.open_runs import OpenRuns
from shared.orders import Orders
from shared.outgoing import use
from shared.pipelines import Pipelines
from shared.poll import Poll
from shared.ports import Clock
from shared.retention import Retention
from shared.settings import Problem, Settings, connection_name, read_settings
from shared.storage_clock import StorageClock
from shared.sweep import Sweep
from shared.ticks import Ticks

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

#: When this worker started: what landed before is not news to a pipeline seen first by it.
STARTED_AT: Final = datetime.now(UTC)
#: Each wait for bytes from a storage account, in seconds, and how often a call is repeated.
STORAGE_READ_TIMEOUT: Final = 8
STORAGE_REPEATS: Final = 2
ROOT: Final = Path(__file__).resolve().parent.parent


class SystemClock:
    """The real time."""

    def now(self) -> datetime:
        """Return the present moment in UTC."""
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class App:
    """What the triggers use."""

    settings: Settings
    configuration: Configuration
    context: Context
    driver: Driver
    intake: Intake
    poll: Poll
    endpoints: Endpoints
    retention: Retention
    full_listings: FullListings
    sweep: Sweep
    orders: Orders
    pipelines: Pipelines
    history: History
    open_runs: OpenRuns
    ticks: Ticks

    @property
    def found(self) -> tuple[Problem, ...]:
        """Everything that a person must change."""
        return (*self.settings.problems, *self.configuration.problems)

    @property
    def hints(self) -> tuple[Problem, ...]:
        """What a person should know, though the app works with it."""
        return (*self.settings.hints, *self.configuration.hints)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The same, and what pipelines with an error go on by meanwhile."""
        return (*self.found, *self.intake.last_good.notes())


@dataclass(frozen=True, slots=True)
class Unusable:
    """The app cannot even be put together: these settings are wrong."""

    problems: tuple[Problem, ...]
    hints: tuple[Problem, ...] = ()

    @property
    def found(self) -> tuple[Problem, ...]:
        """Everything that a person must change."""
        return self.problems

    def require_no_problems(self) -> None:
        """Raise ConfigError with every problem."""
        _raise_problems(self.problems)


def app() -> App:
    """Return this process's app.

    Raises:
        ConfigError: settings without which nothing works are wrong; it lists them all.
    """
    built = app_or_problems()
    if isinstance(built, Unusable):
        built.require_no_problems()
        raise ConfigError("the settings cannot be used")
    built.intake.last_good.load()  # once for each process, and only where a pipeline has an error
    return built


@cache
def app_or_problems() -> App | Unusable:
    """Return this process's app, or what stands in its way; built once, never raises."""
    # The SDK logs two records of many lines for each call to the storage, and the host sends
    # everything from INFO on to Application Insights (azure-functions §5).
    logging.getLogger("azure").setLevel(logging.WARNING)
    built = build(os.environ, ROOT, RequestsHttp(), SystemClock(), STARTED_AT)
    for problem in built.found:
        log.error("wrong setting: %s", problem)
    for hint in built.hints:
        log.warning("setting: %s", hint)
    return built


def build(
    environment: Mapping[str, str], root: Path, http: Http, clock: Clock, started_at: datetime
) -> App | Unusable:
    """Return the app for these settings; no request is made."""
    settings = read_settings(environment, root)
    configuration = load_pipelines(
        settings.pipelines_file, environment, development=settings.development
    )
    redactor = redactor_for(environment, configuration.pipelines.values(), settings.containers)
    use(redactor)
    if settings.problems:
        return Unusable(
            (*settings.problems, *configuration.problems),
            (*settings.hints, *configuration.hints),
        )
    try:
        accounts = {
            name: _account(environment, name, development=settings.development)
            for name in ("DataStorage", "ModelsStorage", "LedgerStorage")
        }
    except ConfigError as exc:
        return Unusable((Problem("storage connection", str(exc)), *configuration.problems))
    container = accounts["LedgerStorage"].get_container_client(settings.ledger_container)
    documents, storage_clock = _documents(container, clock)
    # A signature of a host whose clock is ahead would not be valid yet.
    data = _blobs(accounts["DataStorage"], storage_clock)
    models = _blobs(accounts["ModelsStorage"], storage_clock)
    context = Context(
        ledger=Ledger(documents),
        data=GuardedBlobs(data, redactor),
        models=GuardedBlobs(models, redactor),
        data_container=settings.data_container,
        models_container=settings.models_container,
        adapters=StudioAdapters(
            http,
            environment,
            data,
            models,
            settings.models_container,
            development=settings.development,
            redactor=redactor,
        ),
        clock=storage_clock,
        new_id=_new_id,
        limits=_limits(settings),
        redactor=redactor,
    )
    intake = Intake(context, configuration, started_at)
    return assemble(settings, configuration, context, intake, Poll(context, intake))


def assemble(
    settings: Settings, configuration: Configuration, context: Context, intake: Intake, poll: Poll
) -> App:
    """Return the app over what is built already."""
    return App(
        settings,
        configuration,
        context,
        intake.driver,
        intake,
        poll,
        Endpoints(context, intake),
        Retention(context, intake.catalogue, sure=not configuration.problems),
        FullListings(context, intake),
        Sweep(context, intake),
        Orders(context, intake),
        Pipelines(context, intake),
        History(context),
        OpenRuns(context),
        Ticks(context),
    )


def _limits(settings: Settings) -> Limits:
    usual = Limits()
    tick = min(usual.tick, settings.function_timeout * 0.8)
    return Limits(
        lease=settings.lease,
        look_every_min=settings.look_every_min,
        look_every_max=settings.look_every_max,
        tick=tick,
        longest_step=min(usual.longest_step, tick / 2),
    )


def _blobs(account: BlobServiceClient, clock: Clock) -> AccountBlobs:
    return AccountBlobs(
        account, clock, https_only=not is_loopback(account.url), options=_storage_options()
    )


def _documents(container: ContainerClient, host: Clock) -> tuple[BlobDocuments, StorageClock]:
    """Return the ledger's documents, and the storage's clock, which tells their age too."""

    def now() -> datetime:
        return clock.now()

    documents = BlobDocuments(container, _new_id, now=now)
    clock = StorageClock(host, documents.time)
    return documents, clock


def _storage_options() -> dict[str, Any]:
    """Return how requests to storage are sent, with or without an account's credential.

    The SDK's own repeats are the only ones for storage, and end within half a minute: a call
    that writes and then reads back what was written takes two of these, and stays under
    `Limits.longest_step` even if the account accepts everything and never answers.
    """
    retry = ExponentialRetry(
        initial_backoff=1, increment_base=2, retry_total=STORAGE_REPEATS, random_jitter_range=1
    )
    return {
        "retry_policy": retry,
        "connection_timeout": 5,
        "read_timeout": STORAGE_READ_TIMEOUT,
    }


def _account(environment: Mapping[str, str], name: str, *, development: bool) -> BlobServiceClient:
    """Return a client for connection `name`: a connection string, or an identity's form."""
    used = connection_name(environment, name) or name
    options = _storage_options()
    try:
        if text := environment.get(used):
            account = BlobServiceClient.from_connection_string(text, **options)
        else:
            url = _service_uri(environment, used)
            account = BlobServiceClient(url, _credential(environment, used), **options)
    except ValueError:
        raise ConfigError(f"{used} is not a connection string of a storage account") from None
    if account.url.startswith("http://") and not (development and is_loopback(account.url)):
        raise ConfigError(f"{used}: https is required (http only on loopback, in Development)")
    return account


def _service_uri(environment: Mapping[str, str], name: str) -> str:
    for form in ("blobServiceUri", "serviceUri"):
        if uri := environment.get(f"{name}__{form}"):
            return uri
    return f"https://{environment[f'{name}__accountName']}.blob.core.windows.net"


def _credential(environment: Mapping[str, str], name: str) -> "TokenCredential":
    # Only where an identity is used; the blob binding is free to stop bringing it.
    from azure.identity import DefaultAzureCredential, ManagedIdentityCredential  # noqa: PLC0415

    if environment.get(f"{name}__credential", "").lower() == "managedidentity":
        return ManagedIdentityCredential(client_id=environment.get(f"{name}__clientId"))
    return DefaultAzureCredential()


def _raise_problems(problems: tuple[Problem, ...]) -> None:
    if problems:
        listed = "\n".join(f"- {problem}" for problem in problems)
        raise ConfigError(f"these settings must be corrected first:\n{listed}")


def _new_id() -> str:
    return uuid.uuid4().hex
