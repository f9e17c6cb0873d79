"""Bugs to plant in promotions: the record of an endpoint, its update, looks and roll-outs."""

from typing import Final

from proofs.bugs.bug import Bug

ENDPOINTS: Final = (
    Bug(
        "promotions go in any order",
        "shared/reservation_steps.py",
        "    if known.newest_data and run.data_time < known.newest_data:\n",
        "    if known.newest_data and run.data_time.year < 1:\n",
        ("tests/unit/test_promotion.py", "tests/unit/test_promotion_regressions.py"),
    ),
    Bug(
        "the reservation is dropped",
        "shared/core/head.py",
        '            "reservation": reservation,\n',
        '            "reservation": None,\n',
        ("tests/unit/test_head.py", "tests/sweep/test_fault_sweep.py"),
    ),
    Bug(
        "an accepted update counts as live",
        "shared/promotion_steps.py",
        "        match judged.verdict:\n            case Verdict.WAIT:\n"
        "                return _waiting(look, judged)\n            case Verdict.LIVE:\n"
        "                answers",
        "        match Verdict.LIVE:\n            case Verdict.WAIT:\n"
        "                return _waiting(look, judged)\n            case Verdict.LIVE:\n"
        "                answers",
        ("tests/unit/test_promotion.py",),
    ),
    Bug(
        "one look at answers that vary makes a model live",
        "shared/core/judgement.py",
        "    if case.moved(case.looks.last) and case.moved(case.looks.earlier):\n",
        "    if case.moved(probe):\n",
        ("tests/unit/test_judgement.py", "tests/unit/test_pauses.py"),
    ),
    Bug(
        "a pause between two looks counts in full",
        "shared/core/looks.py",
        "        gap = min(max(gap, timedelta()), _LONGEST_GAP * every)\n",
        "        gap = max(gap, timedelta())\n",
        ("tests/unit/test_judgement.py",),
    ),
    Bug(
        "two looks are enough for a verdict",
        "shared/core/looks.py",
        "LEAST_LOOKS: Final = 3\n",
        "LEAST_LOOKS: Final = 2\n",
        ("tests/unit/test_judgement.py",),
    ),
    Bug(
        "the looks at one update count for the next",
        "shared/core/promotion_facts.py",
        '    "looks": NO_LOOKS,\n',
        "",
        ("tests/unit/test_machine.py",),
    ),
    Bug(
        "two failures with a pause between them park a run",
        "shared/core/facts.py",
        "        if long and count >= LEAST_TRIES:\n",
        "        if long:\n",
        ("tests/unit/test_pauses.py",),
    ),
    Bug(
        "answers from before are taken while another update is unsettled",
        "shared/reservation_steps.py",
        "        before = self._before(serving) if left is None else None\n",
        "        before = self._before(serving)\n",
        ("tests/unit/test_promotion_regressions.py",),
    ),
    Bug(
        "what another run left unsettled is forgotten by a takeover",
        "shared/core/head.py",
        "        unsettled=left_behind(head, run.run_id),\n",
        "        unsettled=None,\n",
        ("tests/unit/test_promotion_regressions.py",),
    ),
    Bug(
        "a roll-out goes on after an unchanged return that was taken over",
        "shared/roll_out_steps.py",
        'failed in ("rolled_back", "unchanged")',
        'failed in ("rolled_back",)',
        ("tests/unit/test_roll_out_regressions.py",),
    ),
    Bug(
        "two different errors confirm drift",
        "shared/core/watch.py",
        "            return _kind_of(watch.suspicion) == _kind_of(seen.drift)\n",
        "            return True\n",
        ("tests/unit/test_drift.py",),
    ),
    Bug(
        "two different oddities confirm drift",
        "shared/core/watch.py",
        "not seen.drift or watch.odd is not seen.odd:\n",
        "not seen.drift:\n",
        ("tests/unit/test_drift.py",),
    ),
    Bug(
        "drift is not looked for beside a parked run",
        "shared/drift.py",
        "is not None and holder.phase.updates:\n",
        "is not None:\n",
        ("tests/unit/test_drift.py",),
    ),
    Bug(
        "an endpoint has a record for each host",
        "shared/core/head.py",
        '    return digest("head", known.where, known.path)\n',
        '    return digest("head", update)\n',
        ("tests/unit/test_identity.py",),
    ),
    Bug(
        "a rollback is not marked again as it is carried out",
        "shared/endpoints.py",
        "        self._context.ledger.mark_open(hold.run_id, wish.hints)\n        return",
        "        return",
        ("tests/unit/test_rollback.py",),
    ),
)
