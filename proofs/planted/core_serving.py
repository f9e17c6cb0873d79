"""Bugs planted in shared/core/serving: the endpoint state, probes and verification."""

from typing import Final

from proofs.planted.bug import Bug

BUGS: Final = (
    Bug(
        "the endpoint lease is dropped",
        "shared/core/run/leases.py",
        "        endpoint_lease=endpoint_lease,\n",
        "        endpoint_lease=None,\n",
        (
            "tests/unit/core/serving/test_endpoint_state.py",
            "tests/unit/core/serving/test_serving_history.py",
            "tests/sweep/test_fault_sweep.py",
        ),
    ),
    Bug(
        "one probe with answers that vary makes a model live",
        "shared/core/serving/verification.py",
        "    if case.moved(case.probe_series.last) and case.moved(case.probe_series.earlier):\n",
        "    if case.moved(probe):\n",
        (
            "tests/unit/core/serving/test_verification.py",
            "tests/unit/core/serving/test_verification_answers.py",
            "tests/unit/execution/test_pauses.py",
        ),
    ),
    Bug(
        "a pause between two probes counts in full",
        "shared/core/serving/probes.py",
        "        gap = min(max(gap, timedelta()), _LONGEST_GAP * every)\n",
        "        gap = max(gap, timedelta())\n",
        (
            "tests/unit/core/serving/test_verification.py",
            "tests/unit/core/serving/test_verification_answers.py",
        ),
    ),
    Bug(
        "two probes are enough for a verdict",
        "shared/core/serving/probes.py",
        "LEAST_PROBES: Final = 3\n",
        "LEAST_PROBES: Final = 2\n",
        (
            "tests/unit/core/serving/test_verification.py",
            "tests/unit/core/serving/test_verification_answers.py",
        ),
    ),
    Bug(
        "what another run left in flight is forgotten by a takeover",
        "shared/core/run/leases.py",
        "        in_flight=in_flight_lease(endpoint_state, run.run_id),\n",
        "        in_flight=None,\n",
        (
            "tests/unit/execution/test_promotion_order.py",
            "tests/unit/execution/test_promotion_checks.py",
            "tests/unit/execution/test_promotion_rollback.py",
            "tests/unit/execution/test_promotion_in_flight.py",
        ),
    ),
    Bug(
        "two different errors confirm drift",
        "shared/core/serving/drift.py",
        "            return _kind_of(drift_check.suspicion) == _kind_of(seen.drift)\n",
        "            return True\n",
        ("tests/unit/maintenance/test_drift_evidence.py",),
    ),
    Bug(
        "two different oddities confirm drift",
        "shared/core/serving/drift.py",
        "not seen.drift or drift_check.drift_kind is not seen.drift_kind:\n",
        "not seen.drift:\n",
        ("tests/unit/maintenance/test_drift_evidence.py",),
    ),
    Bug(
        "an endpoint has a record for each host",
        "shared/core/serving/references.py",
        '        return digest("endpoint", self.provider, self.identity)\n',
        '        return digest("endpoint", self.provider, self.name)\n',
        ("tests/unit/core/config/test_studio_identity.py",),
    ),
    Bug(
        "what served before is discarded at once",
        "shared/core/run/promoted_models.py",
        "    until = verified.at + verified.keeps\n",
        "    until = verified.at\n",
        ("tests/unit/execution/test_candidates.py",),
    ),
    Bug(
        "a candidate whose run continues is discarded",
        "shared/core/serving/due_candidates.py",
        "one.discard_at is not None else not is_open(one.run_id))\n",
        "one.discard_at is not None else True)\n",
        ("tests/unit/maintenance/test_due_candidates.py",),
    ),
    Bug(
        "a tie goes to the version that is promoted last",
        "shared/core/serving/state.py",
        "    return version is not None and newest is not None and is_older(version, newest)\n",
        "    return version is not None and newest is None\n",
        (
            "tests/unit/core/test_versions.py",
            "tests/unit/execution/test_version_order.py",
            "tests/unit/execution/test_version_ties.py",
        ),
    ),
)
