"""JSON answers, and problems as RFC 9457 describes them."""

import json
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, Final, TypeVar

import azure.functions as func
from pydantic import BaseModel, ValidationError

from functions.api_models import OpenRunShown, OperatorComment
from shared.config.messages import plain_errors
from shared.core.redaction import one_line
from shared.core.run.data_notes import notes_on_run
from shared.core.run.record import Run
from shared.core.run.waiting import Waits, waits_of
from shared.errors import (
    BadCursorError,
    ConfigError,
    ConflictError,
    CorruptRecordError,
    InvalidTransitionError,
    OutcomeUnknownError,
    RelearnError,
    TransientError,
)
from shared.intake.last_good import PipelineConfigError
from shared.intake.requests import IdempotencyConflictError, NoSuchDataError
from shared.operations.endpoints import NoSuchEndpointError, NoSuchModelError
from shared.operations.open_runs import OpenRun
from shared.operations.pipelines import NoSuchPipelineError, NothingToPreviewError
from shared.operations.preconditions import PreconditionFailedError
from shared.telemetry import clean_failures, cleaned

#: Inner workings of a record, of no use to anybody else.
HIDDEN: Final = frozenset({"claim", "request", "schema_version", "tie", "outputs_seen"})
_LARGEST_BODY: Final = 64 * 1024
_OTHER_MARKS: Final = (BOM_UTF16_LE, BOM_UTF16_BE)
_NUL: Final = b"\x00"  # JSON escapes it, so that it shows another encoding
#: The query parameter that the host takes a function key from.
_KEY: Final = "code"
_WHO: Final = "X-MS-CLIENT-PRINCIPAL-NAME"

#: The problem that each error of ours is, for whoever asked.
_PROBLEMS: Final[tuple[tuple[tuple[type[RelearnError], ...], int, str], ...]] = (
    ((IdempotencyConflictError,), 422, "Idempotency-Key used before"),
    ((NoSuchDataError, NothingToPreviewError), 400, "No such data"),
    ((BadCursorError,), 400, "Bad cursor"),
    ((NoSuchPipelineError,), 404, "No such pipeline"),
    ((NoSuchEndpointError,), 404, "No such endpoint"),
    ((PipelineConfigError,), 503, "Pipeline in error"),
    ((NoSuchModelError,), 409, "No such model"),
    ((PreconditionFailedError,), 412, "Changed meanwhile"),
    ((InvalidTransitionError, ConflictError), 409, "Not now"),
    ((TransientError, OutcomeUnknownError), 503, "Try again"),
    ((CorruptRecordError,), 500, "Record not understood"),
)
#: What else cannot be helped by repeating is said by the storage.
_TO_CHECK: Final = (
    "To check: the connection setting, that the container exists, the roles of the app's identity "
    "at the storage account, and its network rules; GET /api/health/details says when it works "
    "again"
)
_NAME_IT: Final = (
    "it would be kept with the run: write the secret as an app setting, and refer to it as "
    "${NAME} in the pipelines file"
)

Handler = Callable[[func.HttpRequest], func.HttpResponse]
M = TypeVar("M", bound=BaseModel)


class RequestRefusedError(Exception):
    """A request that cannot be used, with the problem to answer."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.answer = problem(status, title, detail)


def answering(handler: Handler) -> Handler:
    """Have whatever `handler` raises on purpose answered as a problem."""

    @wraps(handler)
    def answered(req: func.HttpRequest) -> func.HttpResponse:
        try:
            with clean_failures():
                return handler(req)
        except RequestRefusedError as exc:
            return exc.answer
        except RelearnError as exc:
            return _refused(exc)

    return answered


def ok(body: Mapping[str, Any], status: int = 200, **headers: str) -> func.HttpResponse:
    """Return `body` as JSON, without secrets."""
    return func.HttpResponse(
        json.dumps(cleaned(body)), status_code=status, mimetype="application/json", headers=headers
    )


def shape(body: BaseModel, status: int = 200, **headers: str) -> func.HttpResponse:
    """Return `body` as JSON, without what is not known and without secrets."""
    return ok(json.loads(body.model_dump_json(exclude_none=True)), status, **headers)


def problem(status: int, title: str, detail: str, **more: Any) -> func.HttpResponse:
    """Return a problem: what happened, and what to do next."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    return func.HttpResponse(
        json.dumps(cleaned(body)), status_code=status, mimetype="application/problem+json"
    )


def shown(run: Run, waiting: Waits | None) -> dict[str, Any]:
    """Return a run for people and programs: the record without its inner workings.

    Args:
        run: the run.
        waiting: what it waits for; its last error is the reason where the record has none.
    """
    found = run.model_dump(mode="json", exclude=set(HIDDEN), exclude_none=True)
    found["notes"] = notes_on_run(run)
    if waiting is not None:
        found["waiting"] = waiting.model_dump(mode="json", exclude_none=True)
        if waiting.last_error:
            found.setdefault("reason", waiting.last_error)
    return found


def accepted(run: Run) -> func.HttpResponse:
    """Return that something was begun, with the run that shows how it goes."""
    return ok(shown(run, waits_of(run)), 202, Location=f"/api/runs/{run.run_id}")


def open_runs_shown(runs: Iterable[OpenRun]) -> list[OpenRunShown]:
    """Return open runs as they are shown."""
    return [OpenRunShown(run_id=run.run_id, phase=run.phase, waiting=run.waiting) for run in runs]


def body_of(req: func.HttpRequest, model: type[M]) -> M:
    """Return the body of a request; an empty one stands for `{}`.

    What a person says is kept without secrets. Where something would be trained or rolled back
    by other words than were sent, a request that holds a secret is refused instead.

    Raises:
        Refused: it is too large, or not what `model` wants.
    """
    body = req.get_body()
    if len(body) > _LARGEST_BODY:
        raise RequestRefusedError(413, "Request too large", f"at most {_LARGEST_BODY} bytes")
    try:
        said = model.model_validate_json(_unmarked(body) or b"{}")
    except ValidationError as exc:
        raise _wrong(exc) from None
    clean = cleaned(said)
    words = set(OperatorComment.model_fields)
    if clean.model_dump(exclude=words) != said.model_dump(exclude=words):
        raise RequestRefusedError(400, "A secret in the request", _NAME_IT)
    return clean


def query_of(req: func.HttpRequest, model: type[M]) -> M:
    """Return the query of a request.

    Raises:
        Refused: it is not what `model` wants.
    """
    refuse_unknown(req, model)
    try:
        return model.model_validate_strings(_query(req))
    except ValidationError as exc:
        raise _wrong(exc) from None


def refuse_unknown(req: func.HttpRequest, model: type[BaseModel]) -> None:
    """Refuse query parameters that nobody reads: a misspelt name would else go unseen.

    Args:
        req: the request.
        model: names those that are read.

    Raises:
        Refused: it has others.
    """
    if unknown := sorted(set(_query(req)) - set(model.model_fields)):
        named = ", ".join(one_line(cleaned(name)[:50]) for name in unknown[:5])
        there = ", ".join(model.model_fields)
        known = f"there is {there}" if there else "this address takes none: leave it out"
        raise RequestRefusedError(
            400, "Bad request", f"there is no query parameter {named}; {known}"
        )


def _query(req: func.HttpRequest) -> dict[str, str]:
    return {name: value for name, value in req.params.items() if name.casefold() != _KEY}


def operator_of(req: func.HttpRequest, said: str = "") -> str:
    """Return who asks: as the platform verified it, else as they say and marked so."""
    name = req.headers.get(_WHO)
    return one_line(cleaned(name)[:200]) if name else f"{said[:200] or 'somebody'} (unverified)"


def if_match(req: func.HttpRequest) -> frozenset[str] | None:
    """Return the versions that a change may be made to; None for any.

    A weak tag is no version: it stands for what only looks the same (RFC 9110 §13.1.1).
    """
    header = req.headers.get("If-Match")
    if header is None or header.strip() == "*":
        return None
    tags = (tag.strip() for tag in header.split(","))
    return frozenset(tag.strip('"') for tag in tags if tag and not tag.startswith("W/"))


def _unmarked(body: bytes) -> bytes:
    """Return a body without byte order marks, which some tools write before JSON."""
    if body.startswith(_OTHER_MARKS) or _NUL in body:
        raise RequestRefusedError(400, "Bad request", "the body is not UTF-8: send JSON as UTF-8")
    body = body.strip()
    while body.startswith(BOM_UTF8):
        body = body.removeprefix(BOM_UTF8).strip()
    return body


_NOT_READ: Final = "is not read here: leave it out"


def _wrong(exc: ValidationError) -> RequestRefusedError:
    wrong = exc.errors(include_url=False, include_input=False, include_context=False)
    listed = [
        f"{'.'.join(map(str, found.path)) or 'body'}: "
        + (
            _NOT_READ
            if found.kind == "extra_forbidden"
            else found.text.replace("a mapping", "a JSON object")
        )
        for found in plain_errors(wrong[:20], {})
    ]
    return RequestRefusedError(400, "Bad request", "; ".join(listed))


def _refused(exc: RelearnError) -> func.HttpResponse:
    for kinds, status, title in _PROBLEMS:
        if isinstance(exc, kinds):
            return problem(status, title, str(exc))
    if isinstance(exc, ConfigError):
        return problem(503, "Not configured", "see GET /api/health/details for what is wrong")
    return problem(503, "Storage refuses", f"{exc}. {_TO_CHECK}")
