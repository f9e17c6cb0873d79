"""Bugs planted in the comparison of a step's errors: its counts, and its sequential test."""

from typing import Final

from proofs.planted.bug import Bug

_TEST: Final = "shared/core/decisions/sequential.py"
_COMPARISON: Final = "shared/core/serving/error_comparison.py"
_RULES: Final = "shared/core/serving/traffic_rules.py"
_EXACT: Final = ("tests/unit/core/decisions/test_sequential.py",)
_COMPARED: Final = ("tests/unit/core/serving/test_error_comparison.py",)
_JUDGED: Final = ("tests/unit/core/serving/test_compared_errors.py",)
_FILE: Final = ("tests/unit/core/config/test_compared_errors.py",)
_STEPS: Final = ("tests/unit/execution/test_compared_steps.py",)

BUGS: Final = (
    Bug(
        "errors are compared by their number, and not by the share of the requests",
        _TEST,
        "    return ratio * requests / (ratio * requests + other_requests)\n",
        "    return ratio * 0.1 / (ratio * 0.1 + 0.9) + 0 * (requests + other_requests)\n",
        _EXACT,
    ),
    Bug(
        "a later first block is given evidence that it has not",
        _TEST,
        "        begun = (1 - _AT_ONCE) / (blocks * (blocks + 1)) / len(_PARTS)\n",
        "        begun = (1 - _AT_ONCE) / len(_PARTS)\n",
        _EXACT,
    ),
    Bug(
        "a few requests are a block, so that a run of errors counts several times",
        _COMPARISON,
        "        if block.fewest < LEAST or ",
        "        if ",
        _COMPARED,
    ),
    Bug(
        "with many requests each minute is a block, so that an outage counts several times",
        _COMPARISON,
        " or length + 1 < SHORTEST or ",
        " or ",
        _COMPARED,
    ),
    Bug(
        "a block ends in the midst of an outage, so that it counts several times",
        _COMPARISON,
        " or 0 < known.unusual <= OUTAGE:\n",
        ":\n",
        _COMPARED,
    ),
    Bug(
        "errors that are unusual for hours never count",
        _COMPARISON,
        "0 < known.unusual <= OUTAGE:\n",
        "0 < known.unusual:\n",
        _COMPARED,
    ),
    Bug(
        "only errors of the candidate decide when a block ends",
        _TEST,
        "    return minute.all_errors * total.all_requests > _UNUSUAL * usual\n",
        "    return minute.errors * total.all_requests > _UNUSUAL * usual\n",
        _EXACT,
    ),
    Bug(
        "a step passes in the midst of an outage of the candidate",
        _COMPARISON,
        " >= _LEANS or self._fails_now\n",
        " >= _LEANS\n",
        _COMPARED,
    ),
    Bug(
        "the time that is needed leaves out that a block goes on while errors are unusual",
        _TEST,
        "    return shortest + (1 - usual) / usual\n",
        "    return shortest\n",
        _FILE,
    ),
    Bug(
        "each step errs as often as the whole promotion may",
        _COMPARISON,
        "    return max(steps, 1) / MOST_FALSE\n",
        "    return 1 / MOST_FALSE + 0 * steps\n",
        _COMPARED,
    ),
    Bug(
        "each look counts the minutes of the one before again",
        _COMPARISON,
        "            if at >= until or (self.until is not None and at < self.until):\n",
        "            if at >= until:\n",
        _COMPARED,
    ),
    Bug(
        "own probes are compared as requests",
        _COMPARISON,
        "            minute = minutes[at].without(sent.sent, sent.failed)\n",
        "            minute = minutes[at].without(0 * sent.sent, sent.failed)\n",
        _COMPARED,
    ),
    Bug(
        "a minute in which nothing else got requests counts",
        _COMPARISON,
        "            if minute.fewest:\n",
        "            if minute.requests:\n",
        _COMPARED,
    ),
    Bug(
        "a step passes by requests of minutes in which no other deployment had any",
        _RULES,
        "        if open_yet := comparison.open_yet(least):\n",
        "        if open_yet := comparison.open_yet(0):\n",
        _JUDGED,
    ),
    Bug(
        "a step that looks worse passes",
        _COMPARISON,
        "        if not self.leans:\n",
        "        if not self.is_worse:\n",
        _JUDGED,
    ),
    Bug(
        "a change of the rule keeps what the rule before had compared",
        _RULES,
        "        if known is not None and (known.increase, known.steps) == (increase, steps):\n",
        "        if known is not None and known.increase:\n",
        _JUDGED,
    ),
    Bug(
        "the increase that is allowed is not counted",
        _COMPARISON,
        "    return 1 + increase / 100\n",
        "    return 1 + 0 * increase\n",
        _COMPARED,
    ),
    Bug(
        "an earlier release reads a record with a comparison, and decides without it",
        "shared/core/run/promotion.py",
        "        return 2 if compared else 1\n",
        "        return 1\n",
        _STEPS,
    ),
    Bug(
        "the time that is needed leaves out that measures are late",
        "shared/core/config/azureml_endpoint_parts.py",
        "            share: timedelta(minutes=minutes) + LATE\n",
        "            share: timedelta(minutes=minutes)\n",
        _FILE,
    ),
)
