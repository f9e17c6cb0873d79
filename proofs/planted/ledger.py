"""Bugs planted in shared/ledger and shared/ports."""

from typing import Final

from proofs.planted.bug import Bug

BUGS: Final = (
    Bug(
        "hosts go by their own clocks",
        "shared/ports/clock.py",
        "        if not least <= self._ahead <= most:\n",
        "        if False:\n",
        ("tests/unit/ports/test_storage_clock.py",),
    ),
    Bug(
        "records are written over unconditionally",
        "shared/ledger/ledger.py",
        'self._documents.replace(f"runs/{run.run_id}", _body(run), expected)',
        "self._documents.replace(\n"
        '            f"runs/{run.run_id}",\n            _body(run),\n'
        '            self._documents.read(f"runs/{run.run_id}").etag,\n'
        "        )",
        ("tests/unit/ledger/test_ledger.py", "tests/sweep/test_fault_sweep.py"),
    ),
    Bug(
        "a metadata write counts as new data",
        "shared/ledger/ledger.py",
        "        return newest[0] if newest and same and known else None\n",
        "        return None\n",
        ("tests/unit/intake/test_intake.py",),
    ),
    Bug(
        "a version that is only known as old counts as seen",
        "shared/ledger/ledger.py",
        "for one in page.items if _OLD not in one.metadata]",
        "for one in page.items if one.name]",
        ("tests/unit/intake/test_full_listing.py",),
    ),
)
