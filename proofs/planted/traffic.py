"""Bugs planted in the steps of requests: what carries a step out, what ends it, what undoes it."""

from typing import Final

from proofs.planted.bug import Bug

_CORE: Final = "shared/core/serving"
_EXECUTION: Final = "shared/execution"
_EVENTS: Final = "shared/core/run/promotion_events.py"
_TESTS: Final = "tests/unit/execution"
_STEPS: Final = (f"{_TESTS}/test_traffic_steps.py",)
_MAPPED: Final = (f"{_TESTS}/test_mapped_promotions.py",)
_MACHINE: Final = ("tests/unit/core/run/test_lasting_steps.py",)
_RULES: Final = ("tests/unit/core/serving/test_traffic_rules.py",)
_EVIDENCE: Final = ("tests/unit/core/serving/test_traffic_evidence.py",)
_NAMED: Final = ("tests/unit/core/serving/test_named_verification.py",)
_DUE: Final = ("tests/unit/maintenance/test_due_candidates.py",)

_CARRIED_OUT: Final = (
    Bug(
        "the traffic is taken for the one that the PUT was answered with",
        "shared/providers/azureml/serving.py",
        "        traffic = self._calls.traffic_of(endpoint)\n        detail",
        "        traffic = (shift and shift.wanted) or self._calls.traffic_of(endpoint)\n"
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
        "        traffic = self._calls.traffic_of(self._calls.settled())\n        if",
        "        traffic = self._calls.traffic_of(self._calls.read())\n        if",
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

_EVIDENCE_OF_A_STEP: Final = (
    Bug(
        "the clock of a step starts when it is sent",
        _EVENTS,
        '        changes = {"began_at": at, "seen": self.verification, "evidence": evidence}\n',
        '        changes = {"began_at": promotion.sent_at, "evidence": evidence}\n',
        _MACHINE,
    ),
    Bug(
        "a step without requests passes",
        f"{_CORE}/traffic_rules.py",
        "    if known.requests < least:\n",
        "    if 0 < known.requests < least:\n",
        _RULES,
    ),
    Bug(
        "a step passes before anything was measured",
        f"{_CORE}/traffic_rules.py",
        "        return JudgedStep(StepVerdict.HOLD, why)\n    least",
        "        return JudgedStep(StepVerdict.PASS, why)\n    least",
        _RULES,
    ),
    Bug(
        "metrics that cannot be read any more hold no step",
        f"{_CORE}/traffic_rules.py",
        "        return JudgedStep(StepVerdict.HOLD, known.problem)\n",
        "        return JudgedStep(StepVerdict.PASS, known.problem)\n",
        _RULES,
    ),
    Bug(
        "own probes count as requests",
        f"{_CORE}/traffic_rules.py",
        '        "requests": max(_total(mine_of) - known.own, 0),\n',
        '        "requests": _total(mine_of),\n',
        _EVIDENCE,
    ),
    Bug(
        "own probes that fail count as errors",
        f"{_CORE}/traffic_rules.py",
        " - known.own_errors, 0),\n",
        ", 0),\n",
        _EVIDENCE,
    ),
    Bug(
        "requests of the step before count",
        f"{_EXECUTION}/traffic_steps.py",
        "        query = next_query(rules, evidence, (name, *others), (began, now))\n",
        "        first = _promotion(run).steps[0].began_at or began\n"
        "        query = next_query(rules, evidence, (name, *others), (first, now))\n",
        _STEPS,
    ),
    Bug(
        "the minute in which a share was reached counts",
        f"{_CORE}/traffic_rules.py",
        "    since = since if since == began else since + _MINUTE\n",
        "",
        _RULES,
    ),
    Bug(
        "minutes that are not measured completely count",
        f"{_CORE}/traffic_rules.py",
        "    until = (now - LATE).replace(",
        "    until = now.replace(",
        _RULES,
    ),
    Bug(
        "a held step passes",
        f"{_EXECUTION}/traffic_steps.py",
        "    if verdict.verdict is StepVerdict.PASS:\n",
        "    if verdict.verdict is not StepVerdict.WORSE:\n",
        _STEPS,
    ),
    Bug(
        "a step that was held for too long passes",
        f"{_EXECUTION}/traffic_steps.py",
        "            return _given_up(step, verdict, show_duration(give_up))\n",
        "            return Baked(verdict.why, _steady(promotion, check), evidence)\n",
        _STEPS,
    ),
    Bug(
        "an approval counts for all steps that follow",
        _EVENTS,
        '        steps = _with_step(_promotion(run), approved_by=self.by or "an operator")\n',
        '        given = {"approved_by": self.by or "an operator"}\n'
        "        steps = tuple(one.evolve(**given) for one in _promotion(run).steps)\n",
        _MACHINE,
    ),
    Bug(
        "one good probe makes a model live",
        f"{_CORE}/verification.py",
        "    if last is None or last.seen is not ProbeOutcome.GOOD or last.answered_by not in",
        "    if last is not None and last.answered_by not in",
        _NAMED,
    ),
    Bug(
        "one good probe by name is enough for all requests",
        f"{_EXECUTION}/verification.py",
        "is not None and promotion.step.share < ALL\n        serves",
        "is not None and promotion.step.share <= ALL\n        serves",
        _MAPPED,
    ),
    Bug(
        "answers of another deployment count",
        f"{_CORE}/verification.py",
        "    if probe.answered_by and probe.answered_by not in case.serves:\n",
        "    if not case.serves:\n",
        _NAMED,
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
        _MAPPED,
    ),
    Bug(
        "what others have changed is overwritten by the next run",
        f"{_EXECUTION}/endpoint_lease.py",
        "    if now.routes_as(serving) or now in run.accepts:\n",
        "    if serving or now in run.accepts:\n",
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
        _EVENTS,
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
        "            base=None if preparing else promotion_of(run).base,\n",
        "            base=None,\n",
        _MAPPED,
    ),
    Bug(
        "a lease notes the model that was recorded last as what a rollback restores",
        f"{_EXECUTION}/endpoint_lease.py",
        "        first = ahead_of(instead_of, base)\n",
        "        first = ()\n",
        _MAPPED,
    ),
    Bug(
        "drift of the traffic is repaired by itself",
        "shared/maintenance/drift.py",
        "        if asks or not repairable(",
        "        if not repairable(",
        (f"{_TESTS}/test_lasting_steps.py",),
    ),
)

BUGS: Final = (*_CARRIED_OUT, *_EVIDENCE_OF_A_STEP, *_CHANGED_BY_OTHERS)
