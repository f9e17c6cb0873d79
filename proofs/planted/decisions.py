"""Bugs planted in shared/core/decisions: the statistics of comparisons on the same rows."""

from typing import Final

from proofs.planted.bug import Bug

_TESTS: Final = "tests/unit/core/decisions"
_RULES: Final = "tests/unit/core/evaluation/test_compared_rules.py"

BUGS: Final = (
    Bug(
        "an added row differs as little as a usual loss is large",
        "shared/core/decisions/intervals.py",
        "        center, variance = _with_two(better, max(float(np.mean(stakes**2)), seen))\n",
        "        center, variance = _with_two(better, float(np.mean(stakes**2)))\n",
        ("tests/unit/core/decisions/test_intervals.py",),
    ),
    Bug(
        "the rows of the other model are in another order",
        "shared/core/decisions/compared.py",
        " for one in (rows.labels, rows.candidate, rows.other)\n",
        " for one in (rows.labels, rows.candidate, rows.other[::-1])\n",
        (f"{_TESTS}/test_intervals.py",),
    ),
    Bug(
        "a difference of AUC is as unsure as on different rows",
        "shared/core/decisions/intervals.py",
        "    variance = sum(float(one.var(ddof=1)) / len(one) for one in moved)\n",
        "    apart = (above, below, above_too, below_too)\n"
        "    variance = sum(float(one.var(ddof=1)) / len(one) for one in apart)\n",
        (f"{_TESTS}/test_intervals.py",),
    ),
    Bug(
        "unsure counts as fit",
        "shared/core/evaluation/compared_rules.py",
        "    return RuleOutcome.WORSE if interval.high < bound else RuleOutcome.UNSURE\n",
        "    return RuleOutcome.WORSE if interval.high < bound else RuleOutcome.FIT\n",
        (_RULES,),
    ),
    Bug(
        "min_gain is held against the bound of max_drop",
        "shared/core/evaluation/compared_rules.py",
        "    bound = rule.signed_bound\n",
        "    bound = -rule.bound\n",
        (_RULES,),
    ),
    Bug(
        "a worse slice decides nothing",
        "shared/core/evaluation/compared_rules.py",
        "        outcome=RuleOutcome.WORSE if sliced.worse else outcome,\n",
        "        outcome=outcome,\n",
        (_RULES,),
    ),
    Bug(
        "of many slices one is worse by chance",
        "shared/core/decisions/slices.py",
        "        if p_values[place] > error / left:\n",
        "        if p_values[place] > error:\n",
        (f"{_TESTS}/test_slices.py",),
    ),
    Bug(
        "a verdict checks every slice, however many there are",
        "shared/core/decisions/slices.py",
        "                left -= 1\n",
        "                left -= 0\n",
        (f"{_TESTS}/test_slices.py", _RULES),
    ),
    Bug(
        "many rows decide with few of one class",
        "shared/core/decisions/metrics.py",
        "    if smallest >= FEWEST_ROWS:\n",
        "    if number >= FEWEST_ROWS:\n",
        (f"{_TESTS}/test_metrics.py",),
    ),
    Bug(
        "a model that gives one answer for every row is compared",
        "shared/core/decisions/metrics.py",
        "        if max(values) == min(values):\n",
        "        if max(values) < min(values):\n",
        (f"{_TESTS}/test_metrics.py",),
    ),
    Bug(
        "a model with higher losses is better",
        "shared/core/decisions/compared.py",
        "    estimate = intervals.of_mean(loss_too - loss, stakes, level)\n",
        "    estimate = intervals.of_mean(loss - loss_too, stakes, level)\n",
        (f"{_TESTS}/test_intervals.py",),
    ),
    Bug(
        "models that differ in no row are surely equal",
        "shared/core/decisions/intervals.py",
        "    few = different < FEWEST_DIFFERENT\n",
        "    few = False\n",
        (f"{_TESTS}/test_intervals.py",),
    ),
    Bug(
        "models that rank all rows alike are surely equal",
        "shared/core/decisions/intervals.py",
        "    if few := different < FEWEST_DIFFERENT:\n",
        "    if few := 0 < different < FEWEST_DIFFERENT:\n",
        (f"{_TESTS}/test_intervals.py",),
    ),
    Bug(
        "models with the same errors in each row are surely equal",
        "shared/core/decisions/bootstrap.py",
        "    if np.count_nonzero(cells[0] != cells[1]) < FEWEST_DIFFERENT:\n",
        "    if 0 < np.count_nonzero(cells[0] != cells[1]) < FEWEST_DIFFERENT:\n",
        (f"{_TESTS}/test_intervals.py",),
    ),
    Bug(
        "numbers whose squares are too large for a float are computed with",
        "shared/core/decisions/pairing.py",
        " if abs(one) > LARGEST]\n",
        " if abs(one) > math.inf]\n",
        (f"{_TESTS}/test_pairing.py",),
    ),
    Bug(
        "a sum that is too large for a float is recorded as an interval",
        "shared/core/decisions/compared.py",
        "    if not all(abs(one) <= LARGEST for one in (first, second, *estimate.numbers)):\n",
        "    if any(abs(one) < 0 for one in (first, second, *estimate.numbers)):\n",
        (f"{_TESTS}/test_huge_numbers.py",),
    ),
    Bug(
        "every run draws the same",
        "shared/core/decisions/bootstrap.py",
        "default_rng(int.from_bytes(hashlib.sha256(seed.encode()).digest()))\n",
        "default_rng(len(seed))\n",
        (f"{_TESTS}/test_bootstrap.py",),
    ),
)
