"""Bugs to plant in claims, in records and in how the storage is asked."""

from typing import Final

from proofs.bugs.bug import Bug

LEDGER: Final = (
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
        "a lease may be shorter than functionTimeout",
        "shared/settings.py",
        "    if lease <= timeout:\n",
        "    if lease <= timeout - timeout:\n",
        ("tests/unit/test_settings.py",),
    ),
    Bug(
        "hosts go by their own clocks",
        "shared/storage_clock.py",
        "        if not least <= self._ahead <= most:\n",
        "        if False:\n",
        ("tests/unit/test_storage_clock.py",),
    ),
    Bug(
        "a leased record is a lost race",
        "shared/clients/blob_errors.py",
        '    return status in _REFUSED and _code(exc) in ("", *_LOST)\n',
        "    return status in _REFUSED\n",
        ("tests/contract/test_documents.py",),
    ),
    Bug(
        "directories are read as records",
        "shared/clients/blob_pages.py",
        '    return told.get(_IS_FOLDER, "").lower() == "true"\n',
        "    return not told\n",
        ("tests/contract/test_documents.py",),
    ),
    Bug(
        "a conflict that cannot be looked into counts as somebody else's",
        "shared/clients/blob_documents.py",
        '            if is_lost(why):\n                raise OutcomeUnknown(f"{name}: ',
        '            if is_lost(why):\n                raise Conflict(f"{name}: ',
        ("tests/contract/test_documents.py",),
    ),
)
