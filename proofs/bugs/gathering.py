"""Bugs to plant where data becomes runs: events, searches, manifests and due times."""

from typing import Final

from proofs.bugs.bug import Bug

GATHERING: Final = (
    Bug(
        "what a run has taken is gathered again",
        "shared/taking.py",
        "            if found is not None and (one.blob.name, one.blob.etag) not in found:\n",
        "            if found is not None:\n",
        ("tests/unit/test_gathering_race.py", "tests/unit/test_taking.py"),
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
        "a metadata write counts as new data",
        "shared/ledger.py",
        "        return newest[0] if newest and same and blob.content_md5 else None\n",
        "        return None\n",
        ("tests/unit/test_intake.py",),
    ),
    Bug(
        "every change of a pipeline begins its schedule anew",
        "shared/last_good.py",
        "            if stored is not None and "
        "stored.record.pipeline.schedule == pipeline.schedule:\n",
        "            if stored is None:\n",
        ("tests/unit/test_due_times.py",),
    ),
    Bug(
        "a first due time is lost to a late tick",
        "shared/due_times.py",
        "        if known is None:\n            return since\n",
        "        if known is None:\n            return max(since, now - _ON_TIME)\n",
        ("tests/unit/test_due_times.py",),
    ),
    Bug(
        "the first pipelines come first in each call",
        "shared/schedules.py",
        "deque(pipelines[at:] + pipelines[:at])\n",
        "deque(pipelines)\n",
        ("tests/unit/test_fairness.py",),
    ),
    Bug(
        "what cannot be looked up is forgotten",
        "shared/sweep.py",
        "            again=known.unread,\n",
        "",
        ("tests/unit/test_search.py",),
    ),
    Bug(
        "whoever goes on for a dead worker uses its own old listing",
        "shared/gathering.py",
        "        fresh = self._listed(replace(batch, landed=None))\n",
        "        fresh = self._listed(batch)\n",
        ("tests/unit/test_gathering_race.py",),
    ),
    Bug(
        "a run that is opened by a repeated event is not marked again",
        "shared/intake.py",
        "            self._context.ledger.mark_open(run_id, hints)\n",
        "",
        ("tests/unit/test_intake.py",),
    ),
    Bug(
        "an announced run is not marked again by whoever goes on with it",
        "shared/gathering.py",
        "        self.context.ledger.mark_open(run_id, hints_for(batch.pipeline, batch.key))\n",
        "",
        ("tests/unit/test_gathering_race.py",),
    ),
)
