"""The host indexes the app's functions by the library alone; the worker check does it on 3.13."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from local.worker_check.expected import (
    ALL_SET,
    BY_IDENTITY,
    ONLY_REQUIRED,
    Variant,
    as_library_tells,
    expected_functions,
)
from local.worker_check.worker import ROOT

CONNECTION = "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=a2V5;"

INDEX = """
import json, function_app
functions = function_app.app.get_functions()
print(json.dumps({
    one.get_function_name(): {
        "bindings": [json.loads(raw) for raw in one.get_raw_bindings()],
        "retried": one.get_setting("retry_policy") is not None,
        "client": one.get_user_function().__annotations__.get("client", object).__module__,
    }
    for one in functions
}))
"""

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


def python(code: str, settings: dict[str, str]) -> Any:
    """Run code in a fresh interpreter that knows these settings only; return what it prints."""
    environment = {"PATH": os.environ.get("PATH", ""), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(  # noqa: S603 -- this very interpreter, and code from above
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        env={**environment, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("variant", "settings"),
    [
        (ONLY_REQUIRED, {}),
        (ONLY_REQUIRED, ONLY_REQUIRED.environment(CONNECTION)),
        (ALL_SET, ALL_SET.environment(CONNECTION)),
        (BY_IDENTITY, BY_IDENTITY.environment(CONNECTION)),
    ],
    ids=["no settings", "only required", "all", "by identity"],
)
def test_the_host_is_shown_exactly_the_expected_bindings(
    variant: Variant, settings: dict[str, str]
) -> None:
    shown = python(INDEX, settings)
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


def test_an_unknown_blob_source_does_not_stop_the_import() -> None:
    shown = python(INDEX, {"BLOB_SOURCE": "Carrier pigeon"})
    assert shown["on_training_data"]["bindings"][0]["source"] == "EventGrid"


def test_importing_the_app_needs_no_setting_no_network_and_nothing_heavy() -> None:
    answer = python(IMPORT, {})
    # The blob binding of the worker brings azure.identity itself; this app does not ask for it.
    assert answer["identity"] == []
    roots = {name.split(".")[0] for name in answer["modules"]}
    assert not roots & {"sklearn", "numpy", "scipy", "local", "tests", "pytest", "rich", "cli"}
    assert not {"shared.operations.doctor", "azure.storage.queue"} & set(answer["modules"])
