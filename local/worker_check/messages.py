"""Replaces the compiled gRPC messages by classes with the names that the worker runtime uses.

Like the real ones they raise AttributeError for a field that is not theirs and report which
field of a union is set.
"""

from typing import Any, ClassVar


class _Message:
    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def WhichOneof(self, group: str) -> str | None:  # noqa: N802 -- the real messages' name
        """Return the field that is set."""
        del group  # each message that is asked has one union
        return next(iter(self.__dict__), None)

    def __getattr__(self, name: str) -> Any:  # lets a type checker read any field
        raise AttributeError(name)


class TypedData(_Message):
    """A value on its way in or out."""


class ParameterBinding(_Message):
    """A value and the parameter that it is for."""

    def WhichOneof(self, group: str) -> str | None:  # noqa: N802 -- the real messages' name
        """Return `data`: the other member of the union, shared memory, is never used here."""
        del group
        return "data"


class RpcHttp(_Message):
    """A request or an answer."""


class ModelBindingData(_Message):
    """The data from which an SDK type is made."""


class RpcException(_Message):
    """The error that a function raised."""


class StatusResult(_Message):
    """How a request to the worker went."""

    Failure: ClassVar[int] = 0
    Success: ClassVar[int] = 1
    Cancelled: ClassVar[int] = 2


class BindingInfo(_Message):
    """A binding as it was before raw bindings; the runtime compares with its numbers."""

    out: ClassVar[int] = 1
    inout: ClassVar[int] = 2
    undefined: ClassVar[int] = 0


class RpcFunctionMetadata(_Message):
    """One indexed function."""


class RpcRetryOptions(_Message):
    """The retry policy of a function."""


class WorkerMetadata(_Message):
    """The worker's metadata."""


class WorkerInitResponse(_Message):
    """The answer to the first request."""


class FunctionMetadataResponse(_Message):
    """The answer that lists the functions."""


class FunctionLoadResponse(_Message):
    """The answer to loading one function."""


class InvocationResponse(_Message):
    """The answer to one invocation."""
