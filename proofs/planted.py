"""Plants bugs in copies of the code, one at a time, and shows that the tests find each.

A suite that finds nothing may be a suite that cannot find anything.
"""

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from proofs.trial import Effort, Outcome, Violation, again

ROOT: Final = Path(__file__).parents[1]
_COPIED: Final = ("shared", "functions", "local", "tests", "proofs")
_FILES: Final = (
    "function_app.py",
    "host.json",
    "pyproject.toml",
    "openapi.json",
    "pipelines.schema.json",
    "pipelines.example.yaml",
    "probe.example.json",
)
_MOST_SECONDS: Final = 300
_TESTS_FAILED: Final = 1
_NOT_COLLECTED: Final = 2


@dataclass(frozen=True, slots=True)
class Bug:
    """A mistake that somebody could make, and the tests that must see it."""

    name: str
    file: str
    right: str
    wrong: str
    tests: tuple[str, ...]


BUGS: Final = (
    Bug(
        "no claim before acting",
        "shared/driver.py",
        "            if command.acts and not mine:\n",
        "            if command.acts and not mine and now.year < 0:\n",
        ("tests/sweep/test_fault_sweep.py",),
    ),
    Bug(
        "a lost answer is not read back",
        "shared/clients/blob_documents.py",
        "            if mine := self._landed(name, write_id, exc):\n                return mine\n",
        "",
        ("tests/contract/test_documents.py",),
    ),
    Bug(
        "records are written over unconditionally",
        "shared/ledger.py",
        'self._documents.replace(f"runs/{run.run_id}", _body(run), expected)',
        "self._documents.replace(\n"
        '            f"runs/{run.run_id}",\n            _body(run),\n'
        '            self._documents.read(f"runs/{run.run_id}").etag,\n'
        "        )",
        ("tests/unit/test_ledger.py", "tests/sweep/test_fault_sweep.py"),
    ),
    Bug(
        "a job is started before it is recorded",
        "shared/job_steps.py",
        "        return JobCreated(self._service(run).prepare(self._request(known)), inputs)\n",
        "        job = self._service(run).prepare(self._request(known))\n"
        "        self._service(run).ensure_started(job, self._request(known))\n"
        "        return JobCreated(job, inputs)\n",
        ("tests/sweep/test_fault_sweep.py",),
    ),
    Bug(
        "promotions go in any order",
        "shared/reservation_steps.py",
        "    if known.newest_data and run.data_time < known.newest_data:\n",
        "    if known.newest_data and run.data_time.year < 1:\n",
        ("tests/unit/test_promotion.py", "tests/unit/test_promotion_regressions.py"),
    ),
    Bug(
        "a lease may be shorter than functionTimeout",
        "shared/settings.py",
        "    if lease <= timeout:\n",
        "    if lease <= timeout - timeout:\n",
        ("tests/unit/test_settings.py",),
    ),
    Bug(
        "the reservation is dropped",
        "shared/core/head.py",
        '            "reservation": reservation,\n',
        '            "reservation": None,\n',
        ("tests/unit/test_head.py", "tests/sweep/test_fault_sweep.py"),
    ),
    Bug(
        "what a run has taken is gathered again",
        "shared/taking.py",
        "            if found is not None and (one.blob.name, one.blob.etag) not in found:\n",
        "            if found is not None:\n",
        ("tests/unit/test_gathering_race.py", "tests/unit/test_taking.py"),
    ),
    Bug(
        "a place that is taken is given away",
        "shared/gathering.py",
        "        if most is None or len(slot.holders) < most:\n",
        "        if most is None or len(slot.holders) <= most:\n",
        ("tests/unit/test_gathering.py",),
    ),
    Bug(
        "a version is in a manifest that was not claimed for it",
        "shared/taking.py",
        "            if ledger.add_version(one.version_id, entry):\n                return True\n",
        "            ledger.add_version(one.version_id, entry)\n            return True\n",
        ("tests/unit/test_taking.py",),
    ),
    Bug(
        "the id of a run whose record was removed is used again",
        "shared/gathering.py",
        "        while ledger.is_used(run_id):",
        "        while False:",
        ("tests/unit/test_taking.py",),
    ),
    Bug(
        "hosts go by their own clocks",
        "shared/storage_clock.py",
        "        if not least <= self._ahead <= most:\n",
        "        if False:\n",
        ("tests/unit/test_storage_clock.py",),
    ),
    Bug(
        "an accepted update counts as live",
        "shared/promotion_steps.py",
        "        match judged.verdict:\n            case Verdict.WAIT:\n"
        "                return self._still_waiting(run, look)\n            case Verdict.LIVE:\n"
        "                answers",
        "        match Verdict.LIVE:\n            case Verdict.WAIT:\n"
        "                return self._still_waiting(run, look)\n            case Verdict.LIVE:\n"
        "                answers",
        ("tests/unit/test_promotion.py",),
    ),
    Bug(
        "a metadata write counts as new data",
        "shared/ledger.py",
        "        return newest[0] if newest and same and blob.content_md5 else None\n",
        "        return None\n",
        ("tests/unit/test_intake.py",),
    ),
    Bug(
        "the gate lets everything pass",
        "shared/core/gate_facts.py",
        "        passed = self.verdict is None or self.verdict.passed\n",
        "        passed = True\n",
        ("tests/unit/test_gate_runs.py",),
    ),
    Bug(
        "a place is kept by whoever is over",
        "shared/core/slot.py",
        "    return run.phase.ended or run.phase in _IDLE\n",
        "    return False\n",
        ("tests/unit/test_gathering.py",),
    ),
    Bug(
        "a version is forgotten while its blob is there",
        "shared/forgetting.py",
        "        self._renew(version, stored)\n        return False\n",
        "        return True\n",
        ("tests/unit/test_retention_kinds.py",),
    ),
    Bug(
        "a container that is gone for now takes its versions along",
        "shared/forgetting.py",
        "            self._require_container(entry.blob)\n",
        "",
        ("tests/unit/test_retention_kinds.py",),
    ),
    Bug(
        "an unreadable endpoint names nobody",
        "shared/forgetting.py",
        "            return _Names(text=found.body) if found else _Names()\n",
        "            return _Names() if found else _Names()\n",
        ("tests/unit/test_retention.py",),
    ),
    Bug(
        "cleaning begins at the front each time",
        "shared/retention.py",
        "        items = [item for item in page.items if item.name > state.looked_at]\n",
        "        items = list(page.items)\n",
        ("tests/unit/test_retention.py",),
    ),
    Bug(
        "a tombstone goes while a slot names its run",
        "shared/forgetting.py",
        "        return found is None or run_id.encode() not in found.body\n",
        "        return True or found is None\n",
        ("tests/unit/test_retention_kinds.py",),
    ),
    Bug(
        "a resume ends a pause that nobody looked at",
        "shared/pipelines.py",
        "            ledger.put_pauses(name, pauses, found.etag)\n",
        "            ledger.put_pauses(name, pauses, ledger.pauses(name).etag)\n",
        ("tests/functions/test_people_api.py",),
    ),
    Bug(
        "a pause by failures outlives the resume",
        "shared/core/slot.py",
        "        return pause if pause is not None and self.counts(pause.at) else None\n",
        "        return pause\n",
        ("tests/unit/test_turns.py",),
    ),
    Bug(
        "secrets that a service repeats are kept",
        "shared/driver.py",
        "        return replace(learned, **changes) if changes else learned\n",
        "        return learned\n",
        ("tests/unit/test_roll_out_hostile.py",),
    ),
)


def part(effort: Effort, shard: int = 0, shards: int = 1) -> list[Outcome]:
    """Plant each bug of this shard, and have its tests look for it."""
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
        ValueError: the code has no place for it (any more).
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
        # A sweep that cannot even be begun fails while its tests are collected.
        wrong = done.returncode == _NOT_COLLECTED and b"AssertionError" in done.stdout
        return wrong or done.returncode == _TESTS_FAILED


def planted_in(text: str, bug: Bug) -> str:
    """Return the code with the bug. Raises ValueError where it has no place for it."""
    if bug.right not in text:
        raise ValueError(f"{bug.file} has no place for: {bug.name}")
    return text.replace(bug.right, bug.wrong)
