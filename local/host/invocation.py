"""Worker side: one invocation from wire data to outcome, through the library's own converters."""

import asyncio
import inspect
import json
import sys
import threading
import traceback
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

import azure.functions as func
from azure.functions.meta import Datum

from local.host.indexing import LoadedFunction
from local.host.messages import (
    BlobContent,
    BlobReference,
    Ending,
    HttpAnswer,
    HttpCall,
    Invocation,
    Outcome,
    QueueItem,
    TimerTick,
    TriggerData,
)

_NO_ANSWER: Final = HttpAnswer(204, (), b"")
_TEXT: Final = (("Content-Type", "text/plain; charset=utf-8"),)
_THREAD: Final = threading.local()
#: An app may set this attribute on its errors for people, which are shown without a traceback.
SAYS_ALL: Final = "says_all"


class Context(func.Context):
    """The value of a parameter called `context`."""

    def __init__(self, function: LoadedFunction, invocation: Invocation) -> None:
        headers = invocation.data.headers if isinstance(invocation.data, HttpCall) else {}
        given = {name.lower(): value for name, value in headers.items()}
        self._function, self._id = function, invocation.id
        self._trace = SimpleNamespace(
            trace_parent=given.get("traceparent", ""),
            trace_state=given.get("tracestate", ""),
            attributes={},
        )
        self._retry = SimpleNamespace(retry_count=0, max_retry_count=0, exception=None)
        _THREAD.invocation_id = invocation.id

    @property
    def invocation_id(self) -> str:
        """Return the id that the log line shows."""
        return self._id

    @property
    def function_name(self) -> str:
        """Return the function's name in the app."""
        return self._function.name

    @property
    def function_directory(self) -> str:
        """Return the app's folder."""
        return self._function.folder

    @property
    def thread_local_storage(self) -> Any:
        """Return the storage whose `invocation_id` is this one's."""
        return _THREAD

    @property
    def trace_context(self) -> Any:
        """Return the request's W3C trace headers."""
        return self._trace

    @property
    def retry_context(self) -> Any:
        """Return a count of zero: retry policies are not emulated."""
        return self._retry


@dataclass(frozen=True)
class _ModelBindingData:
    # The fields that the extension reads off the wire message of the same name.
    version: str
    source: str
    content_type: str
    content: str


def invoke(
    function: LoadedFunction,
    invocation: Invocation,
    run: Callable[[Coroutine[Any, Any, Any]], Any] = asyncio.run,
) -> Outcome:
    """Decode the data, call the function, encode what it returned; never raises.

    Args:
        function: from `indexing.load`.
        invocation: its data must fit the function's trigger.
        run: runs the coroutine of an `async def` function to its end.
    """
    try:
        arguments = {function.trigger_name: decode(function, invocation.data)}
        if function.wants_context:
            arguments["context"] = Context(function, invocation)
        result = function.call(**arguments)
        if inspect.iscoroutine(result):
            result = run(result)
        return Outcome(invocation.id, Ending.SUCCEEDED, answer=encode(function, result))
    except BaseException as error:  # noqa: BLE001 - also SystemExit: the caller gets an answer
        return Outcome(invocation.id, Ending.FAILED, error=_shown(error))


def _shown(error: BaseException) -> str:
    """Return a failure for the log; an error that the app raises on purpose says all itself."""
    if getattr(error, SAYS_ALL, False):
        return f"{type(error).__name__}: {error}"
    trace = error.__traceback__
    own = trace.tb_next if trace else None  # without the line of `invoke`
    return "".join(traceback.format_exception(type(error), error, own or trace))


def decode(function: LoadedFunction, data: TriggerData) -> Any:
    """Return the object that the function's parameter gets.

    Wire shapes: azure-functions §7.4.
    """
    converter = _converter(function.trigger_type)
    match data:
        case HttpCall():
            return converter.decode(Datum(_http(data), "http"), trigger_metadata=None)
        case TimerTick():
            return converter.decode(Datum(data.payload, "json"), trigger_metadata=None)
        case BlobContent():
            metadata = {
                "BlobTrigger": Datum(f"{data.container}/{data.name}", "string"),
                "Uri": Datum(json.dumps(data.uri), "json"),
                "Properties": Datum(json.dumps(data.properties), "json"),
                "Metadata": Datum(json.dumps(data.metadata), "json"),
            }
            return converter.decode(Datum(data.content, "bytes"), trigger_metadata=metadata)
        case BlobReference():
            return _sdk_object(function, data)
        case QueueItem():
            metadata = {
                "Id": Datum(data.id, "string"),
                "PopReceipt": Datum(data.pop_receipt, "string"),
                "DequeueCount": Datum(str(data.dequeue_count), "json"),
                **{name: Datum(json.dumps(time), "json") for name, time in data.times.items()},
            }
            return converter.decode(Datum(data.text, "string"), trigger_metadata=metadata)


def encode(function: LoadedFunction, result: Any) -> HttpAnswer | None:
    """Return the HTTP answer of an HTTP function, None for the others.

    Raises:
        TypeError: the function returned what its bindings cannot send.
    """
    if not function.returns:
        if result is not None:
            raise TypeError(f"{function.name} returned a value, but has no $return binding")
        return None
    if result is None:
        return _NO_ANSWER
    if not isinstance(result, func.HttpResponse | str):
        raise TypeError(f"{function.name} must return HttpResponse or str, not {type(result)}")
    datum = _converter("http").encode(result, expected_type=None)
    if datum.type == "string":
        return HttpAnswer(200, _TEXT, datum.value.encode())
    headers = [(name, value.value) for name, value in datum.value["headers"].items()]
    for jar in datum.value["cookies"] or ():
        headers += [("Set-Cookie", cookie.OutputString()) for cookie in jar.values()]
    status = int(datum.value["status_code"].value)
    return HttpAnswer(status, tuple(headers), datum.value["body"].value)


def _converter(kind: str) -> Any:
    registry: Callable[[], Any] = func.get_binding_registry  # published without types
    return registry().get(kind)


def _http(call: HttpCall) -> dict[str, Any]:
    def texts(values: dict[str, str]) -> dict[str, Datum]:
        return {name: Datum(value, "string") for name, value in values.items()}

    return {
        "method": Datum(call.method, "string"),
        "url": Datum(call.url, "string"),
        "headers": texts(call.headers),
        "query": texts(call.query),
        "params": texts(call.params),
        "body": Datum(call.body, "bytes"),
    }


def _sdk_object(function: LoadedFunction, blob: BlobReference) -> Any:
    # The extension is loaded when a function binds one of its types; only then is this reached.
    extension: Any = sys.modules["azurefunctions.extensions.base"]
    names = {
        "Connection": blob.connection,
        "ContainerName": blob.container,
        "BlobName": blob.name,
    }
    data = _ModelBindingData("1.0", "AzureStorageBlobs", "application/json", json.dumps(names))
    converter = extension.get_binding_registry().get(function.trigger_type)
    return converter.decode(
        extension.Datum(data, "model_binding_data"), trigger_metadata=None, pytype=function.sdk_type
    )
