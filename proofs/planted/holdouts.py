"""Bugs planted where the app scores a holdout: cursor, who answers, what counts, what is said."""

from typing import Final

from proofs.planted.bug import Bug

_STEPS: Final = "shared/execution/holdout.py"
_TESTS: Final = ("tests/unit/execution/test_scored_by_app.py",)
_OPPONENTS: Final = ("tests/unit/execution/test_scored_opponents.py",)
_READ: Final = ("tests/unit/core/decisions/test_holdout.py",)

BUGS: Final = (
    Bug(
        "each step scores a holdout from its first row",
        _STEPS,
        "self.holdout.batches(self.progress.rows, self.progress.batch)",
        "self.holdout.batches(0, self.progress.batch)",
        _TESTS,
    ),
    Bug(
        "the live model of a comparison is whichever gets the request",
        _STEPS,
        "                return self._scores(batch, self.names.live)\n",
        '                return self._scores(batch, "")\n',
        _TESTS,
    ),
    Bug(
        "the scores of another deployment count",
        _STEPS,
        '        if name and found.answered_by not in ("", name):\n',
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
        "the anchor is compared by what it scored of another holdout",
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
