"""The library of Azure Functions indexes the app; the worker check does the same on 3.13."""

import json
import os
import subprocess
import sys
from typing import Any, Final

import pytest

from local.worker_check.expected import (
    ALL_SET,
    BY_IDENTITY,
    ONLY_REQUIRED,
    as_library_tells,
    expected_functions,
)
from local.worker_check.worker import ROOT

CONNECTION = "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=a2V5;"

#: The settings by which the app is indexed, and what the host should be shown then.
VARIANTS: Final = {
    "no settings": (ONLY_REQUIRED, {}),
    "only required": (ONLY_REQUIRED, ONLY_REQUIRED.environment(CONNECTION)),
    "all": (ALL_SET, ALL_SET.environment(CONNECTION)),
    "by identity": (BY_IDENTITY, BY_IDENTITY.environment(CONNECTION)),
    "unknown source": (ONLY_REQUIRED, {"BLOB_SOURCE": "Carrier pigeon"}),
}

# What would reach out raises; who asks for azure.identity is noted.
IMPORT = """
import builtins, json, sys
askers, real = set(), builtins.__import__
def importing(name, scope=None, *rest, **more):
    if name.split(".")[:2] == ["azure", "identity"]:
        askers.add((scope or {}).get("__name__", ""))
    return real(name, scope, *rest, **more)
builtins.__import__ = importing
def refuse(event, details):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        raise RuntimeError(f"{event} {details} while importing")
sys.addaudithook(refuse)
import function_app
ours = {name for name in askers if name.split(".")[0] in ("function_app", "functions", "shared")}
print(json.dumps({"identity": sorted(ours), "modules": sorted(sys.modules)}))
"""

# Modules that read settings are imported again, with only these; all others stay.
INDEX = """
import importlib, os
path, shown = os.environ["PATH"], []
for settings in json.loads(sys.argv[1]):
    os.environ.clear()
    os.environ |= {"PATH": path, **settings}
    for name in list(sys.modules):
        if name.partition(".")[0] in ("function_app", "functions"):
            del sys.modules[name]
    shown.append({
        one.get_function_name(): {
            "bindings": [json.loads(raw) for raw in one.get_raw_bindings()],
            "retried": one.get_setting("retry_policy") is not None,
            "client": one.get_user_function().__annotations__.get("client", object).__module__,
        }
        for one in importlib.import_module("function_app").app.get_functions()
    })
print(json.dumps(shown))
"""


@pytest.fixture(scope="module")
def told() -> tuple[dict[str, Any], dict[str, Any]]:
    """What is so after the import, and what the host is shown of each variant.

    One interpreter tells both, which is fresh and knows no setting at first.
    """
    settings = json.dumps([settings for _, settings in VARIANTS.values()])
    environment = {"PATH": os.environ.get("PATH", ""), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(  # noqa: S603 -- this very interpreter, and code from above
        [sys.executable, "-W", "error", "-c", IMPORT + INDEX, settings],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    imported, shown = map(json.loads, done.stdout.splitlines())
    return imported, dict(zip(VARIANTS, shown, strict=True))


@pytest.fixture
def indexed(told: tuple[dict[str, Any], dict[str, Any]]) -> dict[str, Any]:
    """What the host is shown of each variant."""
    return told[1]


@pytest.mark.parametrize("name", [name for name in VARIANTS if name != "unknown source"])
def test_the_host_is_shown_exactly_the_expected_bindings(
    indexed: dict[str, Any], name: str
) -> None:
    shown, (variant, _) = indexed[name], VARIANTS[name]
    expected = expected_functions(variant)
    assert {name: one["bindings"] for name, one in shown.items()} == {
        name: as_library_tells(bindings) for name, bindings in expected.items()
    }
    assert not [name for name, one in shown.items() if one["retried"]]
    by_client = [name for name, one in shown.items() if one["client"].startswith("azurefunctions.")]
    assert sorted(by_client) == ["on_trained_model", "on_training_data"]


def test_only_health_answers_without_a_key() -> None:
    levels = {
        name: binding["authLevel"]
        for name, bindings in expected_functions(ONLY_REQUIRED).items()
        for binding in bindings
        if "authLevel" in binding
    }
    assert levels.pop("health") == "ANONYMOUS"
    assert set(levels.values()) == {"FUNCTION"}


def test_an_unknown_blob_source_does_not_stop_the_import(indexed: dict[str, Any]) -> None:
    shown = indexed["unknown source"]
    assert shown["on_training_data"]["bindings"][0]["source"] == "EventGrid"


def test_importing_the_app_needs_no_setting_no_network_and_nothing_heavy(
    told: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    answer, _ = told
    # The blob binding of the worker brings azure.identity itself; this app does not ask for it.
    assert answer["identity"] == []
    roots = {name.split(".")[0] for name in answer["modules"]}
    assert not roots & {"sklearn", "numpy", "scipy", "local", "tests", "pytest", "rich", "cli"}
    seldom = {"shared.operations.doctor", "shared.operations.backtest", "azure.storage.queue"}
    seldom |= {"functions.api_models.backtests", "shared.core.evaluation.forest_plot"}
    assert not seldom & set(answer["modules"])
