"""Reads HTTP requests: bodies, queries, the versions in If-Match, and the operator."""

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from typing import Any, Final, TypeVar

import azure.functions as func
from pydantic import BaseModel, ValidationError

from functions.api_models.requests import OperatorComment
from shared.config.messages import plain_errors
from shared.core.config.gate import Gate
from shared.core.redaction import one_line
from shared.errors import InvalidRequestError, RequestTooLargeError, SecretInRequestError
from shared.operations.commands import OperatorCommand
from shared.telemetry import redacted

_LARGEST_BODY: Final = 64 * 1024
_OTHER_MARKS: Final = (BOM_UTF16_LE, BOM_UTF16_BE)
_NUL: Final = b"\x00"  # JSON escapes it, so that it shows another encoding
#: The query parameter that the host takes a function key from.
_FUNCTION_KEY: Final = "code"
#: Set by App Service authentication.
_VERIFIED_NAME: Final = "X-MS-CLIENT-PRINCIPAL-NAME"
_NAME_IT: Final = (
    "it would be stored with the run: write the secret as an app setting, and refer to it as "
    "${NAME} in the pipelines file"
)
_NOT_READ: Final = "is not read here: leave it out"

M = TypeVar("M", bound=BaseModel)


def body_of(req: func.HttpRequest, model: type[M]) -> M:
    """Return the body of a request; an empty one stands for `{}`.

    An operator's comment is kept without secrets. If another field holds a secret, the request
    is refused: otherwise the run or rollback would differ from the request.

    Args:
        req: the request.
        model: the model of the body.

    Returns:
        The body, without secrets.

    Raises:
        InvalidRequestError: it is too large, holds a secret, or is not what `model` says.
    """
    body = req.get_body()
    if len(body) > _LARGEST_BODY:
        raise RequestTooLargeError(f"the body is too large: at most {_LARGEST_BODY} bytes")
    try:
        sent = model.model_validate_json(_unmarked(body) or b"{}")
    except ValidationError as exc:
        raise _invalid(exc) from None
    clean = redacted(sent)
    comment = set(OperatorComment.model_fields)
    if clean.model_dump(exclude=comment) != sent.model_dump(exclude=comment):
        raise SecretInRequestError(_NAME_IT)
    return clean


def gate_of(given: dict[str, Any]) -> Gate:
    """Return a gate that a request holds, checked as one of the pipelines file is.

    The file of `compare.request` is next to the pipelines file and not here: its name is left out,
    since nothing is sent by it.

    Raises:
        InvalidRequestError: it is none; the message names each mistake.
    """
    compare = given.get("compare")
    if isinstance(compare, dict) and isinstance(compare.get("request"), str):
        given = {**given, "compare": {key: compare[key] for key in compare if key != "request"}}
    try:
        return Gate.model_validate(given, context={})
    except ValidationError as exc:
        raise _invalid(exc, "gate", given) from None


def query_of(req: func.HttpRequest, model: type[M]) -> M:
    """Return the query of a request.

    Args:
        req: the request.
        model: the model of the query.

    Returns:
        The query.

    Raises:
        InvalidRequestError: it is not what `model` says.
    """
    refuse_unknown(req, model)
    try:
        return model.model_validate_strings(_query(req))
    except ValidationError as exc:
        raise _invalid(exc) from None


def refuse_unknown(req: func.HttpRequest, model: type[BaseModel]) -> None:
    """Refuse query parameters that are not read: else a misspelt name would have no effect.

    Args:
        req: the request.
        model: names those that are read.

    Raises:
        InvalidRequestError: the request has others.
    """
    if unknown := sorted(set(_query(req)) - set(model.model_fields)):
        named = ", ".join(one_line(redacted(name)[:50]) for name in unknown[:5])
        there = ", ".join(model.model_fields)
        known = f"there is {there}" if there else "this address takes none: leave it out"
        raise InvalidRequestError(f"there is no query parameter {named}; {known}")


def command_of(req: func.HttpRequest, comment: OperatorComment) -> OperatorCommand:
    """Return who asks for a change, why, and for which versions.

    Args:
        req: the request. A user name that the platform verified counts over the body's.
        comment: its body.
    """
    name = req.headers.get(_VERIFIED_NAME)
    by = one_line(redacted(name)[:200]) if name else f"{comment.by or 'an operator'} (unverified)"
    return OperatorCommand(by, comment.reason, _if_match(req))


def key_parts(key: str | None) -> tuple[str, ...]:
    """Return the values of a key, which a request joins by slashes."""
    return tuple(key.split("/")) if key else ()


def _query(req: func.HttpRequest) -> dict[str, str]:
    return {name: value for name, value in req.params.items() if name.casefold() != _FUNCTION_KEY}


def _if_match(req: func.HttpRequest) -> frozenset[str] | None:
    """Return the versions that a change may be made to; None for any.

    A weak tag does not name a version: two versions may share it (RFC 9110 §13.1.1).
    """
    header = req.headers.get("If-Match")
    if header is None or header.strip() == "*":
        return None
    tags = (tag.strip() for tag in header.split(","))
    return frozenset(tag.strip('"') for tag in tags if tag and not tag.startswith("W/"))


def _unmarked(body: bytes) -> bytes:
    """Return a body without byte order marks, which some tools write before JSON."""
    if body.startswith(_OTHER_MARKS) or _NUL in body:
        raise InvalidRequestError("the body is not UTF-8: send JSON as UTF-8")
    body = body.strip()
    while body.startswith(BOM_UTF8):
        body = body.removeprefix(BOM_UTF8).strip()
    return body


def _invalid(exc: ValidationError, at: str = "", tree: Any = None) -> InvalidRequestError:
    """Return the mistakes of a request in plain words.

    Args:
        exc: as pydantic lists them.
        at: the field that was read; empty for the body or the query.
        tree: what was read, where it may have parts of several forms.
    """
    wrong = exc.errors(include_url=False, include_input=False, include_context=bool(at))
    listed = []
    for found in plain_errors(wrong[:20], {} if tree is None else tree):
        path = ".".join(map(str, (at, *found.path) if at else found.path)) or "body"
        text = found.text.replace("a mapping", "a JSON object")
        listed.append(f"{path}: {_NOT_READ if found.kind == 'extra_forbidden' else text}")
    return InvalidRequestError("; ".join(listed))
