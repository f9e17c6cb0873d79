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
        "shared/ledger/runs.py",
        "        return self.put(run.run_id, run, expected)\n",
        "        return self.put(run.run_id, run, self.read(run.run_id).etag)\n",
        ("tests/unit/ledger/test_store.py", "tests/sweep/test_fault_sweep.py"),
    ),
    Bug(
        "a metadata-only update counts as new data",
        "shared/ledger/versions.py",
        "        return newest.modified.isoformat() if known else None\n",
        "        return None\n",
        (
            "tests/unit/intake/test_intake.py",
            "tests/unit/intake/test_model_events.py",
            "tests/unit/intake/test_requests.py",
        ),
    ),
    Bug(
        "a version that is only known as old counts as seen",
        "shared/ledger/versions.py",
        "for one in page.items if _OLD not in one.metadata]",
        "for one in page.items if one.name]",
        (
            "tests/unit/intake/test_full_listing.py",
            "tests/unit/intake/test_existing_blobs.py",
            "tests/unit/intake/test_full_listing_failures.py",
            "tests/unit/intake/test_full_listing_costs.py",
            "tests/unit/intake/test_full_listing_models.py",
        ),
    ),
)
