"""Bugs to plant where models are staged, given requests in steps, and discarded."""

from typing import Final

from proofs.bug import Bug

_TESTS: Final = ("tests/unit/execution/test_candidates.py",)

SERVING: Final = (
    Bug(
        "a candidate is staged before the endpoint's record names it",
        "shared/execution/staging.py",
        "        self._announce(run, endpoint, candidate)\n",
        "",
        _TESTS,
    ),
    Bug(
        "a candidate is promoted without having been scored",
        "shared/execution/gate.py",
        "        if known.cursor >= _PROBES:\n",
        "        if known.cursor >= 0:\n",
        _TESTS,
    ),
    Bug(
        "a part of the requests is taken for all of them",
        "shared/execution/promotion.py",
        "            case VerificationResult.LIVE if not promotion.is_last:\n",
        "            case VerificationResult.LIVE if not promotion.steps:\n",
        _TESTS,
    ),
    Bug(
        "a step of the requests is left out",
        "shared/core/run/promotion_events.py",
        '            "position": promotion.position + 1,\n',
        '            "position": promotion.position + 2,\n',
        _TESTS,
    ),
    Bug(
        "what served before is discarded at once",
        "shared/core/serving/state.py",
        "    until = verified.at + verified.keeps\n",
        "    until = verified.at\n",
        _TESTS,
    ),
    Bug(
        "a candidate whose run goes on is discarded",
        "shared/core/serving/due_candidates.py",
        "one.discard_at is not None else not is_open(one.run_id))\n",
        "one.discard_at is not None else True)\n",
        ("tests/unit/maintenance/test_due_candidates.py",),
    ),
)
