"""Follows one run from its event to its promotion, through the worker and to a collector of spans.

OpenTelemetry is no requirement of the app. So its packages, which are pure Python, are lent to
the worker by the environment that runs this check, and a distribution is made up that has the
SDK export each span as it ends.
"""

import importlib.util
import json
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from azure.storage.blob import BlobServiceClient

from local.azurite import make_container
from local.collector import Collected, Collector
from local.studio import HttpBlobs, InstantTrainer, OutputKind, Studio
from local.studio.server import StudioServer
from local.worker_check.checks import check_index
from local.worker_check.expected import ONLY_REQUIRED, expected_functions
from local.worker_check.report import Report
from local.worker_check.stage import Stage
from local.worker_check.worker import Worker

_NAMES: Final = {
    "TRAINING_DATA_CONTAINER": "traced-data",
    "MODELS_CONTAINER": "traced-models",
    "LEDGER_CONTAINER": "traced-ledger",
}
_RESOURCE: Final = "Traced [trained model]"
_BLOB: Final = "new.csv"
_DATA: Final = b"a,b,label\n1,2,0\n3,4,1\n"
_ROWS: Final = {"Inputs": {"input1": {"ColumnNames": ["a", "b"], "Values": [["1", "2"]]}}}
_EVENT: Final = ("e" * 32, "e" * 16)
_LONGEST_SECONDS: Final = 45.0
_BETWEEN_POLLS: Final = 0.3
_SECOND: Final = 1.1
#: Steps that every run of one endpoint takes.
_STEPS: Final = frozenset(
    {"open run", "create job", "start job", "collect model", "update endpoint", "check endpoint"}
)
_EXPORTER: Final = """
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor


class Configurator:
    def configure(self, **_):
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
        trace.set_tracer_provider(tracers)
"""


def check_trace(python: Path, stage: Stage, folder: Path, report: Report) -> None:
    """Check that all steps of a run are in the trace of its event, whoever takes them.

    Args:
        python: interpreter of the worker's environment.
        stage: has the app and the storage.
        folder: for the pipelines file and the packages that are lent.
        report: gets the outcomes.
    """
    group = "required settings, traced"  # of what else is set here no binding knows
    with report.group(group), Collector() as collector, _service() as service:
        for container in _NAMES.values():
            make_container(stage.storage.get_container_client(container))
        file = folder / "traced.yaml"
        file.write_text(json.dumps(service.pipelines), encoding="utf-8")
        (folder / "probe.json").write_text(json.dumps(_ROWS), encoding="utf-8")
        settings = {
            "PATH": "",
            "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
            "AzureWebJobsStorage": stage.connection_string,
            "PIPELINES_FILE": str(file),
            "CHECK_INTERVAL_MIN": "1s",
            "PYTHON_ENABLE_OPENTELEMETRY": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "PYTHONPATH": str(_lent_packages(folder / "packages")),
            **_NAMES,
            **service.keys,
        }
        with Worker(python, stage.app, settings) as worker:
            check_index(worker.index(), stage, report, expected_functions(ONLY_REQUIRED))
            run, polls = _lived(worker, stage.storage)
        _check(run, polls, collector, report)
        secrets = [*service.keys.values(), "sig="]
        sent = b"".join(collector.bodies).decode("utf-8", "replace")
        report.equal("no span holds a secret", [], [one for one in secrets if one in sent])


def _check(
    run: Mapping[str, Any], polls: list[tuple[str, str]], collector: Collector, report: Report
) -> None:
    report.equal("the run ends", "promoted", run["phase"])
    spans = [one for one in collector.spans if one.attributes.get("relearn.run") == run["run_id"]]
    opened = [(one.trace, one.parent) for one in spans if one.name == "open run"]
    report.equal("its trace is that of the event", [_EVENT], opened)
    report.equal("each step is in it", {_EVENT[0]}, {one.trace for one in spans})
    report.equal("no step is missing", [], sorted(_STEPS - {one.name for one in spans}))
    takers = {link for one in spans for link in one.links}
    report.equal("steps are linked to polls", (True, set()), (bool(takers), takers - set(polls)))
    calls = [one for one in collector.spans if _calls_from(one, spans)]
    report.equal("calls of the service are below", {"POST", "PATCH"}, _methods(calls))


def _calls_from(one: Collected, steps: list[Collected]) -> bool:
    return "http.request.method" in one.attributes and one.parent in {step.id for step in steps}


def _methods(calls: list[Collected]) -> set[str]:
    return {one.name for one in calls} & {"POST", "PATCH"}


def _lived(
    worker: Worker, storage: BlobServiceClient
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Deliver an event and let the timer fire until the run is over; return it, and the polls."""
    container = _NAMES["TRAINING_DATA_CONTAINER"]
    worker.timer("poll_jobs")  # the pipeline is active before its data arrives
    threading.Event().wait(_SECOND)  # the storage dates blobs in whole seconds
    storage.get_blob_client(container, _BLOB).upload_blob(_DATA)
    worker.blob("on_training_data", "AzureWebJobsStorage", container, _BLOB, trace=_of(_EVENT))
    polls: list[tuple[str, str]] = []
    until = time.monotonic() + _LONGEST_SECONDS
    while True:
        (run,) = _runs(storage)
        if run["phase"] in {"promoted", "parked", "failed"} or time.monotonic() > until:
            return run, polls
        polls.append((uuid.uuid4().hex, uuid.uuid4().hex[:16]))
        worker.timer("poll_jobs", trace=_of(polls[-1]))
        threading.Event().wait(_BETWEEN_POLLS)


def _of(span: tuple[str, str]) -> str:
    return f"00-{span[0]}-{span[1]}-01"


def _runs(storage: BlobServiceClient) -> list[dict[str, Any]]:
    ledger = storage.get_container_client(_NAMES["LEDGER_CONTAINER"])
    names = ledger.list_blob_names(name_starts_with="runs/")
    return [json.loads(ledger.download_blob(name).readall()) for name in names]


@dataclass(frozen=True, slots=True)
class _Service:
    """A service that trains at once, and an endpoint that switches soon."""

    pipelines: dict[str, Any]
    keys: dict[str, str] = field(repr=False)


@contextmanager
def _service() -> Iterator[_Service]:
    trainer = InstantTrainer()
    studio = Studio(
        storage=HttpBlobs(),
        trainer=trainer,
        clock=lambda: datetime.now(UTC),
        new_id=lambda: uuid.uuid4().hex,
        switch_delay=timedelta(seconds=1),
    )
    with StudioServer(studio, trainer=trainer, queue_delay=timedelta()) as server:
        training = studio.publish_training("training", outputs={"output1": OutputKind.MODEL})
        first = trainer.train({"input1": b"a,b,label\n0,0,0\n"}, {}, label=None)
        scoring = studio.publish_scoring("scoring", resource=_RESOURCE, model=first.model)
        endpoint = studio.add_endpoint(scoring.web_service_id, "production")
        score = server.url + endpoint.execute_url
        serves = {
            "name": "production",
            "update": server.url + endpoint.management_url,
            "api_key": "${ENDPOINT_KEY}",
            "resource": _RESOURCE,
            "verify": {"score": score, "rows": "probe.json", "within": "30s"},
        }
        trains = {
            "service": server.url + training.jobs_url,
            "api_key": "${TRAINING_KEY}",
            "outputs": {"output1": "model.ilearner"},
        }
        pipeline = {"data": {"blob": "{name}.csv"}, "training": trains, "endpoints": [serves]}
        yield _Service(
            {"pipelines": {"traced": pipeline}},
            {"TRAINING_KEY": training.api_key, "ENDPOINT_KEY": endpoint.api_key},
        )


def _lent_packages(folder: Path) -> Path:
    """Return a folder with OpenTelemetry, as it is installed here, and a distribution of it."""
    found = importlib.util.find_spec("opentelemetry.sdk.trace")
    if found is None or found.origin is None:
        raise RuntimeError("opentelemetry-sdk is not installed: it is in requirements-dev.txt")
    site = Path(found.origin).parents[3]
    folder.mkdir()
    for package in (site / "opentelemetry", site / "google", *site.glob("opentelemetry_*-info")):
        (folder / package.name).symlink_to(package)
    (folder / "traced_exporter.py").write_text(_EXPORTER, encoding="utf-8")
    info = folder / "traced_exporter-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: traced-exporter\nVersion: 1\n")
    entry = "[opentelemetry_configurator]\nconfigurator = traced_exporter:Configurator\n"
    (info / "entry_points.txt").write_text(entry, encoding="utf-8")
    return folder
