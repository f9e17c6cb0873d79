"""Sends the HTTP API thousands of requests: most that its OpenAPI document allows, and others."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from proofs.outcomes import Effort, Outcome, Violation

_ROOT: Final = Path(__file__).parents[1]
_TESTS: Final = "tests/functions/test_api_properties.py"
_MOST_SECONDS: Final = 3600
_FAILED: Final = re.compile(r"^FAILED (.*)$", re.MULTILINE)
#: Operations of the API, each called with valid and invalid requests.
_ASKED: Final = 2 * 17


def part(effort: Effort) -> list[Outcome]:
    """Send each operation `effort.size` valid and as many invalid requests."""
    environment = {**os.environ, "RELEARN_API_EXAMPLES": str(effort.size)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", _TESTS]
    done = subprocess.run(  # noqa: S603 -- our own tests
        command,
        cwd=_ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_MOST_SECONDS,
        check=False,
    )
    plan = f"RELEARN_API_EXAMPLES={effort.size} python -m pytest {_TESTS}"
    failed = _FAILED.findall(done.stdout) or ([done.stdout[-500:]] if done.returncode else [])
    violations = tuple(Violation(plan, one) for one in failed)
    for _ in range(effort.size):
        effort.progress()
    promise = "every answer of the HTTP API is as its document says, and none is a 5xx"
    return [Outcome(promise, _ASKED * effort.size, violations)]
