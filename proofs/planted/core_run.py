"""Bugs planted in shared/core/run: the run record, its events, retries and concurrency slots."""

from typing import Final

from proofs.planted.bug import Bug

BUGS: Final = (
    Bug(
        "the gate lets everything pass",
        "shared/core/run/gate_events.py",
        "        passed = self.verdict is None or self.verdict.passed\n",
        "        passed = True\n",
        ("tests/unit/execution/test_gate_runs.py",),
    ),
    Bug(
        "a slot is kept by a run that is over",
        "shared/core/run/concurrency.py",
        "    return run.phase.ended or run.phase in _IDLE\n",
        "    return False\n",
        ("tests/unit/intake/test_batches.py",),
    ),
    Bug(
        "a pause by failures outlives the resume",
        "shared/core/run/concurrency.py",
        "        return pause if pause is not None and self.counts(pause.at) else None\n",
        "        return pause\n",
        ("tests/unit/execution/test_concurrency.py",),
    ),
    Bug(
        "the probes of one update count for the next",
        "shared/core/run/promotion_events.py",
        '    "probe_series": NO_PROBES,\n',
        "",
        (
            "tests/unit/core/run/test_machine.py",
            "tests/unit/core/run/test_machine_steps.py",
            "tests/unit/core/run/test_machine_refusals.py",
            "tests/unit/core/run/test_machine_promotion.py",
        ),
    ),
    Bug(
        "two failures with a pause between them park a run",
        "shared/core/run/control_events.py",
        "        if long and count >= LEAST_TRIES:\n",
        "        if long:\n",
        ("tests/unit/execution/test_pauses.py",),
    ),
    Bug(
        "a retry records a gate that it does not apply",
        "shared/core/run/retry.py",
        "    return Phase.JUDGED if other_gate else None\n",
        "    return None\n",
        (
            "tests/unit/execution/test_retry_by_changed_gate.py",
            "tests/unit/core/run/test_retry_by_gate.py",
            "tests/unit/execution/test_retry_of_rollouts.py",
        ),
    ),
    Bug(
        "an approval outlives the gate that it was given for",
        "shared/core/run/retry.py",
        '    "unchecked": None,\n    "approval": None,\n    "awaiting_since": None,\n',
        '    "unchecked": None,\n',
        (
            "tests/unit/execution/test_retry_by_changed_gate.py",
            "tests/unit/core/run/test_retry_by_gate.py",
            "tests/unit/execution/test_retry_of_rollouts.py",
        ),
    ),
    Bug(
        "a model that may serve is judged again where it is",
        "shared/core/run/retry.py",
        "    if run.promotion is not None and run.promotion.ever_sent:\n        note",
        "    if run.promotion is not None and run.promotion.generation < 0:\n        note",
        (
            "tests/unit/execution/test_retry_by_changed_gate.py",
            "tests/unit/core/run/test_retry_by_gate.py",
            "tests/unit/execution/test_retry_of_rollouts.py",
        ),
    ),
    Bug(
        "a delivery is retried past its gate",
        "shared/core/run/retry.py",
        "        return not _ending(run) and withdrawn(run, run.config, now)\n",
        "        return False\n",
        (
            "tests/unit/execution/test_retry_by_changed_gate.py",
            "tests/unit/core/run/test_retry_by_gate.py",
            "tests/unit/execution/test_retry_of_rollouts.py",
        ),
    ),
    Bug(
        "a roll-out continues after a rollback without an effect that was taken over",
        "shared/core/run/rollout.py",
        'failed in ("rolled_back", "unchanged")',
        'failed in ("rolled_back",)',
        (
            "tests/unit/execution/test_roll_out_models.py",
            "tests/unit/execution/test_roll_out_endpoints.py",
            "tests/unit/execution/test_roll_out_keys.py",
        ),
    ),
    Bug(
        "the time in which nobody tried a step counts as patience",
        "shared/core/run/control_events.py",
        "        idle = max(late, timedelta())\n",
        "        idle = min(late, timedelta())\n",
        (
            "tests/unit/core/run/test_machine.py",
            "tests/unit/core/run/test_machine_steps.py",
            "tests/unit/core/run/test_machine_refusals.py",
            "tests/unit/core/run/test_machine_promotion.py",
        ),
    ),
    Bug(
        "an output file is a reason to check each time that it is announced",
        "shared/core/run/job_events.py",
        "        return self.digest in run.outputs_seen or",
        "        return",
        ("tests/unit/intake/test_output_events.py",),
    ),
    Bug(
        "the time of waiting for a slot counts as time of failing",
        "shared/core/run/control_events.py",
        "        if was is not None and was.waits_for != self.waits_for:\n",
        "        if was is not None and was.count < 0:\n",
        ("tests/unit/execution/test_endpoint_queue.py",),
    ),
    Bug(
        "a step of the requests is left out",
        "shared/core/run/promotion_events.py",
        '            "position": promotion.position + 1,\n',
        '            "position": promotion.position + 2,\n',
        ("tests/unit/execution/test_candidates.py",),
    ),
    Bug(
        "the end of a lease is not shown",
        "shared/core/run/waiting.py",
        "    held = lease_ends if run.claim is not None else None\n",
        "    held = None\n",
        (
            "tests/unit/core/run/test_waiting.py",
            "tests/unit/core/run/test_waiting_for_approval.py",
        ),
    ),
    Bug(
        "who cancelled a run is forgotten",
        "shared/core/run/control_events.py",
        "(phase, at, note, operator_request=operator_request, **changes)\n",
        "(phase, at, note, **changes)\n",
        (
            "tests/unit/core/run/test_waiting.py",
            "tests/unit/core/run/test_waiting_for_approval.py",
        ),
    ),
    Bug(
        "a run that comes back is counted twice by the budget",
        "shared/core/run/concurrency.py",
        "        if all(entry.run_id != run_id for entry in begun):\n            number",
        "        if begun is self.begun:\n            number",
        ("tests/unit/core/run/test_concurrency.py",),
    ),
    Bug(
        "the data of a burst is the last by name",
        "shared/core/run/record.py",
        "        return newest_of(self.manifest)\n",
        "        return max(self.manifest, key=lambda b: (b.modified, b.name), default=None)\n",
        (
            "tests/unit/core/test_versions.py",
            "tests/unit/execution/test_version_order.py",
            "tests/unit/execution/test_version_ties.py",
        ),
    ),
    Bug(
        "a number that a request gave in another type is lost when the file is corrected",
        "shared/core/run/parameters.py",
        "        if usual.get(name) != (type(value), value)\n",
        "        if name not in usual or usual[name][1] != value\n",
        ("tests/unit/intake/test_asked_parameters.py",),
    ),
)
