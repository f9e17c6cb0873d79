"""Worlds for whole runs, with scripted answers; requests and writes are kept."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from shared.app import App
from shared.core.config.pipeline import Pipeline
from shared.core.run.record import Phase, Run
from shared.core.serving.state import EndpointState
from shared.ports.storage import Document, ETag, Listed
from shared.providers.http.client import Answer
from tests.fakes.documents import MemoryDocuments
from tests.fakes.read_once import stored_run
from tests.fakes.wire import StudioHttp
from tests.fakes.world import World, pipeline

RUNNING = Answer(200, {}, b'{"StatusCode": "Running"}')


@dataclass
class RecordingHttp(StudioHttp):
    bodies: list[str] = field(default_factory=list)

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        self.bodies.append((body or b"").decode())
        return super().send(method, url, headers, body)


@dataclass
class CountingDocuments(MemoryDocuments):
    calls: list[str] = field(default_factory=list)

    def read(self, name: str) -> Document | None:
        self.calls.append(f"read {name.partition('/')[0]}")
        return super().read(name)

    def create(self, name: str, body: bytes, metadata: Mapping[str, str] | None = None) -> ETag:
        self.calls.append(f"create {name.partition('/')[0]}")
        return super().create(name, body, metadata)

    def replace(
        self, name: str, body: bytes, expected: ETag, metadata: Mapping[str, str] | None = None
    ) -> ETag:
        self.calls.append(f"replace {name.partition('/')[0]}")
        return super().replace(name, body, expected, metadata)

    def delete(self, name: str, expected: ETag) -> None:
        self.calls.append(f"delete {name.partition('/')[0]}")
        super().delete(name, expected)

    def listing(self, prefix: str) -> Iterator[Listed]:
        self.calls.append(f"list {prefix.partition('/')[0]}")
        yield from super().listing(prefix)


@dataclass
class Observed(World):
    """A world that keeps what goes over its wires."""

    def new_documents(self) -> CountingDocuments:
        return CountingDocuments(self.clock, self.faults)

    def new_http(self) -> RecordingHttp:
        return RecordingHttp(self.studio, self.faults)

    @property
    def calls(self) -> list[str]:
        assert isinstance(self.documents, CountingDocuments)
        return self.documents.calls

    @property
    def bodies(self) -> list[str]:
        assert isinstance(self.http, RecordingHttp)
        return self.http.bodies

    def script(
        self, method: str, ending: str, answer: Answer | None, times: int | None = 1
    ) -> Callable[[], None]:
        """Answer requests to paths with this `ending`; the function given ends it."""
        left = [times]

        def scripted(asked: str, path: str) -> Answer | None:
            if asked != method or not path.endswith(ending) or left[0] == 0:
                return None
            if left[0] is not None:
                left[0] -= 1
            return answer

        self.http.answers.append(scripted)
        return lambda: self.http.answers.remove(scripted)

    def idle(self, span: timedelta, step: timedelta = timedelta(minutes=1)) -> None:
        """Let time pass only for the app: jobs stay as they are."""
        end = self.clock.now() + span
        while self.clock.now() < end:
            self.clock.move(step)
            self.poll.tick()

    def start(self, name: str = "new.csv") -> Run:
        """Upload data, deliver its event, and return its run."""
        self.upload(name)
        return self.deliver(name)[0]

    def now_of(self, run: Run) -> Run:
        return stored_run(self.documents.rows[f"runs/{run.run_id}"].body)

    def until(self, run: Run, phase: Phase, ticks: int = 40) -> Run:
        for _ in range(ticks):
            if self.now_of(run).phase is phase:
                break
            self.tick()
        now = self.now_of(run)
        assert now.phase is phase, f"{now.phase}: {now.reason or now.step_failure}"
        return now

    def until_idle(self, run: Run, ticks: int = 40, seconds: int = 30) -> Run:
        """Let time pass until the run is over or waits for an operator."""
        for _ in range(ticks):
            now = self.now_of(run)
            if now.phase.ended or now.phase is Phase.PARKED:
                break
            self.tick(seconds)
        return self.now_of(run)

    def next_run(self, name: str, content: bytes) -> Run:
        """A minute later, upload data, deliver its event, and return its run."""
        self.clock.move(timedelta(minutes=1))
        self.upload(name, content)
        return self.deliver(name)[0]

    def correct(self, **changes: Any) -> None:
        """Have workers from now on read an endpoint with these changes in the file."""
        assert self.pipeline.endpoint is not None
        endpoint = self.pipeline.endpoint.model_copy(update=changes)
        self.pipeline = self.pipeline.model_copy(update={"endpoints": (endpoint,)})
        self.restart()

    def correct_probe(self, **changes: Any) -> None:
        assert self.pipeline.endpoint is not None
        assert self.pipeline.endpoint.verify is not None
        self.correct(verify=self.pipeline.endpoint.verify.model_copy(update=changes))

    def model_of(self, run: Run) -> bytes:
        model = self.now_of(run).model
        assert model is not None
        return self.blobs.store.contents[f"https://account.blob.core.windows.net/{model.name}"]

    def endpoint_state(self) -> EndpointState:
        (name,) = [name for name in self.documents.rows if name.startswith("endpoints/")]
        return EndpointState.model_validate_json(self.documents.rows[name].body)

    def changes(self) -> list[str]:
        """What was sent that may change what an endpoint serves."""
        sent = self.http.sent
        return [one for one in sent if one.startswith("PATCH") or one.endswith("/refresh")]

    def damage(self, name: str, body: bytes = b"{not json") -> None:
        """Replace or add a record by something that nobody understands."""
        known = self.documents.rows.pop(name, None)
        self.documents.faults.inside = True
        self.documents.create(name, body, known.metadata if known else None)
        self.documents.faults.inside = False

    def another(self, *pipelines: Pipeline) -> App:
        """Return a worker that knows these pipelines too."""
        return self.app_over(self.context, self.pipeline, *pipelines)

    def sibling(self, **changes: Any) -> Pipeline:
        """Return a second pipeline for the same services, wanting `other-*.csv`."""
        known = {"name": "other", "data": {"blob": "other-{name}.csv"}, **changes}
        return pipeline(self.training, self.endpoint, {"pipeline": known})


def log_of(world: World, caplog_text: str) -> str:
    return world.everything_stored() + caplog_text


def refused(status: int, code: str, message: str, **headers: str) -> Answer:
    body = json.dumps({"error": {"code": code, "message": message, "details": []}}).encode()
    return Answer(status, {name.replace("_", "-"): v for name, v in headers.items()}, body)
