"""Runs a whole app with a service that repeats secrets, and keeps everything that it wrote."""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import azure.functions as func

from functions import endpoints, health, manual_runs, pipelines, runs
from functions.process import handed_in
from local.studio import OutputKind, Parameter
from shared import tracing
from shared.errors import RelearnError
from shared.providers.http.client import Answer
from tests.fakes.blobs import ACCOUNT_KEY
from tests.fakes.echoes import SPELLINGS, EchoHttp, EchoSite, drawn, pieces
from tests.fakes.traced import kept
from tests.fakes.world import World, pipeline
from tests.functions.conftest import app_over
from tests.unit.fleet import Fleet
from tests.unit.intake.test_customers import Customers
from tests.unit.providers.test_web_services import NewService
from tests.unit.worlds import Observed

CONNECTION: Final = (
    f"DefaultEndpointsProtocol=https;AccountName=account;AccountKey={ACCOUNT_KEY};"
    "EndpointSuffix=core.windows.net"
)
PARAMETER: Final = "p4ss;word=In/Xq7Zk2Lm9Vb4?"


@dataclass
class EchoRun:
    """What happened in a world with such a service."""

    http: EchoHttp
    everything: str  #: ledger, log, spans, metrics and answers
    phases: set[str]
    unexpected: list[str] = field(default_factory=list)

    def leaks(self) -> list[str]:
        """Return the secrets of which a piece is in anything that it said."""
        return [
            one
            for one in self.http.secrets
            if any(piece in self.everything for piece in pieces(one))
        ]


def _keyed() -> World:
    training = {
        "connection_string": "${STORAGE}",
        "parameters": {"Password": "${PARAMETER}"},
        "attempts": 2,
    }
    world = Observed(config={"training": training})
    outputs = {"output1": OutputKind.MODEL, "output2": OutputKind.EVALUATION}
    world.training = world.studio.publish_training(
        "keyed", inputs=("input1",), outputs=outputs, parameters={"Password": Parameter()}
    )
    world.pipeline = pipeline(world.training, world.endpoint, {"training": training})
    world.environment["TRAINING_KEY"] = world.training.api_key
    world.environment |= {"STORAGE": CONNECTION, "PARAMETER": PARAMETER}
    return world


def _gated() -> World:
    gate = {"metrics": "output2", "rules": [{"metric": "AUC", "at_least": 0.1}]}
    return Observed(config={"pipeline": {"gate": gate}})


def _fleet() -> World:
    return Fleet(size=2)


#: name -> a world, the blob that arrives there, and the endpoint and key that people ask for.
KINDS: Final[dict[str, tuple[Callable[[], World], str, str, str]]] = {
    "keyed": (_keyed, "new.csv", "production", ""),
    "gated": (_gated, "new.csv", "production", ""),
    "customers": (Customers, "acme/monday.csv", "theirs", "acme"),
    "fleet": (_fleet, "new.csv", "e1", ""),
    "web service": (NewService, "new.csv", "new", ""),
}


class _Log(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.unexpected: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        self.lines += [line, str(vars(record))]  # the attributes are exported too
        if record.exc_info:
            self.unexpected.append(line)


class _TracedHttp(EchoHttp):
    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        with tracing.call(method, url) as span:
            answer = super().send(method, url, headers, body)
            span.answered(answer.status)
        return answer


def life(kind: str, site: EchoSite | None) -> EchoRun:
    """Return what a world of this kind said while secrets were repeated at one site.

    Data arrives and is trained on, endpoints are verified again, people ask for a run, for what
    there is, for a retry and for a rollback.

    Args:
        kind: one of `KINDS`.
        place: where; None: nowhere.
    """
    make, blob, endpoint, key = KINDS[kind]
    world = make()
    http = _TracedHttp(world.studio, world.faults, site=site)
    world.http = http
    for name, value in world.environment.items():
        http.note(ACCOUNT_KEY if name == "STORAGE" else value)
    http.note(drawn(9999), SPELLINGS)  # of another host, or of before a restart
    world.restart()
    log, logger = _Log(), logging.getLogger("relearn")
    level, off = logger.level, logging.root.manager.disable
    logger.addHandler(log)
    logger.setLevel(logging.DEBUG)
    logging.disable(logging.NOTSET)
    try:
        with kept() as spans:
            answers = [*_lived(world, blob, endpoint, key), spans()]
    finally:
        logger.removeHandler(log)
        logger.setLevel(level)
        logging.disable(off)
    said = "\n".join((world.everything_stored(), *log.lines, *answers))
    return EchoRun(http, said, {str(run.phase) for run in world.runs()}, log.unexpected)


def _lived(world: World, blob: str, endpoint: str, key: str) -> list[str]:
    answers: list[str] = []
    built = app_over(world)
    with handed_in(built):
        world.upload(blob)
        _try(lambda: world.deliver(blob))
        _pass(world, 10, 30)
        answers += _asked(world, endpoint, key)
        world.upload(blob.replace("new", "second").replace("monday", "tuesday"), b"a,b\n1,2\n")
        _try(lambda: world.deliver(blob.replace("new", "second").replace("monday", "tuesday")))
        _pass(world, 8, 45)
        site = {"pipeline": "sample", "endpoint": endpoint}
        said = f'{{"by": "me", "reason": "it said sig=abc", "key": "{key}"}}'.encode()
        answers.append(_call(endpoints.rollback_endpoint, site, said))
        _pass(world, 6, 60)
        _pass(world, 4, 2000)
        answers += _asked(world, endpoint, key)
    return answers


#: Every operation that reads: a test holds it to the OpenAPI document.
READS: Final = {
    "list_runs": runs.list_runs,
    "get_run": runs.get_run,
    "draw_verdict": runs.draw_verdict,
    "list_pipelines": pipelines.list_pipelines,
    "get_pipeline": pipelines.get_pipeline,
    "preview_pipeline": pipelines.preview_pipeline,
    "list_endpoints": endpoints.list_endpoints,
    "get_endpoint": endpoints.get_endpoint,
    "health": health.health,
    "health_details": health.health_details,
}


def read_all(world: World, endpoint: str, key: str = "") -> list[str]:
    """Return what every operation that reads answers about a world, for each of its runs.

    Args:
        world: the world.
        endpoint: the name of the endpoint to ask for.
        key: of a customer, parts by slashes; empty where there are none.
    """
    built = app_over(world)
    query = {"key": key} if key else {}
    site = {"pipeline": world.pipeline.name, "endpoint": endpoint}
    said = []
    with handed_in(built):
        for name, read in READS.items():
            if name in ("get_run", "draw_verdict"):
                said += [_call(read, {"run_id": run.run_id}) for run in world.runs()]
            else:
                said.append(_call(read, site, query=query if name == "get_endpoint" else None))
    return said


def _asked(world: World, endpoint: str, key: str) -> list[str]:
    """Return what every operation of the API answers."""
    said = [_call(manual_runs.start_run, {"pipeline": "sample"}, b"{}")]
    said += read_all(world, endpoint, key)
    said += [_call(runs.retry_run, {"run_id": run.run_id}) for run in world.runs()]
    return said


def _call(
    handler: Callable[[func.HttpRequest], func.HttpResponse],
    route: dict[str, str],
    body: bytes = b"",
    query: dict[str, str] | None = None,
) -> str:
    request = func.HttpRequest(
        "POST" if body else "GET",
        "http://localhost/api",
        headers={},
        params=query or {},
        route_params=route,
        body=body,
    )
    answer = handler(request)
    return f"{answer.get_body().decode()} {dict(answer.headers)}"


def _pass(world: World, ticks: int, seconds: int) -> None:
    for _ in range(ticks):
        _try(lambda: world.tick(seconds))


def _try(do: Callable[[], Any]) -> None:
    with suppress(RelearnError):
        do()


def sites_of(run: EchoRun) -> list[EchoSite]:
    """Return every site that the answers of such a world have room for."""
    return sorted(run.http.sites, key=str)
