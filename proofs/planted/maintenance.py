"""Bugs planted in shared/maintenance: the poll, drift checks and retention."""

from typing import Final

from proofs.planted.bug import Bug

BUGS: Final = (
    Bug(
        "a version is forgotten while its blob is there",
        "shared/maintenance/retention_rules.py",
        "        self._renew(version, stored)\n        return False\n",
        "        return True\n",
        ("tests/unit/maintenance/test_retention_data.py",),
    ),
    Bug(
        "a container that is gone for now takes its versions along",
        "shared/maintenance/retention_rules.py",
        "            self._require_container(entry.blob)\n",
        "",
        ("tests/unit/maintenance/test_retention_data.py",),
    ),
    Bug(
        "an unreadable endpoint names nobody",
        "shared/maintenance/retention_rules.py",
        "            return _Names(text=found.body) if found else _Names()\n",
        "            return _Names() if found else _Names()\n",
        ("tests/unit/maintenance/test_retention_runs.py",),
    ),
    Bug(
        "cleaning begins at the front each time",
        "shared/maintenance/retention.py",
        "        items = [item for item in page.items if item.name > state.checked_to]\n",
        "        items = list(page.items)\n",
        ("tests/unit/maintenance/test_retention_rounds.py",),
    ),
    Bug(
        "a tombstone goes while a slot names its run",
        "shared/maintenance/retention_rules.py",
        "        return found is None or run_id.encode() not in found.body\n",
        "        return True or found is None\n",
        ("tests/unit/maintenance/test_retention_runs.py",),
    ),
    Bug(
        "drift is not searched for while a run is parked",
        "shared/maintenance/drift.py",
        "is not None and holder.phase.updates:\n",
        "is not None:\n",
        ("tests/unit/maintenance/test_drift.py",),
    ),
    Bug(
        "an endpoint that became free waits for the next check of the run that wants it",
        "shared/maintenance/poll.py",
        "        self.rounds.continue_at_endpoints(batches)\n",
        "",
        ("tests/unit/execution/test_endpoint_queue.py",),
    ),
    Bug(
        "a changed file is compared only by time and size",
        "shared/maintenance/changed_file.py",
        "            if known.sure and known.looks_like(self._seen(file)):\n",
        "            if known.looks_like(self._seen(file)):\n",
        (
            "tests/unit/maintenance/test_changed_file.py",
            "tests/unit/maintenance/test_changed_file_data.py",
            "tests/unit/maintenance/test_watched_files.py",
        ),
    ),
    Bug(
        "the files that the pipelines file names are not checked",
        "shared/maintenance/changed_file.py",
        "        self._known.setdefault(file, known)\n",
        "        self._known.setdefault(next(iter(self._known), file), known)\n",
        (
            "tests/unit/maintenance/test_changed_file.py",
            "tests/unit/maintenance/test_changed_file_data.py",
            "tests/unit/maintenance/test_watched_files.py",
        ),
    ),
    Bug(
        "a version is forgotten because its metadata changed within its second",
        "shared/maintenance/retention_rules.py",
        "        if are_one(present, entry.blob):\n            return True\n",
        "",
        (
            "tests/unit/core/test_versions.py",
            "tests/unit/execution/test_version_order.py",
            "tests/unit/execution/test_version_ties.py",
        ),
    ),
    Bug(
        "files of the configuration are taken as they were at several moments",
        "shared/maintenance/changed_file.py",
        "            if watched.require_one_moment():\n",
        "            if watched.require_one_moment() or True:\n",
        ("tests/contract/test_files.py",),
    ),
    Bug(
        "a resume replaces a pause that a later release wrote",
        "shared/ledger/run_queues.py",
        "            if exc.later:\n",
        "            if False:\n",
        ("tests/unit/ledger/test_later_forms.py",),
    ),
)
