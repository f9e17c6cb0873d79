"""Drives the official worker runtime in this process: one JSON line in, one JSON line out.

Runs in the worker's environment, so it needs the standard library and the runtime only. The
first line out says what was indexed; then each line in is an invocation, or asks which
modules are loaded. Neither a host nor gRPC takes part.
"""

import asyncio
import json
import logging
import os
import sys
import uuid
from types import SimpleNamespace
from typing import IO, Any, Final

from local.worker_check import messages

_log: Final = logging.getLogger("worker_check")


class WorkerRefusedError(RuntimeError):
    """The runtime answered a request of the host with a failure."""


class Runtime:
    """The runtime with one app in it; it holds one for each process."""

    def __init__(self, app: str) -> None:
        # As the worker process does before it starts the runtime. It replaces the folder that
        # `-m` put there, so that the app is found where it lies and `local` no more.
        sys.path[0] = app
        import azure_functions_runtime  # noqa: PLC0415 -- it keeps sys.path in a text at import

        self._app = app
        self._runtime = azure_functions_runtime
        self._ids: dict[str, str] = {}

    async def index(self) -> dict[str, Any]:
        """Start the runtime, index the app and load each function."""
        self._runtime.start_threadpool_executor()
        init = await self._ask(
            "worker_init_request", capabilities={}, function_app_directory=self._app
        )
        listed = await self._ask("functions_metadata_request")
        functions = listed.function_metadata_results or []
        for one in functions:
            await self._ask("function_load_request", function_id=one.function_id)
        self._ids = {one.name: one.function_id for one in functions}
        return {
            "python": init.worker_metadata.runtime_version,
            "runtime": init.worker_metadata.worker_version,
            "functions": {
                one.name: [json.loads(raw) for raw in one.raw_bindings] for one in functions
            },
            "retried": [one.name for one in functions if one.retry_options is not None],
            "app": sys.modules["function_app"].__file__,
        }

    async def invoke(
        self, function: str, inputs: dict[str, Any], metadata: dict[str, Any], trace: str = ""
    ) -> dict[str, Any]:
        """Invoke one function as the host does; return how it ended."""
        try:
            answer = await self._ask(
                "invocation_request",
                invocation_id=str(uuid.uuid4()),
                function_id=self._ids[function],
                input_data=[
                    messages.ParameterBinding(name=name, data=_typed(data))
                    for name, data in inputs.items()
                ],
                trigger_metadata={name: _typed(data) for name, data in metadata.items()},
                trace_context=SimpleNamespace(trace_parent=trace, trace_state="", attributes={}),
                retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
            )
        except WorkerRefusedError as failed:
            return {"error": str(failed)}
        return {"answer": _http_answer(answer.return_value)}

    async def _ask(self, request: str, **fields: Any) -> Any:
        body = SimpleNamespace(**{request: SimpleNamespace(**fields)})
        properties = {"host": "127.0.0.1", "protos": messages}
        asked = SimpleNamespace(request=body, properties=properties)
        answer = await getattr(self._runtime, request)(asked)
        if answer.result.status != messages.StatusResult.Success:
            failure = answer.result.exception
            _log.error("%s: %s\n%s", request, failure.message, failure.stack_trace)
            raise WorkerRefusedError(failure.message)
        return answer


def _typed(data: dict[str, Any]) -> messages.TypedData:
    """Return the message of a value that is written as {kind: value}."""
    ((kind, value),) = data.items()
    if kind == "http":
        body = value.pop("body")
        sent = {} if body is None else {"bytes": body.encode()}
        value = messages.RpcHttp(**value, body=messages.TypedData(**sent))
    elif kind == "model_binding_data":
        value = messages.ModelBindingData(**{**value, "content": value["content"].encode()})
    return messages.TypedData(**{kind: value})


def _http_answer(value: messages.TypedData | None) -> dict[str, Any] | None:
    if value is None:
        return None
    http = value.http
    return {
        "status": int(http.status_code),  # the runtime gives it as text
        "headers": {name.lower(): text for name, text in http.headers.items()},
        "body": http.body.bytes.decode(),
    }


async def _serve(runtime: Runtime, asked: IO[str], answers: IO[str]) -> None:
    def say(answer: dict[str, Any]) -> None:
        print(json.dumps(answer), file=answers, flush=True)

    try:
        say(await runtime.index())
    except WorkerRefusedError as failed:
        say({"refused": str(failed)})
        return
    for line in asked:
        request = json.loads(line)
        if "loaded" in request:
            say({"loaded": [name for name in request["loaded"] if name in sys.modules]})
        else:
            say(await runtime.invoke(**request))


def main() -> None:
    """Serve until the input ends; what the app prints or logs goes to the error output."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
        logging.getLogger("azure").setLevel(logging.WARNING)  # one line for each request
        asyncio.run(_serve(Runtime(sys.argv[1]), sys.stdin, answers))


if __name__ == "__main__":
    main()
