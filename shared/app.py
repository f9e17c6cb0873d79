"""The app of one process: its services, built on the context of `shared.app_context`."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shared import tracing
from shared.app_context import ahead_of, context_of, reader_of, services_of, storage_checks
from shared.config.file_locations import ContainerFiles, LocalFiles
from shared.config.known_secrets import learn_file, redactor_for
from shared.config.settings import Problem, Settings, read_settings
from shared.core.config.configuration import Configuration
from shared.errors import ConfigError, TransientError
from shared.execution.concurrency import ConcurrencyLimits
from shared.execution.context import Context
from shared.execution.driver import Driver
from shared.execution.gate import GateSteps
from shared.execution.inbox import InboxKeeper
from shared.execution.inputs import JobInputs
from shared.execution.run_factory import RunFactory
from shared.execution.run_writer import RunWriter
from shared.execution.unsure_models import UnsureSteps
from shared.intake.announced_runs import AnnouncedRuns
from shared.intake.batches import Batches
from shared.intake.blob_events import BlobEvents, ModelEvents
from shared.intake.blob_sets import data_blobs, model_blobs
from shared.intake.catalogue import Catalogue
from shared.intake.due_times import DueTimes
from shared.intake.eligibility import Activations, Backfill, Eligibility
from shared.intake.full_listings import FullListings
from shared.intake.last_good import LastGood
from shared.intake.requests import Requests
from shared.intake.rollbacks import Rollbacks
from shared.intake.schedules import Schedules
from shared.intake.search import Search
from shared.intake.storage_events import StorageEvents
from shared.intake.unwanted_data import UnwantedData
from shared.intake.version_runs import VersionRuns
from shared.maintenance.changed_file import ChangedFile, ConfigurationReader, WatchedFiles
from shared.maintenance.drift import Drift
from shared.maintenance.poll import Poll
from shared.maintenance.retention import Retention
from shared.maintenance.rounds import Rounds
from shared.maintenance.run_checks import RunChecks
from shared.maintenance.ticks import Ticks
from shared.maintenance.undelivered import UndeliveredEvents
from shared.maintenance.workspace_events import WorkspaceEvents
from shared.operations.endpoints import Endpoints
from shared.operations.health import HealthAlerts, HealthChecks
from shared.operations.history import History, OpenRuns
from shared.operations.pipelines import Pipelines
from shared.operations.preview import Previews
from shared.operations.runs import RunOperations
from shared.ports.clock import Clock
from shared.providers.http.client import Http, RequestsHttp
from shared.telemetry import use_redactor

if TYPE_CHECKING:
    from shared.operations.backtest import Backtests
    from shared.operations.doctor import Doctor
    from shared.ports.checks import Check

ROOT: Final = Path(__file__).resolve().parent.parent


class SystemClock:
    """The clock of this host."""

    def now(self) -> datetime:
        """Return the present moment in UTC."""
        return datetime.now(UTC)


class App:
    """The services of one process, each built once; no request is made.

    Args:
        settings: the app settings.
        context: the ledger, the storage, the ML services and the clock.
        configuration: the content of the pipelines file.
        started_at: when this process started, by its own clock.
    """

    #: None where no file is watched; one in a container is read by its `begin`.
    changed_file: ChangedFile | None = None
    storage_checks: "Callable[[], Sequence[Check]]" = tuple  #: for doctor

    def __init__(
        self,
        settings: Settings,
        context: Context,
        configuration: Configuration,
        started_at: datetime,
    ) -> None:
        self.settings, self.context, self.started_at = settings, context, started_at
        self._build_drivers(configuration)
        self._build_intake()
        self._build_timers()
        self._build_operations()

    def _build_drivers(self, configuration: Configuration) -> None:
        """Build the configuration in use, and what advances a run."""
        context = self.context
        self.last_good = LastGood(context, configuration, self.started_at)
        self.catalogue = Catalogue(self.last_good.served, self.last_good.require)
        self.activations = Activations(context, self.last_good, self.started_at)
        self.concurrency, self.factory = ConcurrencyLimits(context), RunFactory(context)
        self.inbox, self.writer = InboxKeeper(context), RunWriter(context)
        self.driver = Driver(context, self.writer, self.factory, self.concurrency, self.inbox)

    def _build_intake(self) -> None:
        """Build what opens runs."""
        context, catalogue, factory, driver = (
            self.context,
            self.catalogue,
            self.factory,
            self.driver,
        )
        concurrency, inbox, writer = self.concurrency, self.inbox, self.writer
        self.requests = Requests(context, factory, writer, driver, concurrency)
        backfill = Backfill(context, catalogue, self.requests, inbox)
        eligibility = Eligibility(context, self.activations, backfill)
        batches = self.batches = Batches(context, catalogue, concurrency, factory, writer, driver)
        runs = VersionRuns(context, catalogue, eligibility, inbox, batches, factory, driver)
        self.version_runs, self.rollbacks = runs, Rollbacks(context, catalogue, factory, driver)
        self.blob_events = BlobEvents(
            context, self.last_good, self.activations, catalogue, eligibility, runs
        )
        self.model_events = ModelEvents(context, catalogue, eligibility, runs, driver)
        self.storage_events = StorageEvents(context, self.blob_events, self.model_events)
        blob_sets = data_blobs(context, catalogue), model_blobs(context, catalogue, eligibility)
        self.search = Search(context, self.activations, backfill, runs, *blob_sets)
        self.full_listings = FullListings(
            context, self.last_good, self.activations, runs, *blob_sets
        )

    def _build_timers(self) -> None:
        """Build what timers do, and what an event only does sooner."""
        context, catalogue, activations = self.context, self.catalogue, self.activations
        announced = AnnouncedRuns(context, self.rollbacks, self.batches, self.version_runs)
        self.checks = RunChecks(context, self.driver, announced)
        self.rounds = Rounds(context, catalogue, self.driver, self.checks)
        self.workspace_events = WorkspaceEvents(context, self.checks)
        self.undelivered, self.ticks = UndeliveredEvents(context), Ticks(context)
        self.poll = Poll(
            context,
            self.last_good,
            activations,
            self.rounds,
            self.batches,
            UnwantedData(context, catalogue, activations, self.inbox),
            Drift(context, self.factory, self.writer, catalogue.endpoints_of),
            Schedules(context, catalogue, activations, DueTimes(context, self.requests)),
        )
        self.retention = Retention(context, catalogue, lambda: not self.last_good.file.problems)

    def _build_operations(self) -> None:
        """Build what operators ask for."""
        context, catalogue, settings = self.context, self.catalogue, self.settings
        self.history, self.open_runs = History(context), OpenRuns(context)
        self.endpoints = Endpoints(context, catalogue, self.rollbacks, self.open_runs)
        self.run_operations = RunOperations(context, catalogue, self.writer, self.driver)
        previews = Previews(context, self.factory, JobInputs(context), self.history)
        self.pipelines = Pipelines(
            context, catalogue, previews, self.open_runs, self.last_good, self.requests
        )
        timers = settings.poll_schedule, settings.schedule_tick
        self.health = HealthChecks(context, self.history, *timers, self.started_at)
        self.health_alerts = HealthAlerts(self.health, lambda: self.found)

    @property
    def doctor(self) -> "Doctor":
        """Tries everything that the app needs."""
        from shared.operations.doctor import Doctor, Known  # noqa: PLC0415 -- seldom needed

        services, load = services_of(self.context), self.last_good.load
        known = Known(self.context, self.catalogue, self.health, services, load)
        return Doctor(lambda: self.problems, lambda: self.hints, self.storage_checks, known)

    @property
    def backtests(self) -> "Backtests":
        """Replays other gates over recorded runs."""
        from shared.execution.replays import Replays  # noqa: PLC0415 -- seldom needed
        from shared.operations.backtest import Backtests  # noqa: PLC0415 -- seldom needed

        steps = GateSteps(self.context, UnsureSteps(self.context, self.writer))
        return Backtests(self.context, self.history, Replays(self.context, steps))

    def begin(self) -> None:
        """Read a pipelines file that is in a container; one in a folder was read already."""
        if self.changed_file is not None:
            self.changed_file.begin()

    def check_file(self, *, read_only: bool = False) -> None:
        """Use the pipelines file as it is now, where it was not looked at a moment ago.

        Args:
            read_only: the ledger is neither read nor written.
        """
        if self.changed_file is not None:
            self.changed_file.check_sometimes(read_only=read_only)
        if not read_only:
            self.last_good.load()  # once for each process, and only where a pipeline has an error

    def reload(self, until: datetime) -> None:
        """Use the pipelines file as it is now, and search at once for data that arrived meanwhile.

        Called at the beginning of each timer tick.

        Args:
            until: when no further part of a search may be begun.
        """
        if self.changed_file is not None:
            self.changed_file.reload(until)

    @property
    def found(self) -> tuple[Problem, ...]:
        """Everything that an operator must change."""
        unchecked = self.changed_file.problems if self.changed_file is not None else ()
        return (*self.settings.problems, *self.last_good.file.problems, *unchecked)

    @property
    def hints(self) -> tuple[Problem, ...]:
        """What an operator should know, though the app works with it."""
        return (*self.settings.hints, *self.last_good.file.hints_at(self.context.clock.now()))

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The same as `found`, and which last good configurations are used meanwhile."""
        return (*self.found, *self.last_good.notes())


@dataclass(frozen=True, slots=True)
class Unusable:
    """The app cannot be built: these settings are wrong."""

    problems: tuple[Problem, ...]
    hints: tuple[Problem, ...] = ()
    storage: "Callable[[], Sequence[Check]]" = tuple  #: what can be tried all the same
    built: App | None = None  #: the app, where these settings let it be built all the same

    @property
    def doctor(self) -> "Doctor":
        """Tries what can be tried with these settings."""
        from shared.operations.doctor import Doctor  # noqa: PLC0415 -- seldom needed

        known = self.built.doctor.known if self.built else None
        return Doctor(lambda: self.problems, lambda: self.hints, self.storage, known)

    @property
    def found(self) -> tuple[Problem, ...]:
        """Everything that an operator must change."""
        return self.problems


def of_settings(
    environment: Mapping[str, str], started_at: datetime, root: Path | None = None
) -> App | Unusable:
    """Return the app that calls the real services by the clock of this host.

    Args:
        environment: the app settings.
        started_at: when this process started.
        root: the folder of the app; None: that of this code.

    Returns:
        The app, or what is wrong with the settings.
    """
    tracing.enable(environment)
    return build(environment, root or ROOT, RequestsHttp(), SystemClock(), started_at)


def build(
    environment: Mapping[str, str],
    root: Path,
    http: Http,
    clock: Clock,
    started_at: datetime,
) -> App | Unusable:
    """Return the app for some settings; no request is made.

    Args:
        environment: the app settings.
        root: the folder of the app.
        http: sends requests to the ML services.
        clock: of this host.
        started_at: when this process started, by that clock.

    Returns:
        The app, or what is wrong with the settings.
    """
    settings = read_settings(environment, root)
    redactor = redactor_for(environment, (), settings.names)
    use_redactor(redactor)
    source = reader_of(settings, environment, redactor, LocalFiles())
    configuration, watched = _read_of_package(settings, source)
    learn_file(redactor, environment, configuration.pipelines.values())
    storage = partial(storage_checks, environment, settings, clock)
    problems, built = settings.problems, None
    try:
        context, ledger = context_of(settings, environment, http, clock, redactor)
        if container := settings.pipelines.container:
            files = ContainerFiles(ledger, container, partial(ahead_of, clock, context))
            source = reader_of(settings, environment, redactor, files)
            configuration = source.not_read("was not read yet", "it is read ahead of any work")
        built = App(settings, context, configuration, started_at)
    except (ConfigError, KeyError, ValueError) as exc:
        if not problems and not isinstance(exc, ConfigError):
            raise
        problems = problems or (Problem("storage connection", str(exc)),)
    if built is None or problems:
        wrong = configuration.problems if not settings.pipelines.container else ()
        hints = (*settings.hints, *configuration.hints_at(clock.now()))
        return Unusable((*problems, *wrong), hints, storage, built)
    built.storage_checks = storage
    if settings.pipelines.problem is None:
        built.changed_file = ChangedFile(
            context,
            source,
            built.last_good,
            built.activations,
            built.search,
            watched=watched,
            host=clock,
            started_at=started_at,
        )
    return built


def _read_of_package(
    settings: Settings, source: ConfigurationReader
) -> tuple[Configuration, WatchedFiles | None]:
    """Return the configuration as far as it can be known without a request.

    Args:
        settings: say where the pipelines file is.
        source: reads it.
    """
    place = settings.pipelines
    if place.problem is not None:
        return Configuration.unreadable(place.problem), None
    if not place.container:
        with suppress(TransientError):
            return source.read()
    return source.not_read("was not read yet", "it is read again each tick"), None
