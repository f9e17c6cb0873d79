"""Bugs planted in the evidence of a step: its requests, its begin, and its verdict."""

from typing import Final

from proofs.planted.bug import Bug

_CORE: Final = "shared/core/serving"
_EXECUTION: Final = "shared/execution"
_EVENTS: Final = "shared/core/run/promotion_events.py"
_STEPS: Final = ("tests/unit/execution/test_traffic_steps.py",)
_MAPPED: Final = ("tests/unit/execution/test_mapped_promotions.py",)
_MACHINE: Final = ("tests/unit/core/run/test_lasting_steps.py",)
_RULES: Final = ("tests/unit/core/serving/test_traffic_rules.py",)
_EVIDENCE: Final = ("tests/unit/core/serving/test_traffic_evidence.py",)
_NAMED: Final = ("tests/unit/core/serving/test_named_verification.py",)

BUGS: Final = (
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
        "        return JudgedStep(StepVerdict.HOLD, why)\n    known",
        "        return JudgedStep(StepVerdict.PASS, why)\n    known",
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
        "        first = promotion_of(run).steps[0].began_at or began\n"
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
