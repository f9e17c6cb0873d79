"""Builds the real thing once for each worker process, on first use; nothing happens at import."""

import logging
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from azure.storage.blob import BlobServiceClient, ContainerClient, ExponentialRetry

from shared.config.known_secrets import learn_file, redactor_for
from shared.config.loader import load_pipelines
from shared.config.settings import Problem, Settings, connection_name, read_settings
from shared.core.config.configuration import Configuration
from shared.core.config.schedule import next_due_of
from shared.core.config.studio_urls import is_loopback
from shared.errors import ConfigError, RelearnError
from shared.execution.context import Context, Limits
from shared.execution.driver import Driver
from shared.intake.blob_events import Intake
from shared.intake.full_listings import FullListings
from shared.intake.search import Search
from shared.ledger.ledger import Ledger
from shared.maintenance.changed_file import ChangedFile, ConfigurationReader
from shared.maintenance.poll import Poll
from shared.maintenance.retention import Retention
from shared.maintenance.ticks import Ticks
from shared.maintenance.watched_files import WatchedFiles
from shared.operations.endpoints import Endpoints
from shared.operations.history import History
from shared.operations.open_runs import OpenRuns
from shared.operations.pipelines import Pipelines
from shared.operations.runs import RunOperations
from shared.ports.clock import Clock, StorageClock
from shared.providers.azure_storage.blobs import AccountBlobs
from shared.providers.azure_storage.documents import BlobDocuments
from shared.providers.factory import ConfiguredProviders
from shared.providers.guarded_blobs import RedactingBlobs
from shared.providers.http.client import Http, RequestsHttp
from shared.telemetry import LogRateLimit, log, use_redactor

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

#: When this worker started: what landed before is not news to a pipeline seen first by it.
STARTED_AT: Final = datetime.now(UTC)
#: Each wait for bytes from a storage account, in seconds, and how often a call is repeated.
STORAGE_READ_TIMEOUT: Final = 8
STORAGE_REPEATS: Final = 2
#: A search begins each quarter of an hour, and leaves what is younger than five minutes to events.
_LATER: Final = (
    "it will be found within 25 minutes of that; where its pipeline never was active before, start "
    "a run on it (POST /api/pipelines/{pipeline}/runs)"
)
_UNUSABLE_LOGGED: Final = LogRateLimit(timedelta(minutes=15))
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
    context: Context
    driver: Driver
    intake: Intake
    poll: Poll
    endpoints: Endpoints
    retention: Retention
    full_listings: FullListings
    sweep: Search
    run_operations: RunOperations
    pipelines: Pipelines
    history: History
    open_runs: OpenRuns
    ticks: Ticks
    changed_file: ChangedFile | None = None  #: None where the pipelines come from no file

    @property
    def configuration(self) -> Configuration:
        """What the pipelines file said when it was read last."""
        return self.intake.last_good.file

    def reload(self, until: datetime) -> None:
        """Use the pipelines file as it is now, and search at once for what came meanwhile.

        For the beginning of each timer tick.

        Args:
            until: when no further part of a search may be begun.
        """
        if self.changed_file is None or not self.changed_file.look():
            return
        now = self.context.clock.now()
        try:
            self.sweep.run_until(now + (until - now) / 2)  # the open runs have their time too
        except RelearnError as exc:
            log.warning("what came before the file was changed is searched for later: %s", exc)

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
    if built.changed_file is not None:
        built.changed_file.check_sometimes()
    built.intake.last_good.load()  # once for each process, and only where a pipeline has an error
    return built


def usable_app(what: str, *, of_blob: bool = False) -> App | None:
    """Return this process's app for a trigger; None where wrong settings keep it from working.

    A trigger must not fail for that: its failures would be repeated, logged with tracebacks, and
    taken for those of a blob. What it could not do is said, and done after the restart that
    correct settings come with.

    Args:
        what: the trigger, or the blob that it is about, for people.
        of_blob: whether it is about a blob: then each is said, else now and then.
    """
    built = app_or_problems()
    if not isinstance(built, Unusable):
        return app()
    first, more = built.problems[0], len(built.problems) - 1
    wrong = f"{first}{f'; and {more} more' if more else ''}"
    later = f"; {_LATER}" if of_blob else ""
    if of_blob or _UNUSABLE_LOGGED.allows(what):
        log.error(
            "%s: nothing is done, since a setting is wrong: %s. To do: correct what GET "
            "/api/health/details lists, and restart%s",
            what,
            wrong,
            later,
        )
    return None


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
    read = partial(
        load_pipelines, settings.pipelines_file, environment, development=settings.development
    )
    watched, source = WatchedFiles(), ConfigurationReader(settings.pipelines_file, read)
    configuration = source.read_watched(watched)
    redactor = redactor_for(environment, configuration.pipelines.values(), settings.containers)
    use_redactor(redactor)
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
        data=RedactingBlobs(data, redactor),
        models=RedactingBlobs(models, redactor),
        data_container=settings.data_container,
        models_container=settings.models_container,
        providers=ConfiguredProviders(
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
    built = assemble(settings, context, intake, Poll(context, intake))
    changed = ChangedFile(
        context,
        replace(source, learn=partial(learn_file, redactor, environment)),
        intake,
        built.sweep,
        watched=watched,
        host=clock,
        started_at=started_at,
    )
    return replace(built, changed_file=changed)


def assemble(settings: Settings, context: Context, intake: Intake, poll: Poll) -> App:
    """Return the app over what is built already."""
    return App(
        settings,
        context,
        intake.driver,
        intake,
        poll,
        Endpoints(context, intake),
        Retention(context, intake.catalogue, lambda: not intake.last_good.file.problems),
        FullListings(context, intake),
        Search(context, intake),
        RunOperations(context, intake),
        Pipelines(context, intake),
        History(context),
        OpenRuns(context),
        Ticks(context),
    )


def _limits(settings: Settings) -> Limits:
    usual = Limits()
    now = datetime.now(UTC)
    tick_at = next_due_of(settings.poll_schedule, now)
    after = next_due_of(settings.poll_schedule, tick_at) if tick_at else None
    tick = min(usual.tick, settings.function_timeout * 0.8)
    return Limits(
        lease=settings.lease,
        check_interval_min=settings.check_interval_min,
        check_interval_max=settings.check_interval_max,
        tick=tick,
        poll_every=after - tick_at if after and tick_at else usual.poll_every,
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
