"""Bugs planted in the commands of operators, and in the texts of verdicts."""

from typing import Final

from proofs.planted.bug import Bug

_REPLAYS: Final = "shared/execution/replays.py"
_DRAWING: Final = "shared/core/evaluation/forest_plot.py"
_DRAWN: Final = ("tests/unit/core/evaluation/test_forest_plot.py",)

BUGS: Final = (
    Bug(
        "a verdict is drawn with the secrets in it, which XML then hides from redaction",
        "functions/runs.py",
        "    return svg(forest_plot(redacted(run.verdict), run.run_id))\n",
        "    return svg(forest_plot(run.verdict, run.run_id))\n",
        ("tests/functions/test_verdict_drawing.py",),
    ),
    Bug(
        "better is left in a forest plot",
        _DRAWING,
        "        return _LEFT + (value - self.low) /",
        "        return _LEFT + (self.high - value) /",
        _DRAWN,
    ),
    Bug(
        "an interval is drawn as its slices say",
        _DRAWING,
        "    own = outcome_of(one.interval, bound) if one.interval and not gone else",
        "    own = one.outcome if one.interval and not gone else",
        _DRAWN,
    ),
    Bug(
        "a preview takes the comparisons of other pipelines",
        "shared/operations/preview.py",
        "        wanted = RunFilter(pipeline.name, key or None)\n",
        "        wanted = RunFilter(None, key or None)\n",
        ("tests/unit/operations/test_gate_previews.py",),
    ),
    Bug(
        "a preview says for every margin that all models are unsure",
        "shared/core/evaluation/forecast.py",
        "        share = unsure_share(found.rows, margin=rule.bound,",
        "        share = unsure_share(found.rows, margin=0.0,",
        ("tests/unit/core/evaluation/test_forecast.py",),
    ),
    Bug(
        "a resume ends a pause that nobody read",
        "shared/operations/pipelines.py",
        "            ledger.pauses.put(name, pauses, found.etag)\n",
        "            ledger.pauses.put(name, pauses, ledger.pauses.read(name).etag)\n",
        ("tests/functions/test_pauses.py",),
    ),
    Bug(
        "a delivery that was retried by itself is reported as it was parked",
        "shared/operations/runs.py",
        "            return delivered(delivery, run)\n",
        "            return delivery\n",
        (
            "tests/unit/execution/test_retry_by_changed_gate.py",
            "tests/unit/core/run/test_retry_by_gate.py",
            "tests/unit/execution/test_retry_of_rollouts.py",
        ),
    ),
    Bug(
        "an order is not marked before it is noted",
        "shared/operations/runs.py",
        "        self.context.ledger.open_markers.mark(run_id, CommandStored())\n        try:\n",
        "        try:\n",
        ("tests/unit/operations/test_commands_after_crashes.py",),
    ),
    Bug(
        "an order is not marked again once it is noted",
        "shared/operations/runs.py",
        "            self.context.ledger.open_markers.mark(run_id, CommandStored())\n"
        "            run = self",
        "            run = self",
        ("tests/unit/operations/test_commands_after_crashes.py",),
    ),
    Bug(
        "a rollback is not marked again as it is carried out",
        "shared/intake/rollbacks.py",
        "            self.context.ledger.open_markers.mark(hold.run_id, known.hints)\n",
        "            pass\n",
        ("tests/unit/operations/test_rollback.py",),
    ),
    Bug(
        "doctor shows what a service repeats",
        "shared/operations/doctor.py",
        "    return CheckedLine(part, shown_name(name, redacted), finding.within(redacted))\n",
        "    return CheckedLine(part, name, finding)\n",
        ("tests/unit/operations/test_doctor.py",),
    ),
    Bug(
        "a host that hangs takes all of the time of doctor",
        "shared/operations/doctor_runner.py",
        "        if _silent(trial, trials):\n            return False\n",
        "",
        ("tests/unit/operations/test_doctor_runner.py",),
    ),
    Bug(
        "doctor finds an endpoint well that serves another model",
        "shared/operations/doctor_endpoints.py",
        '        return wrong(f"it has drifted: {drift}", _DRIFT)\n',
        "        pass\n",
        ("tests/unit/operations/test_doctor.py",),
    ),
    Bug(
        "a manual run is opened for a window that has not come",
        "shared/intake/requested_windows.py",
        "    if window is None or window.due <= now:\n",
        "    if window is None or now:\n",
        ("tests/functions/test_windows.py",),
    ),
    Bug(
        "a preview shows the texts of the file, and not those of its window",
        "shared/operations/preview.py",
        "        return self._preview(filled, data, window,",
        "        return self._preview(pipeline, data, window,",
        ("tests/functions/test_windows.py",),
    ),
    Bug(
        "windows that passed in a pause of the schedule are not counted",
        "shared/operations/pipelines.py",
        "dues_between(schedule, done, now - delay_of(schedule), MOST_PASSED)",
        "dues_between(schedule, now, now - delay_of(schedule), MOST_PASSED)",
        ("tests/functions/test_windows.py",),
    ),
    Bug(
        "a backtest compares with the model that serves now",
        _REPLAYS,
        "line.at <= at]\n        if not before",
        "line]\n        if not before",
        ("tests/unit/operations/test_backtest_rules.py",),
    ),
    Bug(
        "a backtest believes files that were changed since",
        _REPLAYS,
        "            if again != recorded.recorded:\n",
        "            if again is None:\n",
        ("tests/unit/operations/test_backtest.py",),
    ),
    Bug(
        "a backtest takes predictions that no job wrote for a refusal",
        _REPLAYS,
        "            if not verdict.results and recorded.recorded.results:\n",
        "            if recorded.why:\n",
        ("tests/unit/operations/test_backtest.py",),
    ),
    Bug(
        "a backtest keeps what a comparison said of another bound",
        "shared/core/run/replays.py",
        "    outcome, needed = outcome_of(one.interval, bound), None\n",
        "    outcome, needed = one.outcome, None\n",
        ("tests/unit/operations/test_backtest_rules.py",),
    ),
    Bug(
        "a backtest reads the files of any number of runs for one answer",
        "shared/operations/backtest.py",
        "len(found) == limit or self.context.clock.now() >= until:\n",
        "len(found) == limit:\n",
        ("tests/unit/operations/test_backtest.py",),
    ),
    Bug(
        "a backtest does not know why an observed rule had nothing to read",
        "shared/core/run/replays.py",
        '    return next((one.unread for one in results if one.unread), "")\n',
        '    return ""\n',
        ("tests/unit/core/run/test_replays.py",),
    ),
)
