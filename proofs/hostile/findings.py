"""The promises about hostile input, the secrets that must not leak, and the violations."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from proofs.captured_log import CapturedLog
from proofs.outcomes import Outcome, Violation
from shared.errors import RelearnError

ODD_ANSWERS: Final = "for any answer of a service, only the app's own errors are raised"
ODD_EVALUATIONS: Final = "an evaluation of any bytes is read, or refused by a ValueError"
ODD_FILES: Final = "a pipelines file of any content is read, or refused with its problems"
ODD_NAMES: Final = "no blob's name leaves its folder, breaks a line of the log, or stops the app"
URLS: Final = "no URL leads where the app should not call"
REDIRECTS: Final = "no key follows a redirect"
NO_SECRETS: Final = "no secret is in any log, record, error or answer"
#: Long enough to be no chance; with every character that JSON and URLs write otherwise.
SECRETS: Final = {
    "TRAINING_KEY": 'tK9/+="q\\u0041 8dJ3-Zr',
    "ENDPOINT_KEY": "eK7+/==&sig%41hT5vQ2xW",
    "PARAMETER": "p4ss;word=In/Parameters?",
    "ARM_TOKEN": "eyJhbGciOiJub25lIn0.T0k3n.s1g",
}


@dataclass
class _Found:
    """The trials of one promise, and its violations."""

    trials: int = 0
    violations: list[Violation] = field(default_factory=list)


class Findings:
    """The violations of every promise, each with the plan of its trial."""

    def __init__(self) -> None:
        self._found: dict[str, _Found] = {}
        self._plan = ""

    @contextmanager
    def trial(self, promise: str, plan: str, *more: str) -> Iterator[None]:
        """Count a trial; an exception in it is a violation.

        Args:
            promise: that is tried.
            plan: of the trial.
            more: other promises that it tries.
        """
        self._plan = plan
        for one in (promise, *more):
            self._found.setdefault(one, _Found()).trials += 1
        try:
            yield
        except Exception as exc:  # noqa: BLE001 -- any exception is a violation
            self.broken(promise, f"{type(exc).__name__}: {exc}"[:300])

    def broken(self, promise: str, what: str) -> None:
        """Record a violation of the present trial.

        Args:
            promise: that was broken.
            what: happened.
        """
        known = self._found.setdefault(promise, _Found())
        known.violations.append(Violation(self._plan, what.encode("ascii", "replace").decode()))

    def outcomes(self) -> list[Outcome]:
        """Return every promise."""
        return [
            Outcome(promise, found.trials, tuple(found.violations))
            for promise, found in self._found.items()
        ]


def leaks(text: str, secrets: Mapping[str, str]) -> list[str]:
    """Return the names of the secrets that are in a text, as they are, in JSON, or in a URL."""
    found = []
    for name, secret in secrets.items():
        forms = {secret, json.dumps(secret)[1:-1], quote(secret, safe="")}
        if any(form in text for form in forms):
            found.append(name)
    return found


def scan(log: CapturedLog, records: str, secrets: Mapping[str, str], findings: Findings) -> None:
    """Search log and records for secrets.

    Args:
        log: of the trial.
        records: and everything else that was written, as text.
        secrets: by name.
        findings: get the violations.
    """
    text = log.text() + "\n" + records
    if leaked := leaks(text, secrets):
        findings.broken(NO_SECRETS, f"{leaked} in a log line or record")


def own_errors_only(do: Callable[[], object]) -> None:
    """Do something that may raise errors of the app, and nothing else."""
    try:
        do()
    except RelearnError:
        return
