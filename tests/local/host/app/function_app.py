"""A small app that uses every feature of the host, and notes each invocation in a file."""

# ruff: noqa: INP001 - an app's folder is an import path, not a package
import hashlib
import json
import logging
import os
import sys
import threading
from pathlib import Path
from typing import Any

import azure.functions as func
from azurefunctions.extensions.bindings.blob import BlobClient

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
_TWO = threading.Barrier(2)


def note(function: str, **what: Any) -> None:
    """Append one line, in one write, to the file of the test."""
    line = json.dumps({"function": function, "pid": os.getpid(), **what}) + "\n"
    descriptor = os.open(os.environ["NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line.encode())
    os.close(descriptor)


@app.route(route="echo/{a}/{*rest}")
def echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Answer with everything that arrived."""
    logging.info("echo has something to say, sig=%s", "&sig=verysecret")  # noqa: LOG015 - the root logger must reach the host
    seen = {
        "method": req.method,
        "url": req.url,
        "params": dict(req.params),
        "route": dict(req.route_params),
        "header": req.headers.get("X-Test"),
        "length": len(req.get_body()),
        "body": req.get_body()[:100].decode("latin-1"),
        "function": context.function_name,
        "trace": context.trace_context.trace_parent,
        "environment": os.environ["AZURE_FUNCTIONS_ENVIRONMENT"],
        "first_path": sys.path[0],
        "folder": str(Path.cwd()),
    }
    headers = {"X-Answer": "yes", "Set-Cookie": "a=1; Path=/"}
    return func.HttpResponse(
        json.dumps(seen), status_code=201, headers=headers, mimetype="application/json"
    )


@app.route(route="items/{id:int?}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def items(req: func.HttpRequest) -> str:
    """Answer with plain text."""
    return req.route_params.get("id", "none")


@app.route(route="later")
async def later(req: func.HttpRequest) -> func.HttpResponse:
    """Run on the worker's event loop."""
    return func.HttpResponse("later")


@app.route(route="nothing")
def nothing(req: func.HttpRequest) -> func.HttpResponse:
    """Return no response."""


@app.route(route="raise")
def raising(req: func.HttpRequest) -> func.HttpResponse:
    """Fail."""
    raise RuntimeError("this one raises: AccountKey=verysecret;")


@app.route(route="exit")
def exiting(req: func.HttpRequest) -> func.HttpResponse:
    """Try to end the worker the polite way."""
    sys.exit(5)


@app.route(route="two")
def two(req: func.HttpRequest) -> func.HttpResponse:
    """Answer once a second request is there."""
    _TWO.wait(10)
    return func.HttpResponse("two")


@app.route(route="hang")
def hang(req: func.HttpRequest) -> func.HttpResponse:
    """Never answer."""
    note("hang")
    threading.Event().wait()
    return func.HttpResponse("never")


@app.route(route="die")
def die(req: func.HttpRequest) -> func.HttpResponse:
    """End the worker the rude way."""
    os._exit(3)


@app.timer_trigger(arg_name="timer", schedule="%EVERY_SECOND%")
def tick(timer: func.TimerRequest) -> None:
    """Note each second."""
    status = timer.schedule_status
    note("tick", past_due=timer.past_due, status=status, schedule=timer.schedule)


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *", run_on_startup=True)
def at_start(timer: func.TimerRequest) -> None:
    """Note each start."""
    note("at_start")


@app.blob_trigger(arg_name="client", path="%DATA%/in/{name}.csv", connection="DataStorage")
def on_client(client: BlobClient) -> None:
    """Note a blob that is bound by name only."""
    found = client.get_blob_properties()
    note("on_client", name=found.name, container=found.container, etag=found.etag)


@app.blob_trigger(
    arg_name="stream",
    path="%DATA%/stream/{name}",
    connection="DataStorage",
    source=func.BlobSource.EVENT_GRID,
)
def on_stream(stream: func.InputStream) -> None:
    """Note a blob with its content."""
    content = stream.read()
    note(
        "on_stream",
        name=stream.name,
        uri=stream.uri,
        length=stream.length,
        digest=hashlib.sha256(content).hexdigest(),
        etag=stream.blob_properties["ETag"],
        metadata=stream.metadata,
    )


@app.queue_trigger(arg_name="message", queue_name="%DATA%", connection="DataStorage")
def on_message(message: func.QueueMessage) -> None:
    """Note a message; fail where it says so."""
    text = message.get_body().decode()
    times = message.insertion_time, message.expiration_time, message.time_next_visible
    note(
        "on_message",
        text=text,
        tries=message.dequeue_count,
        known=all((message.id, message.pop_receipt, *times)),
    )
    if "fail" in text:
        raise RuntimeError("not this one")


@app.blob_trigger(arg_name="client", path="%DATA%/poison/{name}", connection="DataStorage")
def on_poison(client: BlobClient) -> None:
    """Fail each time."""
    note("on_poison", name=client.blob_name)
    raise RuntimeError("not this one")
