"""Plants bugs in copies of the code, one at a time, and shows that the tests find each.

Tests that never fail may be tests that cannot fail.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from proofs.outcomes import Effort, Outcome, Violation, again
from proofs.planted import (
    azureml,
    azureml_endpoints,
    comparisons,
    config,
    core,
    core_run,
    core_serving,
    decisions,
    events,
    execution,
    holdouts,
    intake,
    ledger,
    maintenance,
    operations,
    providers,
    traffic,
    traffic_errors,
    traffic_evidence,
    verdicts,
    windows,
)
from proofs.planted.bug import Bug

ROOT: Final = Path(__file__).parents[2]
_COPIED: Final = ("shared", "functions", "local", "tests", "proofs", "docs", "examples")
_FILES: Final = (
    "function_app.py",
    "host.json",
    "pyproject.toml",
    "openapi.json",
    "pipelines.schema.json",
    "pipelines.azureml.yaml",
    "pipelines.example.yaml",
    "probe.example.json",
)
_MOST_SECONDS: Final = 300
_TESTS_FAILED: Final = 1
_NOT_COLLECTED: Final = 2

#: By the folder that the bug is in.
BUGS: Final = (
    *azureml.BUGS,
    *azureml_endpoints.BUGS,
    *comparisons.BUGS,
    *holdouts.BUGS,
    *config.BUGS,
    *core.BUGS,
    *core_run.BUGS,
    *core_serving.BUGS,
    *decisions.BUGS,
    *events.BUGS,
    *execution.BUGS,
    *intake.BUGS,
    *ledger.BUGS,
    *maintenance.BUGS,
    *operations.BUGS,
    *providers.BUGS,
    *traffic.BUGS,
    *traffic_errors.BUGS,
    *traffic_evidence.BUGS,
    *verdicts.BUGS,
    *windows.BUGS,
)


def part(effort: Effort, shard: int = 0, shards: int = 1) -> list[Outcome]:
    """Plant each bug of this shard, and run its tests.

    Args:
        effort: for the progress.
        shard: which one of `shards`.
        shards: into how many the bugs are divided.
    """
    violations, planted = [], BUGS[shard::shards]
    for bug in planted:
        found = is_found(bug)
        if not found:
            plan = f"{again('planted bugs')}  # {bug.name}: {bug.file}"
            violations.append(Violation(plan, f"{', '.join(bug.tests)} did not find it"))
        effort.progress()
    return [Outcome("every planted bug is found by the tests", len(planted), tuple(violations))]


def is_found(bug: Bug) -> bool:
    """Whether the tests fail because of `bug`, in a copy of the code.

    Raises:
        ValueError: the code that it replaces is not there (any more).
    """
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        copy = Path(folder)
        for name in _COPIED:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, copy / name, ignore=ignored)
        for name in _FILES:
            shutil.copy(ROOT / name, copy / name)
        (copy / "node_modules").symlink_to(ROOT / "node_modules")
        file = copy / bug.file
        file.write_text(planted_in(file.read_text(encoding="utf-8"), bug), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *bug.tests]
        done = subprocess.run(  # noqa: S603 -- our own tests
            command, cwd=copy, capture_output=True, timeout=_MOST_SECONDS, check=False
        )
        # A sweep that cannot begin fails while its tests are collected.
        wrong = done.returncode == _NOT_COLLECTED and b"AssertionError" in done.stdout
        return wrong or done.returncode == _TESTS_FAILED


def planted_in(text: str, bug: Bug) -> str:
    """Return the code with the bug. Raises ValueError if the code that it replaces is not there."""
    if bug.right not in text:
        raise ValueError(f"{bug.file} does not have the code that this bug replaces: {bug.name}")
    return text.replace(bug.right, bug.wrong)
