"""Compares the templates with the app's settings and functions, and rules of Flex Consumption."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from local.infra_check.declared import type_of
from local.infra_check.expressions import around, shape_of
from local.infra_check.files import File, Program, Symbol, body_of
from local.infra_check.shapes import Member, Shape, items_of, known_values
from local.infra_check.syntax import everything, literal, meant, member_of
from local.infra_check.tree import Node
from local.infra_check.types import data
from shared.config.connections import CONNECTIONS, DEFAULT_CONNECTION
from shared.config.settings import APP_SETTINGS, read_settings
from shared.core.counting import counted

#: Settings of the app that no template sets, with the reason.
NOT_SET: Final[Mapping[str, str]] = {
    "AZURE_FUNCTIONS_ENVIRONMENT": "the platform sets it; `Development` is for one's own machine",
    "AZUREML_ARM_SCOPE": "for other clouds than the public one; by the parameter moreSettings",
    "AZUREML_ML_SCOPE": "for other clouds than the public one; by the parameter moreSettings",
    "AzureFunctionsJobHost__functionTimeout": "host.json has it; by the parameter moreSettings",
    "CHECK_INTERVAL_MAX": "its default is right for most; by the parameter moreSettings",
    "CHECK_INTERVAL_MIN": "its default is right for most; by the parameter moreSettings",
    "CLAIM_LEASE": "its default is right for most; by the parameter moreSettings",
    "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY": "traces are off; by the parameter moreSettings",
    "PYTHON_ENABLE_OPENTELEMETRY": "traces are off; by the parameter moreSettings",
}
#: Parts of a connection by identity. The host passes the events of three of them on by queues.
_PARTS: Final = ("blobServiceUri", "credential", "clientId")
_WITH_QUEUES: Final = ("DataStorage", "EventsStorage", "ModelsStorage")
_HOST: Final = (
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "AZURE_CLIENT_ID",
    "AzureWebJobsStorage__accountName",
    "AzureWebJobsStorage__clientId",
    "AzureWebJobsStorage__credential",
    "PYTHON_THREADPOOL_THREAD_COUNT",
)
_DISABLED: Final = re.compile(r"AzureWebJobs(?:\.|__)(?P<function>.+?)(?:\.|__)Disabled")
_ROOT: Final = Path(__file__).parents[2]
_CONTAINERS: Final = "Microsoft.Storage/storageAccounts/blobServices/containers@"
_IN_CONTAINER: Final = re.compile(r"blob:([^/]+)/")
_SITE: Final = "Microsoft.Web/sites"
#: azd finds what it deploys to by these.
_TAGS: Final[Mapping[str, tuple[str, ...]]] = {
    "Microsoft.Resources/resourceGroups": ("azd-env-name",),
    _SITE: ("azd-service-name",),
}
_SETTINGS: Final = "Microsoft.Web/sites/config"
_ALWAYS_READY: Final = re.compile(r"function:(\w+)")
_GROUPS: Final = ("http", "blob", "durable")


def indexed_functions(root: Path) -> frozenset[str]:
    """Return the names of the functions that the app registers, by the text of their modules."""
    found = set[str]()
    for file in sorted((root / "functions").glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            named = [one.value for one in node.args if isinstance(one, ast.Constant)]
            if node.func.attr == "function_name" and named:
                found.add(str(named[0]))
    return frozenset(found)


def check_settings(program: Program, functions: frozenset[str]) -> None:
    """Report wrong app settings, and what Flex Consumption refuses.

    Args:
        program: all templates.
        functions: the names of the app's functions.
    """
    lists = 0
    for file in program.files.values():
        for symbol in file.all_of("resource"):
            kind, body = type_of(symbol).split("@", maxsplit=1)[0], body_of(symbol)
            if body is None or symbol.existing:
                continue
            if kind == _SETTINGS:
                lists += 1
                _check_list(file, symbol, body.node, functions)
            elif kind == _SITE:
                _check_site(file, body.node)
            for tag in _TAGS.get(kind, ()):
                if tag not in _member(shape_of(file, body.node, {}), "tags").members:
                    file.report(body.node, f"'{symbol.name}' has no tag '{tag}'", "azd needs it")
        _check_function_names(file, functions)
    if lists != 1:
        any_file = next(iter(program.files.values()))
        what = f"the app settings are set by {counted(lists, 'resource')}"
        advice = f"Write one '{_SETTINGS}' with the name 'appsettings': it replaces the whole list"
        any_file.report(any_file.source.root, what, advice)


def _check_list(file: File, symbol: Symbol, body: Node, functions: frozenset[str]) -> None:
    properties = member_of(body, "properties")
    if properties is None:
        return
    settings = shape_of(file, properties, {}).members
    _check_container(file, settings.get("PIPELINES_FILE"), properties)
    for name, one in settings.items():
        place = one.node if one.node is not None else properties
        for what, advice in _wrong_name(name, functions):
            file.report(place, what, advice)
        for value in known_values(one.shape()) if not _of_connection(name) else ():
            wrong = read_settings({name: value}, _ROOT).problems
            for problem in (problem for problem in wrong if problem.where == name):
                file.report(place, f"the app refuses the value '{value}' of {problem}")
    own = [one.name for one in APP_SETTINGS if not _of_connection(one.name)]
    needed = [name for name in own if name not in NOT_SET] + [*_by_identity()]
    for name in sorted({*needed, *data("flex-settings.json")["required_app_settings"]}):
        if name not in settings:
            what = f"the app reads the setting '{name}', and '{symbol.name}' does not set it"
            file.report(properties, what, "Add it: what is not in this list is removed")


def _check_container(file: File, setting: Member | None, properties: Node) -> None:
    """Report a pipelines file in a container that no template makes."""
    made = set[str]()
    for other in file.program.files.values():
        for symbol in other.all_of("resource"):
            body = body_of(symbol)
            name = member_of(body.node, "name") if body is not None else None
            if type_of(symbol).startswith(_CONTAINERS) and name is not None and not symbol.existing:
                made |= {*known_values(shape_of(other, name, around(other, name)))}
    for value in known_values(setting.shape()) if setting is not None else ():
        found = _IN_CONTAINER.match(value)
        if found is not None and made and found[1] not in made:
            place = setting.node if setting is not None and setting.node is not None else properties
            what = f"no template makes the container '{found[1]}' of the pipelines file"
            file.report(place, what, meant(found[1], made))


def _of_connection(name: str) -> bool:
    return name.partition("__")[0] in (*CONNECTIONS, DEFAULT_CONNECTION)


def _by_identity() -> Iterator[str]:
    """Yield what makes up the connections; each part is written, or the host takes another's."""
    for connection in CONNECTIONS:
        yield from (f"{connection}__{part}" for part in _PARTS)
        if connection in _WITH_QUEUES:
            yield f"{connection}__queueServiceUri"


def _wrong_name(name: str, functions: frozenset[str]) -> Iterator[tuple[str, str]]:
    refused = data("flex-settings.json")["must_not_set_app_settings"]
    if name in CONNECTIONS:
        yield f"'{name}' would be a connection string with a key", f"Write '{name}__blobServiceUri'"
        return
    if name in refused:
        yield f"Flex Consumption refuses the setting '{name}'", "Remove it"
        return
    if ":" in name:
        yield f"the setting '{name}' contains ':'", f"Write '{name.replace(':', '__')}'"
        return
    disabled = _DISABLED.fullmatch(name)
    if disabled is not None:
        yield from _wrong_function(disabled["function"], functions)
        return
    known = known_settings()
    if name not in known and not name.startswith("AzureFunctionsJobHost__"):
        yield f"nothing reads the setting '{name}'", meant(name, known)


def known_settings() -> frozenset[str]:
    """Return all settings that the app or its host reads."""
    own = {one.name for one in APP_SETTINGS if not _of_connection(one.name)}
    return frozenset({*own, *_by_identity(), *_HOST})


def _wrong_function(name: str, functions: frozenset[str]) -> Iterator[tuple[str, str]]:
    if name not in functions:
        yield f"the app has no function '{name}'", meant(name, functions)


def _check_function_names(file: File, functions: frozenset[str]) -> None:
    """Report a group of instances that no function belongs to."""
    for node in everything(file.source.root):
        known = literal(node)
        found = _ALWAYS_READY.fullmatch(known or "")
        for what, advice in _wrong_function(found[1], functions) if found else ():
            file.report(node, what, advice)


def _check_site(file: File, body: Node) -> None:
    """Report what Flex Consumption refuses in a site, and a missing tag."""
    flex = data("flex-settings.json")
    shape = shape_of(file, body, {})
    properties = _member(shape, "properties")
    inside = _member(properties, "siteConfig")
    allowed = ("minTlsVersion", "cors")
    for name, one in _members(inside).items():
        if name not in allowed:
            word = "refuses" if name in flex["rejected_siteConfig_51021"] else "may refuse"
            place = one.node if one.node is not None else body
            file.report(place, f"Flex Consumption {word} siteConfig.{name}", "Remove it")
    scale = _member(_member(properties, "functionAppConfig"), "scaleAndConcurrency")
    group = items_of(_member(scale, "alwaysReady"))
    for value in known_values(_member(group, "name")):
        if value not in _GROUPS and not _ALWAYS_READY.fullmatch(value):
            file.report(body, f"'{value}' is not a group of functions", meant(value, _GROUPS))
    most = flex["functionAppConfig"]["maximumInstanceCount"]["max"]
    for value in _member(scale, "maximumInstanceCount").values:
        if int(value) > int(most):
            file.report(body, f"maximumInstanceCount {value} is above {most}")


def _member(shape: Shape, name: str) -> Shape:
    one = shape.members.get(name)
    return one.shape() if one is not None else Shape("any")


def _members(shape: Shape) -> Mapping[str, Member]:
    return shape.members
