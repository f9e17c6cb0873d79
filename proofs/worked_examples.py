"""Makes the tables, worked examples and forest plots of docs/deciding.md: `make schema`.

Scores are drawn, so that the true difference of the models is known. The code of the product makes
the verdicts.
"""

import argparse
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Final

import numpy as np

from proofs.drawn_models import CLASSES, Numbers, range_of_ids
from shared.core.config.gate_rule import Rule
from shared.core.decisions.metrics import Kind, Metric
from shared.core.decisions.power import Evaluated, noise, unsure_share, usual_deviation
from shared.core.decisions.rows import PairedRows
from shared.core.evaluation.compared_rules import Against, Terms, compared_rules
from shared.core.evaluation.forest_plot import forest_plot
from shared.core.evaluation.gate import Verdict
from shared.core.evaluation.judging import judge
from shared.core.evaluation.on_rows import OnRows
from shared.core.evaluation.report import Row

PAGE: Final = Path(__file__).parents[1] / "docs" / "deciding.md"
DRAWINGS: Final = PAGE.parent / "verdicts"
_LEVEL: Final = 0.9
_POSITIVES: Final = 0.4
_AUC: Final = 0.85
_SIZES: Final = (200, 569, 2_000, 10_000, 50_000)
_MARGINS: Final = (0.005, 0.01, 0.02, 0.05)
_PART: Final = re.compile(r"(<!-- made: ([\w-]+) -->\n).*?(<!-- end -->\n)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Example:
    """A verdict on rows whose truth is known, and what recorded numbers would have said."""

    verdict: Verdict
    run_id: str
    recorded: str  #: the sentence of a rule with recorded numbers


@dataclass(frozen=True, slots=True)
class _Rows:
    """Labelled rows, and what all models have in common on them."""

    labels: Numbers
    common: Numbers
    chance: np.random.Generator

    def scored(self, apart: float, alike: float) -> Numbers:
        """Return the scores of a model.

        Args:
            apart: how far the classes lie apart.
            alike: the correlation with the part that all models have in common.
        """
        own = math.sqrt(1 - alike**2) * self.chance.standard_normal(len(self.labels))
        return np.asarray(alike * self.common + own + apart * self.labels)


def few_rows(seed: int = 8) -> Example:
    """Return an example of 569 rows and two models that are truly equal."""
    chance = np.random.default_rng(seed)
    rows, other_rows = (_classes(569, chance) for _ in range(2))
    apart = _apart(_AUC)
    live, candidate = (rows.scored(apart, math.sqrt(0.9)) for _ in range(2))
    rule = Rule(metric="AUC", max_drop=0.01)
    run_id = "churn-42"
    verdict = _judged(rule, {"churn-41": live}, candidate, rows, run_id)
    before = _area(other_rows.scored(apart, 0.9), other_rows.labels)
    return Example(verdict, run_id, _by_recorded(rule, _area(candidate, rows.labels), before, 569))


def many_rows(seed: int = 5) -> Example:
    """Return an example of 8,000 rows, two equal models, and an anchor that is a little worse."""
    chance = np.random.default_rng(seed)
    rows, other_rows = (_classes(8_000, chance) for _ in range(2))
    live, candidate = (rows.scored(_apart(_AUC), math.sqrt(0.95)) for _ in range(2))
    anchor = rows.scored(_apart(_AUC - 0.004), math.sqrt(0.95))
    rule = Rule(metric="AUC", max_drop=0.01)
    others = {"churn-57": live, "churn-3": anchor}
    run_id = "churn-58"
    verdict = _judged(rule, others, candidate, rows, run_id)
    before = _area(other_rows.scored(_apart(_AUC), 0.9), other_rows.labels)
    value = _area(candidate, rows.labels)
    return Example(verdict, run_id, _by_recorded(rule, value, before, 8_000))


def one_region(seed: int = 1) -> Example:
    """Return an example of forecasts that are as good as before, but for one region."""
    chance = np.random.default_rng(seed)
    sizes = {"north": 1_400, "east": 900, "west": 560, "south": 110, "islands": 30}
    region = [name for name, size in sizes.items() for _ in range(size)]
    number = len(region)
    labels = 30 + 8 * chance.standard_normal(number)
    common = chance.standard_normal(number)
    wrong = {name: 1.35 if name == "south" else 1.0 for name in sizes}
    scale = np.array([wrong[name] for name in region])
    errors = [0.9 * common + math.sqrt(0.19) * chance.standard_normal(number) for _ in range(2)]
    live, candidate = labels + 4 * errors[0], labels + 4 * scale * errors[1]
    rows = _Rows(labels, common, chance)
    rule = Rule(metric="MAE", max_drop=0.2)
    run_id, slices = "delivery-9", {"region": region}
    verdict = _judged(rule, {"delivery-8": live}, candidate, rows, run_id, slices=slices)
    mean = float(np.abs(candidate - labels).mean())
    before = float(np.abs(4 * chance.standard_normal(number)).mean())
    return Example(verdict, run_id, _by_recorded(rule, mean, before, number))


EXAMPLES: Final[Mapping[str, Callable[[], Example]]] = {
    "few-rows": few_rows,
    "many-rows": many_rows,
    "one-region": one_region,
}


def page(text: str) -> str:
    """Return the page with everything that is made here."""
    made = {"noise": _table_of_noise, "unsure": _table_of_unsure}

    def part(found: re.Match[str]) -> str:
        name = found[2]
        lines = made[name]() if name in made else _lines_of(name, EXAMPLES[name]())
        return found[1] + "".join(f"{line}\n" for line in lines) + found[3]

    return _PART.sub(part, text)


def drawings() -> dict[str, str]:
    """Return the forest plot of each example, by the name of its file."""
    made = {name: example() for name, example in EXAMPLES.items()}
    return {f"{name}.svg": forest_plot(one.verdict, one.run_id) for name, one in made.items()}


def _lines_of(name: str, example: Example) -> Iterator[str]:
    verdict = example.verdict
    yield f"![the verdict as a forest plot: {verdict.outcome}](verdicts/{name}.svg)"
    yield ""
    yield "| compared | what the verdict says |"
    yield "| --- | --- |"
    yield f"| recorded numbers | {example.recorded} |"
    said = verdict.reason.removeprefix(f"{verdict.outcome}: ")
    yield f"| the same rows | **{verdict.outcome}**: {said} |"


def _table_of_noise() -> Iterator[str]:
    metric = Metric(Kind.AUC)
    one_row = usual_deviation(metric, _AUC, _POSITIVES) or 0.0
    quantile = NormalDist().inv_cdf((1 + _LEVEL) / 2)
    yield "| rows | different rows: below this is noise | the same rows: the interval |"
    yield "| --- | --- | --- |"
    for rows in _SIZES:
        one = Evaluated(_AUC, rows, round(rows * _POSITIVES))
        apart = noise(metric, one, one, _LEVEL) or 0.0
        width = quantile * one_row / math.sqrt(rows)
        yield f"| {rows:,} | {apart:.2g} | ±{width:.2g} |"


def _table_of_unsure() -> Iterator[str]:
    one_row = usual_deviation(Metric(Kind.AUC), _AUC, _POSITIVES) or 0.0
    yield "| rows | " + " | ".join(f"`max_drop: {margin:g}`" for margin in _MARGINS) + " |"
    yield "| --- " * (len(_MARGINS) + 1) + "|"
    for rows in _SIZES:
        shares = (
            unsure_share(rows, margin=margin, deviation=one_row, level=_LEVEL)
            for margin in _MARGINS
        )
        yield f"| {rows:,} | " + " | ".join(f"{share:.0%}" for share in shares) + " |"


def _classes(number: int, chance: np.random.Generator) -> _Rows:
    labels = (chance.random(number) < _POSITIVES).astype(float)
    return _Rows(labels, chance.standard_normal(number), chance)


def _apart(auc: float) -> float:
    return math.sqrt(2) * NormalDist().inv_cdf(auc)


def _area(scores: Numbers, labels: Numbers) -> float:
    positive, negative = scores[labels == 1], np.sort(scores[labels == 0])
    return float(np.searchsorted(negative, positive).mean() / len(negative))


def _judged(
    rule: Rule,
    others: Mapping[str, Numbers],
    candidate: Numbers,
    rows: _Rows,
    run_id: str,
    *,
    slices: Mapping[str, list[str]] | None = None,
) -> Verdict:
    """Return the verdict; the first of the others is live, and the second the anchor."""
    opponents = [
        Against(
            "anchor" if at else "live",
            other,
            f"{other}.pkl",
            PairedRows(
                ids=range_of_ids(len(rows.labels)),
                labels=rows.labels.tolist(),
                candidate=candidate.tolist(),
                other=scores.tolist(),
                classes=CLASSES if rule.metric == "AUC" else (),
                slices=slices or {},
            ),
        )
        for at, (other, scores) in enumerate(others.items())
    ]
    found = compared_rules({0: rule}, Terms(level=_LEVEL), opponents, seed=run_id)
    live, *anchor = others
    known = OnRows(found, "ask", (live,), *anchor)
    return judge([rule], Row({}, {}), [], first_allowed=False, on_rows=known)


def _by_recorded(rule: Rule, value: float, before: float, rows: int) -> str:
    counts = {"rows": float(rows), "positives": float(round(rows * _POSITIVES))}
    recorded = {rule.metric: round(value, 4), **counts}
    live = {rule.metric: round(before, 4)}
    verdict = judge([rule], Row({}, recorded), [live], first_allowed=False)
    return f"**{verdict.outcome}**: {verdict.results[0].why}"


if __name__ == "__main__":
    argparse.ArgumentParser(
        prog="python -m proofs.worked_examples", description=__doc__
    ).parse_args()
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    DRAWINGS.mkdir(exist_ok=True)
    for name, drawing in drawings().items():
        (DRAWINGS / name).write_text(drawing, encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE.name} and its {len(EXAMPLES)} drawings\n")
