"""Bugs to plant in turns, queues, orders and pauses, and where services are spared."""

from typing import Final

from proofs.bugs.bug import Bug

TURNS: Final = (
    Bug(
        "a place that is taken is given away",
        "shared/gathering.py",
        "        if most is None or len(slot.holders) < most:\n",
        "        if most is None or len(slot.holders) <= most:\n",
        ("tests/unit/test_gathering.py",),
    ),
    Bug(
        "a place is kept by whoever is over",
        "shared/core/slot.py",
        "    return run.phase.ended or run.phase in _IDLE\n",
        "    return False\n",
        ("tests/unit/test_gathering.py",),
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
        "a service that fails now and then is left alone",
        "shared/lanes.py",
        "            self._failures[lane] = 0\n",
        "",
        ("tests/unit/test_lanes.py",),
    ),
    Bug(
        "a run that cannot be read keeps the queue waiting",
        "shared/turns.py",
        "            self._report_once(run_id, exc)\n            return True\n",
        "            return False\n",
        ("tests/unit/test_unreadable.py",),
    ),
    Bug(
        "the end of a pause goes unnoticed",
        "shared/queues.py",
        'return stored.etag if stored else "", phases, self._pause(name)\n',
        'return stored.etag if stored else "", phases\n',
        ("tests/unit/test_queue_costs.py",),
    ),
    Bug(
        "the end of a run that holds a place goes unnoticed",
        "shared/queues.py",
        'return stored.etag if stored else "", phases, self._pause(name)\n',
        'return stored.etag if stored else "", self._pause(name)\n',
        ("tests/unit/test_queue_costs.py",),
    ),
    Bug(
        "a run that comes back is counted twice by the budget",
        "shared/core/slot.py",
        "        if all(turn.run_id != run_id for turn in begun):\n            number",
        "        if begun is self.begun:\n            number",
        ("tests/unit/test_slot.py",),
    ),
    Bug(
        "signatures age from the opening of the run",
        "shared/job_steps.py",
        "        made = run.job_at or run.opened_at\n",
        "        made = run.opened_at\n",
        ("tests/unit/test_odd_services.py",),
    ),
    Bug(
        "an order is not marked before it is noted",
        "shared/orders.py",
        '        self.context.ledger.mark_open(run_id, {"phase": "told"})\n        try:\n',
        "        try:\n",
        ("tests/unit/test_orders.py",),
    ),
    Bug(
        "an order is not marked again once it is noted",
        "shared/orders.py",
        '            self.context.ledger.mark_open(run_id, {"phase": "told"})\n            return',
        "            return",
        ("tests/unit/test_orders.py",),
    ),
)
