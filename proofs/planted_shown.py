"""Bugs in what people are told, planted one at a time; the tests named must find each."""

from typing import Final

from proofs.bug import Bug

SHOWN: Final = (
    Bug(
        "a wait for approval is logged nowhere",
        "shared/telemetry.py",
        "    Phase.AWAITING_APPROVAL: Alert.APPROVAL,\n",
        "",
        ("tests/unit/core/run/test_waiting.py",),
    ),
    Bug(
        "the end of a lease is not shown",
        "shared/core/run/waiting.py",
        "    held = lease_ends if run.claim is not None else None\n",
        "    held = None\n",
        ("tests/unit/core/run/test_waiting.py",),
    ),
    Bug(
        "who cancelled a run is forgotten",
        "shared/core/run/control_events.py",
        "(phase, at, note, operator_request=operator_request, **changes)\n",
        "(phase, at, note, **changes)\n",
        ("tests/unit/core/run/test_waiting.py",),
    ),
    Bug(
        "rules that were not checked pass for checked ones",
        "shared/execution/gate.py",
        'return Judged(None, f"there is no evaluation at {path}, beside a model put by hand")',
        "return Judged(None)",
        ("tests/unit/core/run/test_waiting.py",),
    ),
    Bug(
        "mistakes over several fields wait for those of single ones",
        "shared/config/loader.py",
        "            pipeline = as_far_as_right(Pipeline, tree, wrong, context)\n",
        "            pipeline = None\n",
        ("tests/unit/config/test_cross_field.py",),
    ),
    Bug(
        "a query parameter that nobody reads is ignored",
        "functions/methods.py",
        "                    refuse_unknown(req, query)\n",
        "                    pass\n",
        ("tests/functions/test_changes_recorded.py",),
    ),
)
