"""Bugs planted in shared/execution: jobs, the gate, endpoint leases, promotions and roll-outs."""

from typing import Final

from proofs.planted.bug import Bug

BUGS: Final = (
    Bug(
        "no claim before acting",
        "shared/execution/driver.py",
        "            if command.acts and not mine:\n",
        "            if command.acts and not mine and now.year < 0:\n",
        ("tests/sweep/test_fault_sweep.py",),
    ),
    Bug(
        "a job is started before it is recorded",
        "shared/execution/job.py",
        "        return StepResult(JobCreated(job, inputs, models, holdout))\n",
        "        self._service(run).ensure_started(job, request_of(known))\n"
        "        return StepResult(JobCreated(job, inputs, models, holdout))\n",
        ("tests/sweep/test_fault_sweep.py",),
    ),
    Bug(
        "promotions go in any order",
        "shared/execution/endpoint_lease.py",
        "    if is_superseded(known, run.data_time, data.version):\n",
        "    if is_superseded(known, run.data_time, data.version) and run.data_time.year < 1:\n",
        (
            "tests/unit/execution/test_promotion.py",
            "tests/unit/execution/test_promotion_order.py",
            "tests/unit/execution/test_promotion_checks.py",
            "tests/unit/execution/test_promotion_rollback.py",
            "tests/unit/execution/test_promotion_in_flight.py",
        ),
    ),
    Bug(
        "an accepted update counts as live",
        "shared/execution/verification.py",
        "        match judged.verdict:\n            case VerificationResult.WAIT:\n"
        "                return _waiting(check, judged)\n"
        "            case VerificationResult.LIVE if",
        "        match VerificationResult.LIVE:\n            case VerificationResult.WAIT:\n"
        "                return _waiting(check, judged)\n"
        "            case VerificationResult.LIVE if",
        ("tests/unit/execution/test_promotion.py",),
    ),
    Bug(
        "what steps learn is kept with secrets",
        "shared/execution/run_writer.py",
        "        return self._context.redactor.clean(learned, keep=_KEPT)\n",
        "        return learned\n",
        ("tests/unit/providers/test_redacted_records_and_logs.py",),
    ),
    Bug(
        "answers from before are taken while another update is in flight",
        "shared/execution/endpoint_lease.py",
        "        answers = left is None and not (splits and base is None)\n",
        "        answers = not (splits and base is None)\n",
        (
            "tests/unit/execution/test_promotion_order.py",
            "tests/unit/execution/test_promotion_checks.py",
            "tests/unit/execution/test_promotion_rollback.py",
            "tests/unit/execution/test_promotion_in_flight.py",
        ),
    ),
    Bug(
        "an update that a dead worker may have sent is taken for none",
        "shared/execution/driver.py",
        '            changes["promotion"] = _perhaps_sent(run, command)\n',
        "",
        (
            "tests/unit/execution/test_retry_by_changed_gate.py",
            "tests/unit/core/run/test_retry_by_gate.py",
            "tests/unit/execution/test_retry_of_rollouts.py",
        ),
    ),
    Bug(
        "one error ahead of an update is what the endpoint answered before",
        "shared/execution/endpoint_lease.py",
        "            if same + 1 >= LEAST_PROBES:\n",
        "            if same >= 0:\n",
        ("tests/unit/execution/test_pauses.py",),
    ),
    Bug(
        "a service that fails now and then is not called any more",
        "shared/execution/bulkheads.py",
        "            self._failures[bulkhead] = 0\n",
        "",
        ("tests/unit/execution/test_bulkheads.py",),
    ),
    Bug(
        "a run that cannot be read keeps the queue waiting",
        "shared/execution/concurrency.py",
        "            self._report_once(run_id, exc)\n            return True\n",
        "            return False\n",
        ("tests/unit/ledger/test_unreadable_queues.py",),
    ),
    Bug(
        "the end of a pause goes unnoticed",
        "shared/execution/queues.py",
        'return stored.etag if stored else "", phases, self._pause(name)\n',
        'return stored.etag if stored else "", phases\n',
        ("tests/unit/execution/test_queue_costs.py",),
    ),
    Bug(
        "the end of a run that holds a slot goes unnoticed",
        "shared/execution/queues.py",
        'return stored.etag if stored else "", phases, self._pause(name)\n',
        'return stored.etag if stored else "", self._pause(name)\n',
        ("tests/unit/execution/test_queue_costs.py",),
    ),
    Bug(
        "what a service answered to an update that it did not confirm is forgotten",
        "shared/execution/promotion.py",
        "        return UpdateSent(certain=False, service_message=str(exc), target=target)\n",
        "        return UpdateSent(certain=False, target=target)\n",
        ("tests/unit/test_runbook.py",),
    ),
    Bug(
        "every event has the job checked",
        "shared/execution/driver.py",
        "            if check_from is None or timedelta() <= age < check_from:\n",
        "            if check_from is not None and timedelta() <= age < check_from:\n",
        ("tests/unit/intake/test_output_events.py",),
    ),
    Bug(
        "a candidate is staged before the endpoint's record names it",
        "shared/execution/models.py",
        "        self._announce(run, endpoint, candidate)\n",
        "",
        ("tests/unit/execution/test_candidates.py",),
    ),
    Bug(
        "a candidate is promoted without having been scored",
        "shared/execution/gate.py",
        "        if known.cursor >= _PROBES:\n",
        "        if known.cursor >= 0:\n",
        ("tests/unit/execution/test_candidates.py",),
    ),
    Bug(
        "a part of the requests is taken for all of them",
        "shared/execution/verification.py",
        "            case VerificationResult.LIVE if not promotion.is_last:\n",
        "            case VerificationResult.LIVE if not promotion.steps:\n",
        ("tests/unit/execution/test_candidates.py",),
    ),
    Bug(
        "rules that were not checked pass for checked ones",
        "shared/execution/gate.py",
        'None, f"there is no evaluation at {path}, next to the operator\'s model"\n',
        "None\n",
        (
            "tests/unit/core/run/test_waiting.py",
            "tests/unit/core/run/test_waiting_for_approval.py",
        ),
    ),
    Bug(
        "signatures age from the opening of the run",
        "shared/execution/job.py",
        "        made = run.job_at or run.opened_at\n",
        "        made = run.opened_at\n",
        ("tests/unit/execution/test_odd_services.py",),
    ),
    Bug(
        "a request is not compared with the ledger's records of its second",
        "shared/execution/endpoint_lease.py",
        "        mine, newest = recorded.of(mine), recorded.of(newest)\n",
        "        newest = recorded.of(newest)\n",
        (
            "tests/unit/core/test_versions.py",
            "tests/unit/execution/test_version_order.py",
            "tests/unit/execution/test_version_ties.py",
        ),
    ),
    Bug(
        "an endpoint forgets when its newest version was recorded",
        "shared/execution/endpoint_lease.py",
        "        endpoint_state = endpoint_state.with_resource("
        "endpoint.resource_name, data.known)\n",
        "",
        (
            "tests/unit/core/test_versions.py",
            "tests/unit/execution/test_version_order.py",
            "tests/unit/execution/test_version_ties.py",
        ),
    ),
    Bug(
        "a metadata-only update without an MD5 takes the data from under a job",
        "shared/execution/job.py",
        "    return now.same_bytes_as(was, trust_size=run.config.trusts_size)\n",
        "    return now.same_bytes_as(was)\n",
        ("tests/unit/intake/test_without_md5.py",),
    ),
)
