"""The service: one workspace in memory that answers requests as the real one did."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from local.studio.catalogue import Catalogue, Service, secret_key
from local.studio.jobs import Job, JobBoard, JobState
from local.studio.management import Management
from local.studio.orders import read_order
from local.studio.references import BlobReference, StorageAccount
from local.studio.refusals import RefusalError, refusal
from local.studio.scoring import execute
from local.studio.services import (
    Endpoint,
    OutputKind,
    Parameter,
    Published,
    ScoringService,
    TrainingService,
)
from local.studio.storage import BlobAccess
from local.studio.swagger import swagger
from local.studio.training import Trainer
from local.studio.web_service_json import WebService
from local.studio.web_services import (
    ResourceManager,
    Switches,
    identity_answer,
    path_of,
)
from local.studio.wire import DONE, Call, WireAnswer, WireRequest, json_answer, refusal_answer

_API_VERSION = "2.0"
#: A real one's answer (studio-classic §3); it has no details.
_WRONG_REGION = {"error": {"code": "GetWorkspaceFailed", "message": "Internal error."}}
OWN_CONTAINER = "experimentoutput"


class Studio:
    """One model of the service, used as a fake by tests and as the body of the HTTP server.

    It has no clock, ids, randomness or waiting of its own, so equal calls give equal answers.
    It may be used from several threads. One workspace, whose id and token are derived from
    `new_id` like every other id and key.

    Args:
        storage: reaches the blobs that jobs and updates name.
        trainer: trains the jobs.
        clock: gives the time, aware and never going backwards.
        new_id: gives a new id at each call, 32 lower-case hex characters on the real one.
        switch_delay: how long after an accepted update scoring still shows the old model.
        queued_polls: how many polls of a started job still say NotStarted.
        numeric_status: send job states as numbers, as older services did.
        send_resources: report endpoints' resources; they were not always sent.
        own_storage: connection string of the service's own storage account. It receives
            published models and the outputs without an override, which are refused without it.
        base_url: where the service is reached, for the addresses that it reports for itself.
        unauthorized_for: how long after it was made an endpoint answers 401, as new ones did.

    Raises:
        ValueError: `own_storage` is not a connection string with an account key.
    """

    def __init__(
        self,
        *,
        storage: BlobAccess,
        trainer: Trainer,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
        switch_delay: timedelta = timedelta(seconds=30),
        queued_polls: int = 1,
        numeric_status: bool = False,
        send_resources: bool = True,
        own_storage: str | None = None,
        base_url: str = "http://127.0.0.1",
        unauthorized_for: timedelta = timedelta(),
    ) -> None:
        self.base_url = base_url
        self.busy_slots = 0
        """How many of each endpoint's MaxConcurrentCalls others are taking; may be changed."""
        self.wrong_region = False
        """Whether the management API is asked at another region's host; may be changed."""
        self._unauthorized_for = unauthorized_for
        self._scoring = Counter[str]()
        self._scoring_lock = threading.Lock()
        self._storage = storage
        self._clock = clock
        self._new_id = new_id
        self._numeric_status = numeric_status
        self._own_account = StorageAccount.parse(own_storage) if own_storage else None
        self._lock = threading.RLock()
        self._catalogue = Catalogue(clock=clock, new_id=new_id)
        self._board = JobBoard(
            storage=storage,
            trainer=trainer,
            clock=clock,
            new_id=new_id,
            queued_polls=queued_polls,
        )
        self._resource_manager = ResourceManager(
            storage=storage,
            clock=clock,
            new_id=new_id,
            own_account=self._own_account,
            token=secret_key("resource manager", self._catalogue.workspace_id),
        )
        self._management = Management(
            catalogue=self._catalogue,
            storage=storage,
            clock=clock,
            switch_delay=switch_delay,
            send_resources=send_resources,
        )

    @property
    def workspace_id(self) -> str:
        """The id of the one workspace."""
        return self._catalogue.workspace_id

    @property
    def workspace_token(self) -> str:
        """The workspace's authorisation token, for the management plane."""
        return self._catalogue.workspace_token

    @property
    def arm_token(self) -> str:
        """The token that Resource Manager takes; the identity endpoint gives it."""
        return self._resource_manager.token

    @property
    def identity_secret(self) -> str:
        """The value that the identity endpoint expects in the header X-IDENTITY-HEADER."""
        return secret_key("identity", self._catalogue.workspace_id)

    @property
    def switches(self) -> Switches:
        """How New web services behave; may be changed at any time."""
        return self._resource_manager.switches

    @property
    def jobs(self) -> list[Job]:
        """Every job, oldest first: tests count the starts in them."""
        return self._board.jobs()

    def publish_training(
        self,
        name: str,
        *,
        inputs: Sequence[str] = ("input1",),
        outputs: Mapping[str, OutputKind],
        parameters: Mapping[str, Parameter] | None = None,
        label: str | None = None,
    ) -> Published:
        """Publish a training service; `label` is the column to predict, or the last one."""
        with self._lock:
            return self._catalogue.publish_training(name, inputs, outputs, parameters or {}, label)

    def publish_scoring(self, name: str, *, resource: str, model: bytes) -> Published:
        """Publish a scoring service whose one updatable resource holds `model`.

        Raises:
            BlobRefusedError: The own storage did not take the model.
        """
        with self._lock:
            location = self._own_output(OutputKind.MODEL)
            if location is not None:
                self._storage.write(location.url("cw", self._clock()), model)
            return self._catalogue.publish_scoring(name, resource, model, location)

    def publish_web_service(
        self,
        name: str,
        *,
        resource: str,
        model: bytes,
        uri: str,
        group: str = "relearn",
        subscription: str = "00000000-0000-0000-0000-000000000001",
    ) -> WebService:
        """Publish a New web service whose one trained model lies at `uri`."""
        with self._lock:
            keys = (self._new_id(), self._new_id())
            pair = (secret_key("primary", keys[0]), secret_key("secondary", keys[1]))
            path = path_of(subscription, group, name)
            made = (model, uri)
            return self._resource_manager.publish(path, resource, pair, made, self.base_url)

    def web_service_serves(self, service: WebService) -> bytes:
        """Give the content of the model that a New web service scores with now."""
        with self._lock:
            return service.slot.at(self._clock()).content

    def add_endpoint(self, web_service_id: str, name: str) -> Published:
        """Add an endpoint; raises `RefusalError` for an unknown service or a name not allowed."""
        with self._lock:
            service = self._catalogue.service(self.workspace_id, web_service_id)
            return self._catalogue.published(self._catalogue.add_endpoint(service, name))

    def services(self) -> list[tuple[Service, list[Endpoint]]]:
        """Give every service with its endpoints, oldest first."""
        with self._lock:
            return [(item, self._catalogue.endpoints(item)) for item in self._catalogue.services()]

    def serving(self, endpoint: Endpoint) -> bytes | None:
        """Give the content of the model an endpoint serves now; `None` on a training service."""
        with self._lock:
            return endpoint.slot.at(self._clock()).content if endpoint.slot else None

    def work(self, started_before: datetime | None = None) -> int:
        """Bring started jobs to their end, and return how many ended.

        Training happens here, in the caller's thread, while other threads may continue polling.

        Args:
            started_before: leave jobs alone that were started at or after this time.
        """
        return self._board.work(started_before)

    def handle(self, request: WireRequest) -> WireAnswer:
        """Answer a request; errors of the request are part of the answer."""
        try:
            call = Call.of(request)
            with self._counted(call), self._lock:
                return self._route(call)
        except RefusalError as refused:
            return refusal_answer(refused)

    @contextmanager
    def _counted(self, call: Call) -> Iterator[None]:
        """Count a request for scores from its arrival on, as the throttle does."""
        scoring = call.segments[-1:] == ("execute",) and len(call.segments) > 1
        endpoint_id = call.segments[-2] if scoring else ""
        with self._scoring_lock:
            self._scoring[endpoint_id] += scoring
        try:
            yield
        finally:
            with self._scoring_lock:
                self._scoring[endpoint_id] -= scoring

    def _route(self, call: Call) -> WireAnswer:
        match call.segments:
            case ("workspaces", workspace_id, "services", endpoint_id, *rest):
                endpoint = self._catalogue.endpoint(workspace_id, endpoint_id)
                if rest == ["swagger.json"] and call.method == "GET":
                    return json_answer(swagger(endpoint, self.base_url, self.workspace_id))
                self._admit(call, endpoint.keys)
                if rest == ["execute"] and call.method == "POST":
                    return self._execute(call, endpoint)
                return self._jobs(call, endpoint, rest)
            case ("workspaces", _, "webservices", *_) if self.wrong_region:
                return json_answer(_WRONG_REGION, 500)
            case ("workspaces", workspace_id, "webservices", *rest):
                return self._management.answer(call, workspace_id, rest, self.base_url)
            case ("subscriptions", _, "services", service_id, *rest):
                return self._new_data_plane(call, service_id, rest)
            case ("subscriptions", *_):
                return self._resource_manager.answer(call, self.base_url)
            case ("msi", "token"):
                return identity_answer(call, self.identity_secret, self.arm_token, self._clock())
            case _:
                raise refusal("OperationNotFound", call.method)

    def _new_data_plane(self, call: Call, service_id: str, rest: Sequence[str]) -> WireAnswer:
        service = self._resource_manager.by_data_plane(service_id)
        if service is None:
            # A training service answers under both forms (studio-classic §1.7).
            endpoint = self._catalogue.endpoint(self.workspace_id, service_id)
            self._admit(call, endpoint.keys)
            return self._jobs(call, endpoint, rest)
        self._admit(call, service.keys)
        if rest == ["execute"] and call.method == "POST":
            return json_answer(execute(call, service.slot.at(self._clock()), service.resource))
        raise refusal("OperationNotFound", call.method)

    def _admit(self, call: Call, keys: Sequence[str]) -> None:
        if call.bearer not in keys:
            raise refusal("ScoreRequestUnauthorized")
        version = call.query.get("api-version", "")
        if version != _API_VERSION:
            raise refusal("BadVersionCall", version or "(none)")

    def _execute(self, call: Call, endpoint: Endpoint) -> WireAnswer:
        service = endpoint.service
        if not isinstance(service, ScoringService) or endpoint.slot is None:
            raise refusal("WebServiceTypeInvalid", "training")
        if self._clock() < endpoint.created_at + self._unauthorized_for:
            raise refusal("ScoreRequestUnauthorized")
        most = endpoint.settings["MaxConcurrentCalls"]
        if isinstance(most, int) and self._scoring[endpoint.id] + self.busy_slots > most:
            raise refusal("TooManyConcurrentRequests", most)
        return json_answer(execute(call, endpoint.slot.at(self._clock()), service.resource))

    def _jobs(self, call: Call, endpoint: Endpoint, rest: Sequence[str]) -> WireAnswer:
        match call.method, rest:
            case "POST", ["jobs"]:
                if not isinstance(endpoint.service, TrainingService):
                    raise refusal("WebServiceTypeInvalid", "scoring")
                order = read_order(call, endpoint.service, self._own_output)
                return json_answer(self._board.submit(endpoint.service, endpoint.id, order).id)
            case "POST", ["jobs", job_id, "start"]:
                self._board.start(endpoint.id, job_id)
                return DONE
            case "GET", ["jobs", job_id]:
                return json_answer(self._status(self._board.read_job(endpoint.id, job_id)))
            case "DELETE", ["jobs", job_id]:
                self._board.cancel(endpoint.id, job_id)
                return DONE
            case _:
                raise refusal("OperationNotFound", call.method)

    def _status(self, job: Job) -> dict[str, object]:
        results = None
        state, details = job.state, job.details
        if state is JobState.FINISHED:
            now = self._clock()
            results = {name: item.answered(now) for name, item in job.order.outputs.items()}
        code = state.number if self._numeric_status else state.value
        return {"StatusCode": code, "Results": results, "Details": details}

    def _own_output(self, kind: OutputKind) -> BlobReference | None:
        if self._own_account is None:
            return None
        name = self._new_id()
        own_location = f"{OWN_CONTAINER}/{name}/{name}{kind.extensions[0]}"
        return BlobReference(self._own_account.endpoint, own_location, account=self._own_account)
