"""The checks: the index, each function's invocation, and how wrong settings are reported."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from local.worker_check.expected import (
    ALL_SET,
    BY_IDENTITY,
    CONTAINERS,
    ONLY_REQUIRED,
    Binding,
    Variant,
    expected_functions,
)
from local.worker_check.report import Report
from local.worker_check.stage import PIPELINE, Stage
from local.worker_check.worker import Answer, Index, Worker

#: The worker's runtime; pinned, because the driver speaks to its inside.
RUNTIME: Final = "azure-functions-runtime==1.3.0"
_GRPC: Final = ("grpc", "google.protobuf")
_DATA, _MODELS = CONTAINERS["TRAINING_DATA_CONTAINER"], CONTAINERS["MODELS_CONTAINER"]
_MISSING: Final = ("TRAINING_DATA_CONTAINER", "LEDGER_CONTAINER")
_DUE_SECONDS: Final = 10.0


def check_all(python: Path, stage: Stage, report: Report) -> None:
    """Run every check, each group in a worker process of its own."""
    worker = partial(_indexed, python, stage, report)
    with report.group(BY_IDENTITY.name), worker(BY_IDENTITY):
        pass  # its index is all that differs
    stage.upload("TRAINING_DATA_CONTAINER", "older.csv")  # before the app: not eligible
    with report.group(ALL_SET.name), worker(ALL_SET) as able:
        for check in (_check_http, _check_blobs, _check_queues, _check_timers):
            check(able, stage, report)
    with report.group("two settings missing"), worker(ONLY_REQUIRED, _MISSING) as unable:
        _check_wrong_settings(unable, report)


@contextmanager
def _indexed(
    python: Path, stage: Stage, report: Report, variant: Variant, missing: Sequence[str] = ()
) -> Iterator[Worker]:
    """Give a worker whose index is checked; what it loaded is checked when it was used."""
    settings = stage.settings(variant)
    for name in missing:
        del settings[name]
    with Worker(python, stage.app, settings) as worker:
        check_index(worker.index(), stage, report, expected_functions(variant))
        yield worker
        report.equal("neither gRPC nor protobuf is loaded", [], worker.loaded(_GRPC))


def check_index(
    index: Index, stage: Stage, report: Report, expected: Mapping[str, list[Binding]]
) -> None:
    """Check what a worker says of the app.

    Args:
        index: what it says.
        stage: has the app.
        report: gets the outcomes.
        expected: the bindings of each function.
    """
    report.equal("CPython 3.13 runs it", "3.13", index.python)
    report.equal("by the official runtime", RUNTIME.partition("==")[2], index.runtime)
    report.equal("the app is what is deployed", str(stage.app / "function_app.py"), index.app)
    report.equal("the functions, none more", sorted(expected), sorted(index.functions))
    for name, bindings in expected.items():
        report.equal(f"bindings of {name}", bindings, index.functions.get(name), kind="bindings")
    report.equal("no function has a retry policy", [], index.retried)


def _check_http(worker: Worker, stage: Stage, report: Report) -> None:
    health = worker.http("health", "GET", "health")
    report.equal(
        "health: 200, healthy", (200, "healthy", {}), _fields(health, "status", "problems")
    )
    described = worker.http("openapi", "GET", "openapi.json")
    report.equal("openapi: 200, of OpenAPI 3.1", (200, "3.1.0"), _fields(described, "openapi"))

    path = f"pipelines/{PIPELINE}/runs"
    key, body = {"idempotency-key": "check-1"}, json.dumps({"data": "older.csv"})
    started = worker.http("start_run", "POST", path, body, key, pipeline=PIPELINE)
    run_id = str(started.body.get("run_id"))
    address = started.headers.get("location")
    report.equal("start_run: 202", (202, "manual"), _fields(started, "origin"))
    report.equal("start_run: Location of the run", f"/api/runs/{run_id}", address)
    report.equal("start_run: the ledger holds it", [run_id], [r["run_id"] for r in stage.runs()])
    again = worker.http("start_run", "POST", path, body, key, pipeline=PIPELINE)
    report.equal("start_run: same key, same run", (202, run_id), _fields(again, "run_id"))
    bad = worker.http("start_run", "POST", path, "{", key, pipeline=PIPELINE)
    report.equal("start_run: bad JSON is a problem", (400, "application/problem+json"), _kind(bad))

    shown = worker.http("get_run", "GET", f"runs/{run_id}", run_id=run_id)
    report.equal("get_run: 200", (200, run_id, "received"), _fields(shown, "run_id", "phase"))
    waiting = shown.body.get("waiting", {})
    named = [field for field in ("last_error", "next_try") if waiting.get(field)]
    report.equal("get_run: why, and when it is tried again", ["last_error", "next_try"], named)
    _check_commands(worker, run_id, report)
    _check_endpoint(worker, report)


def _check_commands(worker: Worker, run_id: str, report: Report) -> None:
    retried = worker.http("retry_run", "POST", f"runs/{run_id}/retry", run_id=run_id)
    report.equal(
        "retry_run: 409, it is not parked", (409, "invalid_transition"), _fields(retried, "kind")
    )
    cancelled = worker.http("cancel_run", "POST", f"runs/{run_id}/cancel", run_id=run_id)
    report.equal("cancel_run: 202", (202, "cancelled"), _fields(cancelled, "phase"))
    again = worker.http("cancel_run", "POST", f"runs/{run_id}/cancel", run_id=run_id)
    report.equal("cancel_run: 409, it is over", (409, "invalid_transition"), _fields(again, "kind"))
    for function, method, end in (
        ("get_run", "GET", ""),
        ("draw_verdict", "GET", "/verdict.svg"),
        ("retry_run", "POST", "/retry"),
        ("cancel_run", "POST", "/cancel"),
    ):
        # The second one is a path that leads out of the ledger's folder of runs.
        came = [
            _kind(worker.http(function, method, f"runs/{run_id}{end}", run_id=run_id))
            for run_id in ("no-such-run", "..")
        ]
        problems = [(404, "application/problem+json")] * 2
        report.equal(f"{function}: 404 for an unknown run", problems, came)


def _check_endpoint(worker: Worker, report: Report) -> None:
    def call(
        function: str, action: str = "", body: str | None = None, name: str = "production"
    ) -> Answer:
        path, method = f"endpoints/{PIPELINE}/{name}{action}", "POST" if action else "GET"
        return worker.http(function, method, path, body, pipeline=PIPELINE, endpoint=name)

    shown = _fields(call("get_endpoint"), "endpoint", "generation")
    report.equal("get_endpoint: 200", (200, "production", 0), shown)
    back = call("rollback_endpoint", "/rollback", "{}")
    report.equal("rollback: 409, nothing is kept", (409, "no_such_model"), _fields(back, "kind"))
    bad = _kind(call("rollback_endpoint", "/rollback", "{"))
    report.equal("rollback: bad JSON is a problem", (400, "application/problem+json"), bad)
    free = _fields(call("resume_endpoint", "/resume"), "endpoint")
    report.equal("resume_endpoint: 200", (200, "production"), free)
    lost = _fields(call("get_endpoint", name="other"), "kind")
    report.equal("get_endpoint: 404", (404, "no_such_endpoint"), lost)


def _check_blobs(worker: Worker, stage: Stage, report: Report) -> None:
    stage.upload("TRAINING_DATA_CONTAINER", "new.csv")
    for what in ("a run is opened", "the event again: the same run"):
        failed = worker.blob("on_training_data", "DataStorage", _DATA, "new.csv")
        runs = [(run["manifest"][0]["name"], run["phase"]) for run in _runs(stage, "data")]
        expected = (None, [("new.csv", "received")])
        report.equal(f"on_training_data: {what}", expected, (failed, runs))
    model = f"promote/{PIPELINE}/model.ilearner"
    stage.upload("MODELS_CONTAINER", model)
    failed = worker.blob("on_trained_model", "ModelsStorage", _MODELS, model)
    names = [run["model"]["name"].partition("/")[2] for run in _runs(stage, "model")]
    report.equal("on_trained_model: a run is opened", (None, [model]), (failed, names))
    before = len(stage.runs())
    for container in ("TRAINING_DATA_CONTAINER", "MODELS_CONTAINER"):
        stage.upload(container, "namesake.csv")
    failed = worker.blob("on_training_data", "ModelsStorage", _MODELS, "namesake.csv")
    came = failed, len(stage.runs())
    report.equal("on_training_data: a foreign container opens no run", (None, before), came)


def _check_queues(worker: Worker, stage: Stage, report: Report) -> None:
    stage.upload("TRAINING_DATA_CONTAINER", "queued.csv")
    for what in ("a run is opened", "the message again: the same run"):
        failed = worker.queue("on_storage_events", _event("queued.csv"))
        named = [run["manifest"][0]["name"] for run in _runs(stage, "data")]
        came = failed, named.count("queued.csv")
        report.equal(f"on_storage_events: {what}", (None, 1), came)
    before = len(stage.runs())
    foreign = {
        "another container": _event("queued.csv", "other"),
        "a deletion": _event("queued.csv", kind="BlobDeleted"),
    }
    for what, event in foreign.items():
        came = worker.queue("on_storage_events", event), len(stage.runs())
        report.equal(f"on_storage_events: {what} is passed over", (None, before), came)
    failed = worker.queue("on_storage_events", "no event")
    said = str(failed).partition(" is not JSON")[0]
    report.equal(
        "on_storage_events: what is not an event fails",
        "PermanentError: a message of a queue",
        said,
    )
    data = {"runId": "rl-worker-check-0123456789ab-1", "runStatus": "Completed"}
    ended = {"eventType": "Microsoft.MachineLearningServices.RunStatusChanged", "data": data}
    failed = worker.queue("on_workspace_events", json.dumps(ended))
    report.equal("on_workspace_events: an unknown job is ignored", None, failed)


def _check_timers(worker: Worker, stage: Stage, report: Report) -> None:
    def due() -> bool:
        return worker.timer("start_scheduled_runs") is not None or bool(_runs(stage, "schedule"))

    _repeated(due)  # the schedule is due each second; the app started less than two ago
    failed, opened = worker.timer("start_scheduled_runs"), bool(_runs(stage, "schedule"))
    report.equal("start_scheduled_runs: a run is opened", (None, True), (failed, opened))
    report.equal("poll_jobs: it runs", None, worker.timer("poll_jobs"))
    health = worker.http("health", "GET", "health")
    beat = health.body.get("last_poll") is not None
    report.equal("poll_jobs: health reports it", (200, True), (health.status, beat))


def _check_wrong_settings(worker: Worker, report: Report) -> None:
    health = worker.http("health", "GET", "health")
    report.equal("health: 503", (503, "unusable"), _fields(health, "status"))
    details = worker.http("health_details", "GET", "health/details")
    report.equal("health: it counts both", {"configuration": 2}, health.body["problems"])
    named = _named(str(details.body["problems"]))
    report.equal("health_details: it names both", list(_MISSING), named)
    deliveries: dict[str, Callable[[], str | None]] = {
        "on_training_data": lambda: worker.blob(
            "on_training_data", "AzureWebJobsStorage", _DATA, "x.csv"
        ),
        "on_trained_model": lambda: worker.blob(
            "on_trained_model", "AzureWebJobsStorage", _MODELS, "x.ilearner"
        ),
        "on_storage_events": lambda: worker.queue("on_storage_events", _event("x.csv")),
        "on_workspace_events": lambda: worker.queue("on_workspace_events", "{}"),
        "poll_jobs": lambda: worker.timer("poll_jobs"),
        "start_scheduled_runs": lambda: worker.timer("start_scheduled_runs"),
    }
    for function, deliver in deliveries.items():
        report.equal(f"{function}: it ends without an error", None, deliver())
    path = f"pipelines/{PIPELINE}/runs"
    refused = worker.http("start_run", "POST", path, pipeline=PIPELINE)
    report.equal("start_run: 503", (503, "application/problem+json"), _kind(refused))


def _event(name: str, container: str = _DATA, kind: str = "BlobCreated") -> str:
    subject = f"/blobServices/default/containers/{container}/blobs/{name}"
    kind, data = f"Microsoft.Storage.{kind}", {"api": "PutBlob"}
    return json.dumps({"eventType": kind, "subject": subject, "data": data})


def _repeated(done: Callable[[], bool]) -> None:
    until = time.monotonic() + _DUE_SECONDS
    while not done() and time.monotonic() < until:
        pass


def _runs(stage: Stage, origin: str) -> list[dict[str, Any]]:
    return [run for run in stage.runs() if run["origin"] == origin]


def _fields(answer: Answer, *keys: str) -> tuple[Any, ...]:
    return (answer.status, *(answer.body.get(key) for key in keys))


def _kind(answer: Answer) -> tuple[int, str | None]:
    return answer.status, answer.headers.get("content-type")


def _named(text: str) -> list[str]:
    return [name for name in CONTAINERS if name in text]
