"""Reads the names of the app's functions from its source, so that no second list is needed."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from console import HookError

_FOLDER: Final = "functions"
_DECORATOR: Final = "function_name"


@dataclass(frozen=True)
class EventFunction:
    """A blob trigger that Event Grid calls, if eventDelivery is blobTrigger."""

    name: str
    topic: str  #: the output that has the id of the topic
    container: str  #: the output that has the name of the container; `<...>_PREFIX` and
    #: `<...>_SUFFIX` have which blobs of it send events
    queue_subscription: str  #: its counterpart, if eventDelivery is queue

    @property
    def subscription(self) -> str:
        """The name of its event subscription, behind the prefix of the app's subscriptions."""
        return self.name.replace("_", "-")


#: The blob triggers; a test compares them with the app's own.
BLOB_FUNCTIONS: Final = (
    EventFunction("on_training_data", "DATA_TOPIC_ID", "TRAINING_DATA_CONTAINER", "training-data"),
    EventFunction("on_trained_model", "MODELS_TOPIC_ID", "MODELS_CONTAINER", "models"),
)
#: The function that takes the same events from a queue, if eventDelivery is queue.
QUEUE_FUNCTIONS: Final = ("on_storage_events",)


@cache
def expected_functions(root: Path) -> frozenset[str]:
    """Return the names of the app's functions.

    Args:
        root: the folder of the app.

    Raises:
        HookError: the folder holds no functions.
    """
    files = sorted((root / _FOLDER).glob("*.py"))
    names = [name for file in files for name in _named(file.read_text(encoding="utf-8"))]
    if not names:
        what = f"{root / _FOLDER} has no file with `@bp.{_DECORATOR}(...)`"
        raise HookError(what, "run the hook from the folder of the project, as azd does")
    return frozenset(names)


def _named(text: str) -> Iterator[str]:
    """Yield the names that decorators of a module give to functions."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for decorator in node.decorator_list:
            if (
                isinstance(decorator, ast.Call)
                and isinstance(decorator.func, ast.Attribute)
                and decorator.func.attr == _DECORATOR
                and decorator.args
                and isinstance(decorator.args[0], ast.Constant)
            ):
                yield str(decorator.args[0].value)
