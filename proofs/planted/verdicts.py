"""Bugs planted in verdicts by comparisons on the same rows, and in their consequences."""

from typing import Final

from proofs.planted.bug import Bug

_ON_ROWS: Final = "shared/core/evaluation/on_rows.py"
_JUDGING: Final = "shared/core/evaluation/judging.py"
_EVENTS: Final = "shared/core/run/gate_events.py"
_REPEATED: Final = "shared/core/run/repeated_gate.py"
_UNSURE: Final = "shared/execution/unsure_models.py"
_VERDICTS: Final = (
    "tests/unit/core/evaluation/test_on_rows.py",
    "tests/unit/core/evaluation/test_words_on_rows.py",
    "tests/unit/core/evaluation/test_other_opponents.py",
)
_RUNS: Final = ("tests/unit/core/run/test_unsure_runs.py",)
_STEPS: Final = ("tests/unit/execution/test_unsure_models.py",)
_LEASE: Final = ("tests/unit/execution/test_endpoint_lease.py",)

BUGS: Final = (
    Bug(
        "unsure is counted as fit",
        _ON_ROWS,
        "    passed, unsure = outcome is RuleOutcome.FIT, outcome is RuleOutcome.UNSURE\n",
        "    passed, unsure = outcome is not RuleOutcome.WORSE, False\n",
        _VERDICTS,
    ),
    Bug(
        "what was not measured is promoted where unsure models are",
        _JUDGING,
        '("ask", "wait") or not verdict.measured\n',
        '("ask", "wait")\n',
        _VERDICTS,
    ),
    Bug(
        "an interval of the difference from a model that serves no more measures something",
        "shared/core/evaluation/gate.py",
        "        return not self.uncompared and all(one.measured for one in unsure)\n",
        "        return all(one.measured for one in unsure)\n",
        _VERDICTS,
    ),
    Bug(
        "a model that was compared as the live one is not known as the anchor",
        _ON_ROWS,
        "        known = {one.run_id for one in comparisons}\n",
        '        known = {one.run_id for one in comparisons if one.against == "live"}\n',
        _VERDICTS,
    ),
    Bug(
        "a model of which nothing was measured waits for the next run",
        _EVENTS,
        "        measured = self.verdict is not None and self.verdict.measured\n",
        "        measured = self.verdict is not None\n",
        _RUNS,
    ),
    Bug(
        "an operator is asked about a model that a newer one replaced",
        "shared/core/run/machine.py",
        "            return Command.SEE_NEXT if run.asks_at or unsure else Command.NOTHING\n",
        "            return Command.SEE_NEXT if run.asks_at else Command.NOTHING\n",
        _RUNS,
    ),
    Bug(
        "a file that an observed rule cannot read decides",
        "shared/execution/gate.py",
        "    return bool(rules) and all(rule.observe for rule in rules)\n",
        "    return not rules\n",
        ("tests/unit/execution/test_observed_rules.py",),
    ),
    Bug(
        "a file that a rule which decides cannot read is passed over",
        "shared/execution/gate.py",
        "    return bool(rules) and all(rule.observe for rule in rules)\n",
        "    return any(rule.observe for rule in rules)\n",
        ("tests/unit/execution/test_observed_rules.py",),
    ),
    Bug(
        "the columns of two models are told apart as they are written",
        "shared/core/config/compare.py",
        "            name = folded(column)  # as the names in a file are compared\n",
        "            name = column\n",
        ("tests/unit/core/config/test_compare.py",),
    ),
    Bug(
        "one column is read as the scores of both models",
        "shared/core/decisions/predictions.py",
        "            if same is not None:\n",
        "            if False:\n",
        ("tests/unit/core/decisions/test_predictions.py",),
    ),
    Bug(
        "the first row of a file without names is shown",
        "shared/core/decisions/predictions.py",
        "    if not any(known.values()):\n",
        "    if not known:\n",
        ("tests/unit/core/decisions/test_predictions.py",),
    ),
    Bug(
        "an anchor that was pinned is said to serve",
        _REPEATED,
        "    is_live = any(one.run_id in new for one in served)\n",
        "    is_live = bool(new)\n",
        ("tests/unit/execution/test_comparisons.py",),
    ),
    Bug(
        "a comparison without an interval may be fit",
        _ON_ROWS,
        "    own = RuleOutcome.UNSURE if without else comparison.outcome\n",
        "    own = comparison.outcome\n",
        _VERDICTS,
    ),
    Bug(
        "the anchor is not compared",
        _ON_ROWS,
        '            if one.run_id in (self.live if one.against == "live" else (self.anchor,))\n',
        '            if one.against == "live" and one.run_id in self.live\n',
        _VERDICTS,
    ),
    Bug(
        "a comparison with a model that serves no more counts",
        _ON_ROWS,
        '            if one.run_id in (self.live if one.against == "live" else (self.anchor,))\n',
        '            if one.against == "live" or one.run_id == self.anchor\n',
        _VERDICTS,
    ),
    Bug(
        "a slice that is worse does not count",
        _ON_ROWS,
        "    return worst([own, *(one for one in slices if one is RuleOutcome.WORSE)])\n",
        "    return worst([own, *(one for one in slices if one is own)])\n",
        _VERDICTS,
    ),
    Bug(
        "a slice that is unsure makes the verdict unsure",
        _ON_ROWS,
        "    return worst([own, *(one for one in slices if one is RuleOutcome.WORSE)])\n",
        "    return worst([own, *slices])\n",
        _VERDICTS,
    ),
    Bug(
        "a rule that is observed decides",
        _JUDGING,
        "    deciding = [result for result in results if not result.observe]\n    outcome = ",
        "    deciding = list(results)\n    outcome = ",
        _VERDICTS,
    ),
    Bug(
        "the best rule decides where one is unsure",
        "shared/core/evaluation/gate.py",
        "    return max(outcomes, key=OUTCOMES.index, default=RuleOutcome.FIT)\n",
        "    return min(outcomes, key=OUTCOMES.index, default=RuleOutcome.FIT)\n",
        _VERDICTS,
    ),
    Bug(
        "an unsure model is promoted, and no operator asked",
        _EVENTS,
        "        if (unsure or needs_approval(run)) and run.approval is None:\n",
        "        if needs_approval(run) and run.approval is None:\n",
        _RUNS,
    ),
    Bug(
        "an operator has no time left after the wait for the next run",
        _EVENTS,
        '    changes = {"awaiting_since": at, "asks_at": None}\n',
        '    changes = {"awaiting_since": run.awaiting_since or at, "asks_at": None}\n',
        _RUNS,
    ),
    Bug(
        "an approval outlives the model that it was given against",
        _EVENTS,
        "        return _asked(run.evolve(verdict=self.verdict, approval=None), why, at, why)\n",
        "        return _asked(run.evolve(verdict=self.verdict), why, at, why)\n",
        _RUNS,
    ),
    Bug(
        "a comparison counts, also when another model serves meanwhile",
        _REPEATED,
        "    return set(again.uncompared) - set(verdict.uncompared)\n",
        "    return set()\n",
        _LEASE,
    ),
    Bug(
        "an operator is asked about the same live model for ever",
        _REPEATED,
        "    return set(again.uncompared) - set(verdict.uncompared)\n",
        "    return set(again.uncompared)\n",
        _LEASE,
    ),
    Bug(
        "an unsure model waits for ever",
        _UNSURE,
        "        if run.asks_at is None or self.context.clock.now() < run.asks_at:\n",
        "        if run.asks_at is not None:\n",
        _STEPS,
    ),
    Bug(
        "a newer model that is unsure waits at the same time as an older one",
        _UNSURE,
        "        return replace(judged, asks_now=bool(older))\n",
        "        return judged\n",
        _STEPS,
    ),
    Bug(
        "runs of other keys end the wait",
        _UNSURE,
        "    alike = other.pipeline == run.pipeline and other.key == run.key\n",
        "    alike = other.pipeline == run.pipeline\n",
        _STEPS,
    ),
    Bug(
        "an older run ends the wait of a newer one",
        _UNSURE,
        "    older = (other.data_time, other.opened_at) < (run.data_time, run.opened_at)\n",
        "    older = True\n",
        _STEPS,
    ),
    Bug(
        "the recorded number is compared, although the same rows are",
        _JUDGING,
        "    comparisons = on_rows.found.get(at)\n",
        "    comparisons = None if any(live) else on_rows.found.get(at)\n",
        ("tests/unit/core/evaluation/test_noise.py",),
    ),
    Bug(
        "the recorded number is compared as the promotion begins",
        _JUDGING,
        "    again = replace(on_rows, found=known)\n",
        "    again = replace(on_rows, found={})\n",
        (*_VERDICTS, *_LEASE),
    ),
    Bug(
        "rules compare recorded numbers unless they ask for rows",
        "shared/core/config/gate.py",
        'self.compare is not None and rule.against != "recorded"\n',
        'self.compare is not None and rule.against == "rows"\n',
        ("tests/unit/core/config/test_compare.py",),
    ),
    Bug(
        "a slice with too few rows is counted with those that were checked",
        _ON_ROWS,
        "    checked = [one for one in slices if one.interval is not None]\n",
        "    checked = list(slices)\n",
        _VERDICTS,
    ),
    Bug(
        "the values of a verdict differ by something else than it says",
        _ON_ROWS,
        "        if abs(apart) == found:\n",
        "        if apart is not None:\n",
        _VERDICTS,
    ),
)
