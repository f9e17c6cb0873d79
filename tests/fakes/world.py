"""A world in memory: storage, ledger, a stand-in, and the app's workers over them."""

import copy
import copyreg
import json
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

from local.studio import InstantTrainer, OutputKind, Published, Studio
from shared.app import App
from shared.config.known_secrets import redactor_for
from shared.config.settings import read_settings
from shared.core.blobs import BlobVersion
from shared.core.config.configuration import Configuration
from shared.core.config.pipeline import Pipeline
from shared.core.redaction import Redactor
from shared.core.run.record import Run
from shared.errors import RelearnError
from shared.execution.context import Context, Limits, Providers
from shared.ledger.ledger import Ledger
from shared.maintenance.poll import Poll
from shared.operations.runs import RunOperations
from shared.providers.factory import ConfiguredProviders
from shared.providers.redacting import RedactingBlobs
from shared.providers.studio.call import ArmToken
from shared.telemetry import use_redactor
from tests.fakes.blobs import FakeBlobs
from tests.fakes.clock import FakeClock, Shifted
from tests.fakes.documents import MemoryDocuments
from tests.fakes.faults import Crash, Faults
from tests.fakes.numbers import Numbers
from tests.fakes.queues import FakeQueues, event_places
from tests.fakes.read_once import pipeline_of, stored_run
from tests.fakes.wire import FixedCredential, StudioHttp

DATA, MODELS = "training-data", "models"
ENVIRONMENT = {
    "TRAINING_DATA_CONTAINER": DATA,
    "MODELS_CONTAINER": MODELS,
    "LEDGER_CONTAINER": "ledger",
    "AzureWebJobsStorage": "AccountName=mine;AccountKey=a2V5",
}
SETTINGS = read_settings(ENVIRONMENT, Path(__file__).resolve().parents[2])
RESOURCE = "Sample [trained model]"
KEYS = ("TRAINING_KEY", "ENDPOINT_KEY")
ROWS = {"Inputs": {"input1": {"ColumnNames": ["a", "b"], "Values": [["1", "2"], ["3", "4"]]}}}
CSV = b"a,b,label\n1,2,0\n3,4,1\n"
LIMITS = Limits(
    lease=timedelta(minutes=2),
    check_interval_min=timedelta(seconds=10),
    check_interval_max=timedelta(seconds=30),
    at_once=1,  # one thread, so that a trial goes the same way each time
)


# A copy of a lock is a lock of its own, which nobody holds.
copyreg.pickle(type(threading.Lock()), lambda _: (threading.Lock, ()))
copyreg.pickle(type(threading.RLock()), lambda _: (threading.RLock, ()))

#: Longer than the lease, and than a model is given to be live.
JUMP = timedelta(minutes=5)


@dataclass
class World:
    """Everything outside the app, and the workers that run it; a worker dies by `Crash`."""

    faults: Faults = field(default_factory=Faults)
    config: dict[str, Any] = field(default_factory=dict)  #: laid over the usual pipeline
    switch_delay: timedelta = timedelta(seconds=15)
    send_resources: bool = True
    limits: Limits = LIMITS
    own_storage: str | None = None  #: connection string of the service's own storage
    inputs: tuple[str, ...] = ("input1",)  #: what the training service takes
    clock: FakeClock = field(default_factory=FakeClock)  #: the storage's, and the service's
    file: Configuration | None = None  #: what the pipelines file says; None: `pipeline` alone

    def __post_init__(self) -> None:
        self._ids = Numbers()
        self.host = Shifted(self.clock, timedelta())  #: the clock of the app's hosts
        self.documents = self.new_documents()
        self.blobs = FakeBlobs(self.clock)
        self.queues = FakeQueues()
        self.studio = Studio(
            storage=self.blobs.store,
            trainer=InstantTrainer(),
            clock=self.clock.now,
            new_id=self._new_id,
            switch_delay=self.switch_delay,
            send_resources=self.send_resources,
            base_url="https://studio.example",
            own_storage=self.own_storage,
        )
        self.http = self.new_http()
        outputs = {"output1": OutputKind.MODEL, "output2": OutputKind.EVALUATION}
        self.training = self.studio.publish_training(
            "training", inputs=self.inputs, outputs=outputs
        )
        first = InstantTrainer().train({"input1": b"a,b,label\n0,0,0\n"}, {}, label=None)
        scoring = self.studio.publish_scoring("scoring", resource=RESOURCE, model=first.model)
        self.endpoint = self.studio.add_endpoint(scoring.web_service_id, "production")
        self.environment = {
            "TRAINING_KEY": self.training.api_key,
            "ENDPOINT_KEY": self.endpoint.api_key,
        }
        self.pipeline = self.configured()
        self.restart()
        self.faults.other_worker = self.preempting_tick
        self.faults.jump = self.jump

    def new_documents(self) -> MemoryDocuments:
        return MemoryDocuments(self.clock, self.faults)

    def new_http(self) -> StudioHttp:
        return StudioHttp(self.studio, self.faults)

    def configured(self) -> Pipeline:
        """Return what the pipelines file says."""
        return pipeline(self.training, self.endpoint, self.config)

    def jump(self) -> None:
        """Let so much time pass at once that a lease is over."""
        self.clock.move(JUMP)

    def copied(self, faults: Faults | None = None) -> Self:
        """Return a world that is as this one is now, with a new worker.

        A sweep prepares its world once, and tries each fault on a copy of it.

        Args:
            faults: what fails from now on; None: nothing does.
        """
        made = copy.deepcopy(self, {id(self.app): None})
        made.restart()
        made.faults.sites.clear()
        made.faults.plan = faults.plan if faults else {}
        return made

    def _new_id(self) -> str:
        """Return the id of the service's next object, in this world or in a copy of it."""
        return f"{next(self._ids):032x}"

    def restart(self) -> None:
        """Start a new worker process: nothing that was only in memory is left."""
        self.app = self._worker()

    @property
    def context(self) -> Context:
        return self.app.context

    @property
    def poll(self) -> Poll:
        return self.app.poll

    @property
    def run_operations(self) -> RunOperations:
        return self.app.run_operations

    def _worker(self) -> App:
        redactor = redactor_for(self.environment, [self.pipeline], [DATA, MODELS])
        use_redactor(redactor)
        providers = self.providers(redactor)
        ids = Numbers()
        context = Context(
            ledger=Ledger(self.documents),
            data=RedactingBlobs(self.blobs, redactor),
            models=RedactingBlobs(self.blobs, redactor),
            data_container=DATA,
            models_container=MODELS,
            queues=self.queues,
            events=event_places(self.blobs, self.queues),
            providers=providers,
            clock=self.host,
            new_id=lambda: f"worker-{next(ids)}",
            limits=self.limits,
            redactor=redactor,
        )
        return self.app_over(context)

    def app_over(self, context: Context, *pipelines: Pipeline) -> App:
        """Return the app over a context, with the pipelines file or with these pipelines."""
        known = pipelines or (self.pipeline,)
        file = None if pipelines else self.file
        file = file or Configuration({one.name: one for one in known})
        return App(SETTINGS, context, file, self.started_at())

    def providers(self, redactor: Redactor) -> Providers:
        """Return what builds the clients of the services."""
        return ConfiguredProviders(
            self.http,
            self.environment,
            self.blobs,
            self.blobs,
            MODELS,
            token=ArmToken(FixedCredential(self.studio.arm_token), frozenset({"studio.example"})),
            redactor=redactor,
        )

    def started_at(self) -> datetime:
        return self.host.now()

    def preempting_tick(self) -> None:
        """Let a second worker do what the timer does, from inside the first one's call."""
        app = self._worker()
        with suppress(RelearnError):
            for marker in list(app.context.ledger.open_markers.listed()):
                app.checks.check(marker, self.clock.now())
            app.poll._opened_from_inbox(app.poll.until())

    def discover(self, blob: BlobVersion) -> bool:
        """Let a search find training data."""
        return self.app.version_runs.discover(self.app.search.data.versions(blob))

    def discover_model(self, blob: BlobVersion) -> bool:
        """Let a search find an operator's model."""
        return self.app.version_runs.discover(self.app.search.models.versions(blob))

    def upload(self, name: str = "new.csv", content: bytes = CSV) -> None:
        self.blobs.put(DATA, name, content)

    def deliver(self, name: str = "new.csv") -> list[Run]:
        """Deliver the blob's event; True when the trigger would not be delivered again."""
        return self.app.blob_events.blob_arrived(name)

    def tick(self, seconds: int = 30) -> None:
        """Let time pass: late effects arrive, jobs end, the timer fires."""
        self.clock.move(timedelta(seconds=seconds))
        waiting, self.faults.late = self.faults.late, []
        for ticks, effect in waiting:
            if ticks > 1:
                self.faults.late.append((ticks - 1, effect))
                continue
            with suppress(RelearnError):
                effect()
        self.studio.work()
        self.poll.tick()

    def survive(self, do: Any) -> bool:
        """Do something as a process that may die in it; False when it failed."""
        try:
            do()
        except Crash:
            self.restart()
            return False
        except RelearnError:
            return False
        return True

    def runs(self) -> list[Run]:
        found = sorted(name for name in self.documents.rows if name.startswith("runs/"))
        return [stored_run(self.documents.rows[name].body) for name in found]

    def open_runs(self) -> list[str]:
        return [name for name in self.documents.rows if name.startswith("open/")]

    def run(self) -> Run:
        (run,) = self.runs()
        return run

    def until_ended(self, ticks: int = 40) -> Run:
        for _ in range(ticks):
            if self.runs() and all(run.phase.ended for run in self.runs()):
                break
            self.tick()
        return self.runs()[-1]

    @property
    def starts(self) -> list[str]:
        """The id of a job for each time that one was started."""
        return [job.id for job in self.studio.jobs for _ in job.started_at]

    def serving(self) -> bytes | None:
        """The model that the endpoint scores with now."""
        for _, endpoints in self.studio.services():
            for endpoint in endpoints:
                if endpoint.id == self.endpoint.endpoint_id:
                    return self.studio.serving(endpoint)
        return None

    def everything_stored(self) -> str:
        """Everything that the ledger holds, to search for secrets in."""
        bodies = [row.body.decode() for row in self.documents.rows.values()]
        hints = [json.dumps(dict(row.metadata)) for row in self.documents.rows.values()]
        return "\n".join(bodies + hints)


def pipeline(training: Published, endpoint: Published, changes: dict[str, Any]) -> Pipeline:
    base = "https://studio.example"
    tree: dict[str, Any] = {
        "name": "sample",
        "data": {"blob": "{name}.csv"},
        "when_busy": "parallel",
        "training": {
            "service": base + training.jobs_url,
            "api_key": "${TRAINING_KEY}",
            "outputs": {"output1": "model.ilearner", "output2": "evaluation.csv"},
            **changes.get("training", {}),
        },
        "endpoints": [
            {
                "name": "production",
                "update": base + endpoint.management_url,
                "api_key": "${ENDPOINT_KEY}",
                "resource": RESOURCE,
                "verify": {"score": base + endpoint.execute_url, "rows": ROWS, "within": "3m"},
                **changes.get("endpoint", {}),
            }
        ],
        **changes.get("pipeline", {}),
    }
    return pipeline_of(tree)
