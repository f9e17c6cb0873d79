"""Bugs planted in the scoring of a holdout: its cursor, its models, its rows and its messages."""

from typing import Final

from proofs.planted.bug import Bug

_STEPS: Final = "shared/execution/holdout.py"
_TESTS: Final = ("tests/unit/execution/test_scored_by_app.py",)
_OPPONENTS: Final = ("tests/unit/execution/test_scored_opponents.py",)
_OTHERS: Final = ("tests/unit/execution/test_scored_for_others.py",)
_LIVE: Final = ("tests/unit/core/run/test_live_model.py",)
_ODD: Final = ("tests/unit/execution/test_scored_oddly.py",)
_READ: Final = ("tests/unit/core/evaluation/test_holdout.py",)

BUGS: Final = (
    Bug(
        "each step scores a holdout from its first row",
        _STEPS,
        "self.holdout.batches(self.progress.rows, most)",
        "self.holdout.batches(0, most)",
        _TESTS,
    ),
    Bug(
        "any deployment that gets the request counts as the live model of a comparison",
        _STEPS,
        "                return self._scores(batch, self.names.live)\n",
        '                return self._scores(batch, "")\n',
        _TESTS,
    ),
    Bug(
        "the record says which model is live, not the endpoint",
        "shared/execution/gate.py",
        "            return self._live_models.before_verdict(run, endpoint, known)\n",
        "            return known.serving\n",
        _OTHERS,
    ),
    Bug(
        "a promotion does not check which model serves meanwhile",
        "shared/execution/endpoint_lease.py",
        "repeated(run, known, self._live.before_promotion(run, known, base))",
        "repeated(run, known, known.serving)",
        _OTHERS,
    ),
    Bug(
        "an update in flight of another run counts as the live model before a verdict",
        "shared/execution/live_models.py",
        "in_flight_lease(stored.record, run.run_id) is not None",
        "in_flight_lease(stored.record, run.run_id) == run.run_id",
        _OTHERS,
    ),
    Bug(
        "a model that has requests already is judged again, and they stay with it",
        "shared/execution/endpoint_lease.py",
        "        if not asks_endpoint(run, endpoint_of(run)) or gets_requests(run, base):\n",
        "        if not asks_endpoint(run, endpoint_of(run)):\n",
        _OTHERS,
    ),
    Bug(
        "a model that lost its requests while it was scored does not count",
        "shared/core/run/live_model.py",
        "    if scored is not None and (other := OfNoRun.named(scored.live)):\n",
        "    if scored is not None and (other := OfNoRun.named('')):\n",
        _OTHERS,
    ),
    Bug(
        "a model that others gave all requests to is promoted without a comparison",
        "shared/execution/live_models.py",
        "        if live is not None or now is None or now.traffic in run.accepts:\n",
        "        if live is not None or now is None or now.traffic:\n",
        _OTHERS,
    ),
    Bug(
        "a job's comparison counts though another deployment serves",
        "shared/execution/live_models.py",
        "    return only and bool(run.config.gate.row_rules) and endpoint.takes_candidates\n",
        "    return only and app_scores(run.config.gate) and endpoint.takes_candidates\n",
        ("tests/unit/execution/test_scored_by_jobs.py",),
    ),
    Bug(
        "a deployment that was given another model counts as the one that was promoted",
        "shared/core/run/live_model.py",
        "        if share == most and _may_be(one.model, models.get(one.candidate)):\n",
        "        if share == most:\n",
        _LIVE,
    ),
    Bug(
        "another model in a deployment of others is the same live model",
        "shared/core/run/live_model.py",
        'run_id=str(OfNoRun(deployment, model.name if model else "")),',
        "run_id=str(OfNoRun(deployment)),",
        _LIVE,
    ),
    Bug(
        "a live model whose deployment was deleted is waited for",
        _STEPS,
        "        if found.is_missing and name == self.names.live:\n",
        "        if found.is_missing and not name:\n",
        _OTHERS,
    ),
    Bug(
        "the scores of another deployment count",
        _STEPS,
        '        if name and found.answered_by not in ("", self.redacted(name)):\n',
        "        if not name and found.answered_by:\n",
        _TESTS,
    ),
    Bug(
        "predictions of a holdout count that somebody changed",
        _STEPS,
        "        return part if _digest(part) == known.predictions else None\n",
        "        return part\n",
        _TESTS,
    ),
    Bug(
        "what another live model scored counts for the present one",
        _STEPS,
        "        return (known.candidate, known.live) == (self.candidate, self.run_id)\n",
        "        return known.candidate == self.candidate\n",
        _OPPONENTS,
    ),
    Bug(
        "the rows of a holdout that was replaced count",
        _STEPS,
        "if known and known.content == content else None",
        "if known else None",
        _TESTS,
    ),
    Bug(
        "a live model that cannot score the rows is left out",
        "shared/execution/comparisons.py",
        "            if scored.cannot:\n                return scored.cannot\n",
        "            if scored.cannot:\n"
        "                return paired(mine, None, replace(meaning, other=meaning.candidate))\n",
        _TESTS,
    ),
    Bug(
        "the anchor is compared by its scores of another holdout",
        "shared/execution/comparisons.py",
        "        if scored.content != mine.content:\n",
        "        if scored.content == '':\n",
        _OPPONENTS,
    ),
    Bug(
        "the first of two probabilities counts",
        "shared/core/decisions/answers.py",
        "            return names[position]\n",
        "            return names[0]\n",
        ("tests/unit/core/decisions/test_answers.py",),
    ),
    Bug(
        "a model of which nothing is measured is refused before the app scores it again",
        "shared/core/run/repeated_gate.py",
        "    if new and again.outcome is not RuleOutcome.WORSE and app_scores(gate):\n",
        "    if new and again.passed and app_scores(gate):\n",
        _OPPONENTS,
    ),
    Bug(
        "a slow worker writes over the predictions of another one",
        _STEPS,
        "        if stored is not None and _known(stored.record) != _known(run):\n",
        "        if stored is None:\n",
        _ODD,
    ),
    Bug(
        "an operator's model is not compared where it has no evaluation",
        "shared/execution/gate.py",
        "        if by_app and isinstance(found, VerdictReached):\n",
        "        if not by_app and isinstance(found, VerdictReached):\n",
        _ODD,
    ),
    Bug(
        "labels of a holdout are sent to the models",
        "shared/core/config/compare.py",
        "        return (self.id, self.label, *((self.cost,)",
        "        return (self.id, *((self.cost,)",
        _READ,
    ),
    Bug(
        "an error of a model is repeated, with the row in it",
        "shared/providers/azureml/scoring.py",
        "                said = f\"the model answered {status or 'an error'}\"\n",
        "                said = self._of_model(answer).detail\n",
        ("tests/unit/providers/azureml/test_endpoint_answers.py", *_TESTS),
    ),
)
