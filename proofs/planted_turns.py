"""Bugs to plant in turns, orders and markers, and where hosts and services are spared."""

from typing import Final

from proofs.bug import Bug

TURNS: Final = (
    Bug(
        "a run that comes back is counted twice by the budget",
        "shared/core/run/concurrency.py",
        "        if all(entry.run_id != run_id for entry in begun):\n            number",
        "        if begun is self.begun:\n            number",
        ("tests/unit/core/run/test_concurrency.py",),
    ),
    Bug(
        "whoever goes on for a dead worker uses its own old listing",
        "shared/intake/batches.py",
        "        fresh = self._listed(replace(batch, arrived=None))\n",
        "        fresh = self._listed(batch)\n",
        ("tests/unit/intake/test_gathering_race.py",),
    ),
    Bug(
        "signatures age from the opening of the run",
        "shared/execution/job.py",
        "        made = run.job_at or run.opened_at\n",
        "        made = run.opened_at\n",
        ("tests/unit/execution/test_odd_services.py",),
    ),
    Bug(
        "a conflict that cannot be looked into counts as somebody else's",
        "shared/providers/azure_storage/documents.py",
        '            if is_lost(why):\n                raise OutcomeUnknownError(f"{name}: ',
        '            if is_lost(why):\n                raise Conflict(f"{name}: ',
        ("tests/contract/test_documents.py",),
    ),
    Bug(
        "an order is not marked before it is noted",
        "shared/operations/runs.py",
        "        self.context.ledger.open_markers.mark(run_id, CommandStored())\n        try:\n",
        "        try:\n",
        ("tests/unit/operations/test_orders.py",),
    ),
    Bug(
        "an order is not marked again once it is noted",
        "shared/operations/runs.py",
        "            self.context.ledger.open_markers.mark(run_id, CommandStored())\n"
        "            return",
        "            return",
        ("tests/unit/operations/test_orders.py",),
    ),
    Bug(
        "a run that is opened by a repeated event is not marked again",
        "shared/intake/blob_events.py",
        "            self._context.ledger.open_markers.mark(run_id, hints)\n",
        "",
        ("tests/unit/intake/test_intake.py",),
    ),
    Bug(
        "an announced run is not marked again by whoever goes on with it",
        "shared/intake/batches.py",
        "        self.context.ledger.open_markers.mark("
        "run_id, marker_of_batch(batch.pipeline, batch.key))\n",
        "",
        ("tests/unit/intake/test_gathering_race.py",),
    ),
    Bug(
        "a rollback is not marked again as it is carried out",
        "shared/operations/endpoints.py",
        "        self._context.ledger.open_markers.mark("
        "hold.run_id, request.hints)\n        return",
        "        return",
        ("tests/unit/operations/test_rollback.py",),
    ),
)
