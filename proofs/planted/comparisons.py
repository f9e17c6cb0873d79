"""Bugs planted where models are compared on the same rows: matching, other models, the anchor."""

from typing import Final

from proofs.planted.bug import Bug

_PAIRING: Final = ("tests/unit/core/decisions/test_pairing.py",)
_EXECUTION: Final = ("tests/unit/execution/test_comparisons.py",)

BUGS: Final = (
    Bug(
        "rows of two files are matched by their position",
        "shared/core/decisions/pairing.py",
        "    return [mine[name] for name in same], [theirs[name] for name in same], _note(whys)\n",
        "    return [mine[name] for name in same], list(range(len(same))), _note(whys)\n",
        _PAIRING,
    ),
    Bug(
        "the rows of the other model are in another order",
        "shared/core/decisions/pairing.py",
        "    return [mine[name] for name in same], [theirs[name] for name in same], _note(whys)\n",
        "    return [mine[name] for name in same], [theirs[name] for name in sorted(same)], ''\n",
        _PAIRING,
    ),
    Bug(
        "rows without a match are left out, however many",
        "shared/core/decisions/pairing.py",
        "    if any((len(one.ids) - kept) * _ONE_IN > len(one.ids) for one in files):\n",
        "    if not kept:\n",
        _PAIRING,
    ),
    Bug(
        "an id that repeats stands for its last row",
        "shared/core/decisions/pairing.py",
        "for at, name in enumerate(ids) if name and times[name] == 1}\n",
        "for at, name in enumerate(ids) if name}\n",
        _PAIRING,
    ),
    Bug(
        "rows without a score are read as NaN",
        "shared/core/decisions/pairing.py",
        "        if faulty:\n            many = ",
        "        if len(faulty) > 1:\n            many = ",
        _PAIRING,
    ),
    Bug(
        "the anchor is one of the kept models",
        "shared/core/run/promoted_models.py",
        '        "anchor": known.anchor or _first_anchor(run, serving),\n',
        '        "anchor": known.anchor\n'
        "        if known.anchor and known.anchor.served.run_id in {x.run_id for x in previous}\n"
        "        else _first_anchor(run, serving),\n",
        ("tests/unit/core/serving/test_anchor.py", *_EXECUTION),
    ),
    Bug(
        "the run of the anchor is deleted",
        "shared/maintenance/retention_rules.py",
        "        for served in resource.pinnable:\n",
        "        for served in resource.kept:\n",
        ("tests/unit/operations/test_anchors.py",),
    ),
    Bug(
        "the model that serves now counts as the one that the job scored",
        "shared/execution/comparisons.py",
        "        found = [_Other(one.against, one.run_id, one.model.name, one.run_id) "
        "for one in wanted]\n",
        "        found = [_other_of('live', one) for one in served if wanted]\n",
        _EXECUTION,
    ),
    Bug(
        "a model is not compared with the anchor",
        "shared/core/run/repeated_gate.py",
        "    return pinned[0] if len(pinned) == 1 else None\n",
        "    return None if pinned else None\n",
        _EXECUTION,
    ),
    Bug(
        "predictions on another holdout are compared",
        "shared/execution/fixed_holdouts.py",
        "    if compare is None or theirs.holdout != compare.holdout:\n",
        "    if compare is None:\n",
        ("tests/unit/execution/test_comparisons_by_holdout.py",),
    ),
    Bug(
        "a holdout that was replaced between two jobs is taken for the same",
        "shared/execution/inputs.py",
        '            return self.context.look_up_at(compare.holdout or "")\n',
        "            return None\n",
        ("tests/unit/execution/test_comparisons_by_holdout.py",),
    ),
    Bug(
        "a job that scores the live model need not be given it",
        "shared/core/config/endpoint_checks.py",
        "        if against in wanted and against not in given:\n",
        "        if against in wanted and not wanted:\n",
        ("tests/unit/core/config/test_compare.py",),
    ),
    Bug(
        "the candidate is compared with itself",
        "shared/execution/comparisons.py",
        "            found = paired(mine, None, replace(meaning, other=column))\n",
        "            found = paired(mine, None, replace(meaning, other=meaning.candidate))\n",
        _EXECUTION,
    ),
    Bug(
        "a fixed bound does not say why the predictions have no number",
        "shared/core/evaluation/compared_rules.py",
        "            unusable[rule.metric] = f",
        "            unusable[''] = f",
        _EXECUTION,
    ),
    Bug(
        "each endpoint is compared with the model of the first one",
        "shared/execution/comparisons.py",
        "            if one.trained_by not in rows:\n",
        "            rows.setdefault(one.trained_by, next(iter(rows.values()), ''))\n"
        "            if not rows[one.trained_by]:\n",
        ("tests/unit/execution/test_comparisons_of_rollouts.py", *_EXECUTION),
    ),
)
