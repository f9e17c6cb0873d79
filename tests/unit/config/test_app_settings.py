"""The declared list of settings is what the code reads."""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from shared.config import connections, settings
from shared.config.settings import APP_SETTINGS

ROOT: Final = Path(__file__).parents[3]
LISTED: Final = {one.name for one in APP_SETTINGS}
OF_CONNECTIONS: Final = set(connections.connection_settings())
#: These are looked for only to say that they are not used.
_REFUSED: Final = {
    f"{name}__{part}"
    for name in (*connections.CONNECTIONS, connections.DEFAULT_CONNECTION)
    for part in connections._OF_THE_HOST
}
#: What the app settings are called where the code reads them.
_ENVIRONMENT: Final = frozenset({"environment", "_environment", "environ"})


class Asked(Mapping[str, str]):
    """An environment that remembers which settings were asked for."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self.given, self.names = given, set[str]()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return self.given[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.given)

    def __len__(self) -> int:
        return len(self.given)


def asked_for() -> set[str]:
    """Return what `read_settings` asks for."""
    asked = set()
    for given in ({}, {f"{name}__blobServiceUri": "x" for name in connections.CONNECTIONS}):
        environment = Asked(given)
        settings.read_settings(environment, ROOT)
        asked |= environment.names
    return {one for one in asked if not one.endswith("Disabled")}  # those of the host


#: What each reading of a setting has in it.
_READS: Final = re.compile("|".join(("getenv", *_ENVIRONMENT)))


def named_in(text: str) -> set[str]:
    """Return the settings that a module reads by a name written there."""
    tree = ast.parse(text)
    constants = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    found = set()
    for node in ast.walk(tree):
        read = None
        if isinstance(node, ast.Subscript) and _is_environment(node.value):
            read = node.slice
        elif isinstance(node, ast.Call) and node.args:
            called = node.func
            if isinstance(called, ast.Attribute) and called.attr in ("get", "getenv"):
                of_module = isinstance(called.value, ast.Name) and called.value.id == "os"
                if of_module or _is_environment(called.value):
                    read = node.args[0]
        if isinstance(read, ast.Constant):
            found.add(str(read.value))
        elif isinstance(read, ast.Name) and read.id in constants:
            found.add(str(constants[read.id]))
    return found


def _is_environment(node: ast.expr) -> bool:
    name = getattr(node, "attr", None) or getattr(node, "id", None)
    return name in _ENVIRONMENT


def written() -> set[str]:
    """Return the settings that the app's own code names where it reads them."""
    modules = [path for folder in ("shared", "functions") for path in (ROOT / folder).rglob("*.py")]
    texts = [path.read_text(encoding="utf-8") for path in modules]
    return {name for text in texts if _READS.search(text) for name in named_in(text)}


@cache
def read() -> frozenset[str]:
    """Return the settings that the code reads."""
    return frozenset((asked_for() | written()) - _REFUSED)


def test_each_setting_that_the_code_reads_is_in_the_list() -> None:
    assert {"TRAINING_DATA_CONTAINER", "AZUREML_ARM_SCOPE", "BLOB_SOURCE"} <= read()
    assert not read() - LISTED


def test_each_setting_of_the_list_is_read() -> None:
    assert not LISTED - read() - OF_CONNECTIONS
    hints = Asked({})
    list(connections.connection_hints(hints))
    assert not OF_CONNECTIONS - read() - hints.names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("environment.get('ONE')", {"ONE"}),
        ("self._environment['ONE']", {"ONE"}),
        ("os.environ.get('ONE', '') or os.getenv('TWO')", {"ONE", "TWO"}),
        ("NAME: Final = 'ONE'\nenvironment.get(NAME)", {"ONE"}),
        ("environment.get(name)", set()),
        ("record.get('ONE')", set()),
    ],
)
def test_a_read_is_recognised(text: str, names: set[str]) -> None:
    assert named_in(text) == names


def test_no_setting_is_listed_twice() -> None:
    assert len(LISTED) == len(APP_SETTINGS)


def test_those_without_which_nothing_works_are_marked() -> None:
    required = {one.name for one in APP_SETTINGS if one.required}
    wrong = {one.where for one in settings.read_settings({}, ROOT).problems}
    assert required == wrong - set(connections.CONNECTIONS)


@pytest.mark.parametrize(
    ("settings_given", "disabled"),
    [
        ({}, False),
        ({"AzureWebJobs.poll.Disabled": "true"}, True),
        ({"AzureWebJobs_poll_Disabled": "1"}, True),
        ({"AzureWebJobs.poll.Disabled": "True"}, True),
        ({"AzureWebJobs.poll.Disabled": "false"}, False),
        ({"AzureWebJobs.other.Disabled": "true"}, False),
    ],
)
def test_a_function_is_disabled_by_either_form_of_the_hosts_setting(
    settings_given: dict[str, str], *, disabled: bool
) -> None:
    assert settings.is_disabled(settings_given, "poll") is disabled
