"""Worker side: imports function_app.py and lists its functions as the library gives them."""

import importlib
import inspect
import json
import sys
import traceback
import typing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from azure.functions import Function, FunctionRegister

from local.host.config import RefusedError
from local.host.messages import IndexedFunction

_TRIGGERS: Final = {"httpTrigger", "timerTrigger", "blobTrigger", "queueTrigger"}
_SDK_TYPES: Final = "azurefunctions.extensions.base"


@dataclass(frozen=True)
class LoadedFunction:
    """One function, ready to be called.

    Args:
        name: its name in the app.
        call: the user's own function.
        trigger_type: `httpTrigger`, `timerTrigger`, `blobTrigger` or `queueTrigger`.
        trigger_name: the parameter that gets the trigger's data.
        sdk_type: the annotation of that parameter when it is an SDK type.
        wants_context: it has a parameter `context`.
        returns: it has a `$return` binding.
        folder: of the app.
    """

    name: str
    call: Callable[..., Any]
    trigger_type: str
    trigger_name: str
    sdk_type: type | None
    wants_context: bool
    returns: bool
    folder: str


def load(app: Path) -> tuple[dict[str, LoadedFunction], tuple[IndexedFunction, ...]]:
    """Import `function_app` from `app`, which must be first in sys.path, and index it once.

    The rules are those of the official worker (azure-functions §1.1, §7.3).

    Raises:
        RefusedError: the import fails, or a rule is broken; the message says which.
    """
    loaded, indexed = {}, []
    for function in _functions(app):
        one = _loaded(function, app)
        loaded[one.name] = one
        indexed.append(_described(function, one))
    return loaded, tuple(indexed)


def _functions(app: Path) -> list[Function]:
    try:
        module = importlib.import_module("function_app")
    except BaseException as error:  # noqa: BLE001 - also SystemExit: an import may raise anything
        text = "".join(traceback.format_exception(error))
        raise RefusedError(f"function_app.py cannot be imported from {app}:\n{text}") from None
    apps = [value for value in vars(module).values() if isinstance(value, FunctionRegister)]
    if len(apps) != 1:
        raise RefusedError(
            f"function_app.py must hold exactly one FunctionApp at its top level, found {len(apps)}"
        )
    try:
        return apps[0].get_functions()  # once: a second call finds every name taken
    except ValueError as error:
        raise RefusedError(f"function_app.py cannot be indexed: {error}") from None


def _loaded(function: Function, app: Path) -> LoadedFunction:
    name = str(function.get_function_name())
    trigger, call = function.get_trigger(), function.get_user_function()
    if trigger is None or trigger.type not in _TRIGGERS:
        found = trigger.type if trigger else "none"
        raise RefusedError(f"function {name}: trigger {found} is not emulated by this host")
    bound = {binding.name: binding.type for binding in function.get_bindings()}
    if extra := {n for n, kind in bound.items() if n != trigger.name and kind != "http"}:
        raise RefusedError(f"function {name}: bindings {sorted(extra)} are not emulated here")
    parameters = set(inspect.signature(call).parameters)
    if stray := parameters ^ ({trigger.name} | (parameters & {"context"})):
        raise RefusedError(f"function {name}: {sorted(stray)} is bound or declared, but not both")
    return LoadedFunction(
        name=name,
        call=call,
        trigger_type=trigger.type,
        trigger_name=trigger.name,
        sdk_type=_sdk_type(name, call, trigger.name),
        wants_context="context" in parameters - {trigger.name},
        returns="$return" in bound,
        folder=str(app),
    )


def _sdk_type(name: str, call: Callable[..., Any], parameter: str) -> type | None:
    try:
        annotation = typing.get_type_hints(call).get(parameter)
    except (NameError, TypeError) as error:
        raise RefusedError(f"function {name}: its annotations cannot be read: {error}") from None
    extension = sys.modules.get(_SDK_TYPES)  # only an app that imports an SDK type loads it
    if extension and extension.get_binding_registry().check_supported_type(annotation):
        return typing.cast("type", annotation)
    return None


def _described(function: Function, loaded: LoadedFunction) -> IndexedFunction:
    bindings = tuple(json.loads(text) for text in function.get_raw_bindings())
    return IndexedFunction(
        name=loaded.name,
        trigger=next(one for one in bindings if one["type"] == loaded.trigger_type),
        bindings=bindings,
        deferred=loaded.sdk_type is not None,
        retried=function.get_setting("retry_policy") is not None,
    )
