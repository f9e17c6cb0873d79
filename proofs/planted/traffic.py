"""Bugs planted in the traffic of an endpoint: its shifts, and changes by other programs."""

from typing import Final

from proofs.planted.bug import Bug

_CORE: Final = "shared/core/serving"
_EXECUTION: Final = "shared/execution"
_TESTS: Final = "tests/unit/execution"
_STEPS: Final = (f"{_TESTS}/test_traffic_steps.py",)
_MAPPED: Final = (f"{_TESTS}/test_mapped_promotions.py",)
_ROLLBACKS: Final = (f"{_TESTS}/test_mapped_rollbacks.py",)
_MACHINE: Final = ("tests/unit/core/run/test_lasting_steps.py",)
_DUE: Final = ("tests/unit/maintenance/test_due_candidates.py",)

_CARRIED_OUT: Final = (
    Bug(
        "the traffic is taken for the one that the PUT was answered with",
        "shared/providers/azureml/serving.py",
        "        traffic = self.calls.traffic_of(endpoint)\n        detail",
        "        traffic = (shift and shift.wanted) or self.calls.traffic_of(endpoint)\n"
        "        detail",
        ("tests/unit/providers/azureml/test_endpoint_states.py",),
    ),
    Bug(
        "a step is carried out though the endpoint shows another map",
        f"{_EXECUTION}/verification.py",
        "        late = done and check.traffic != wanted\n",
        "        late = done and not wanted\n",
        _MAPPED,
    ),
    Bug(
        "a deployment is deleted before the shift away from it is verified",
        "shared/providers/azureml/serving.py",
        "        traffic = self.calls.traffic_of(self.calls.settled())\n        if",
        "        traffic = self.calls.traffic_of(self.calls.read())\n        if",
        ("tests/unit/providers/azureml/test_endpoint_staging.py",),
    ),
    Bug(
        "candidates are discarded while a run updates the endpoint",
        f"{_CORE}/due_candidates.py",
        "    if endpoint_state.endpoint_lease is not None:\n        return []\n",
        "",
        _DUE,
    ),
    Bug(
        "the candidate that serves is discarded",
        f"{_CORE}/due_candidates.py",
        "        if one.candidate.name not in serving\n        and (",
        "        if (",
        _DUE,
    ),
    Bug(
        "a failed deployment of others is deleted to be made again",
        "shared/providers/azureml/traffic_updates.py",
        "            if not deployment.is_ours:\n                raise\n",
        "",
        ("tests/unit/providers/azureml/test_endpoint_failures.py",),
    ),
    Bug(
        "what rounding leaves of the requests goes to nobody",
        f"{_CORE}/traffic.py",
        "    scaled[first] += whole - sum(scaled.values())\n",
        "    scaled[first] += 0\n",
        ("tests/unit/core/serving/test_traffic.py",),
    ),
    Bug(
        "a rollback of a first model leaves the endpoint without requests",
        "shared/core/run/planned_steps.py",
        "    return (base.evolve(traffic=others),) if others.shares else ()\n",
        "    return (base.evolve(traffic=others),)\n",
        ("tests/unit/core/run/test_planned_steps.py",),
    ),
)

_CHANGED_BY_OTHERS: Final = (
    Bug(
        "what others change while a step lasts is taken for an update that was undone",
        f"{_EXECUTION}/traffic_steps.py",
        "    if not known or check.traffic in (*known, *run.accepts):\n",
        "    if known:\n",
        _STEPS,
    ),
    Bug(
        "what others change while a rollback runs is not noticed",
        f"{_EXECUTION}/verification.py",
        "            return changed or self._verify_rollback(run, endpoint, check)\n",
        "            return self._verify_rollback(run, endpoint, check)\n",
        _ROLLBACKS,
    ),
    Bug(
        "what others have changed is overwritten by the next run",
        "shared/core/run/planned_steps.py",
        "    if not now.routes_as(serving):\n        what",
        "    if not serving:\n        what",
        _MAPPED,
    ),
    Bug(
        "the map of any step is one that the run expects",
        "shared/core/run/promotion.py",
        "        known = (self.step.before, self.step.wanted, *self.left)\n",
        "        every = (one for step in self.steps for one in (step.before, step.wanted))\n"
        "        known = (*every, *self.left)\n",
        _STEPS,
    ),
    Bug(
        "what an operator accepted is accepted in the next promotion too",
        "shared/core/run/promotion_events.py",
        "at, note, promotion=self.promotion, accepts=())\n",
        "at, note, promotion=self.promotion)\n",
        _MACHINE,
    ),
    Bug(
        "a cancel gives requests back that others have given",
        "shared/core/run/control_events.py",
        "        if (run.step_bakes or run.left_requests) and run.found is None:\n",
        "        if run.step_bakes or run.left_requests:\n",
        _MACHINE,
    ),
    Bug(
        "a rollback restores the model that was recorded last, and not the map from before",
        f"{_EXECUTION}/promotion.py",
        "            base=promotion.rollback_target if preparing else promotion.base,\n",
        "            base=promotion.rollback_target if preparing else None,\n",
        _ROLLBACKS,
    ),
    Bug(
        "a lease notes the model that was recorded last as the rollback target",
        f"{_EXECUTION}/leased_endpoint.py",
        "    first = ahead_of(instead_of, base)\n",
        "    first = ()\n",
        _ROLLBACKS,
    ),
    Bug(
        "a run that takes a lease over restores the model that was recorded last",
        f"{_EXECUTION}/endpoint_lease.py",
        "            (one for one in _ahead_of_left(other) if serving.restorable(one)), None\n",
        "            (one for one in _ahead_of_left(None) if serving.restorable(one)), None\n",
        _ROLLBACKS,
    ),
    Bug(
        "a run that takes a lease over takes what others set for a map of its own",
        f"{_EXECUTION}/endpoint_lease.py",
        '            "steps": (Step(share=ALL),),\n',
        "",
        _ROLLBACKS,
    ),
    Bug(
        "drift of the traffic is repaired by itself",
        "shared/maintenance/drift.py",
        "        if asks or not repairable(",
        "        if not repairable(",
        ("tests/unit/maintenance/test_drift_of_traffic.py",),
    ),
)

BUGS: Final = (*_CARRIED_OUT, *_CHANGED_BY_OTHERS)
