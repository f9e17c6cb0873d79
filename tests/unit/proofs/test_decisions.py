"""The measurements of comparisons on the same rows by `make prove`, with fewer trials."""

from dataclasses import replace

import numpy as np
import pytest

from proofs import anchor_falls, decisions
from proofs.decisions import COVERED, FOUND, NEVER_FIT, NEVER_WORSE, PASSES, Shares
from proofs.drawn_models import Setting, drawn, metric_of
from proofs.outcomes import Effort
from shared.core.decisions.compared import value_of
from shared.core.decisions.metrics import Kind

AUC = metric_of(Kind.AUC)
EQUAL = Setting(AUC, 0.85, 0.0, 569, 0.9)
WORSE = replace(EQUAL, worse_by=0.045)


def broken(shares: Shares) -> list[str]:
    return [promise for promise, said in decisions.wrong(shares) if said]


@pytest.mark.parametrize(
    "setting",
    [EQUAL, WORSE, replace(EQUAL, rows=2000, correlation=0.95)],
    ids=["equal", "worse", "many rows"],
)
def test_auc_of_the_same_rows_is_judged_as_promised(setting: Setting) -> None:
    shares = decisions.measured(setting, 200, seed=1)
    assert broken(shares) == []
    assert shares.fit + shares.worse + shares.unsure == 200


@pytest.mark.parametrize(
    ("kind", "value", "trials"),
    [
        (Kind.ACCURACY, 0.85, 150),
        (Kind.LOG_LOSS, 0.4, 150),
        (Kind.BRIER, 0.1, 150),
        (Kind.MAE, 0.3, 150),
        (Kind.QUANTILE_LOSS, 0.2, 150),
        (Kind.COST, 0.1, 150),
        (Kind.F1, 0.8, 100),
        (Kind.RMSE, 0.3, 25),
        (Kind.R2, 0.9, 25),
    ],
)
def test_other_metrics_are_judged_as_promised(kind: Kind, value: float, trials: int) -> None:
    setting = Setting(metric_of(kind), value, 0.045, 300, 0.9)
    assert broken(decisions.measured(setting, trials, seed=1)) == []


def test_an_anchor_keeps_quality_from_creeping_down() -> None:
    (outcome,) = anchor_falls.part(Effort(seed=1, size=5))
    assert outcome.violations == ()
    assert "with the anchor" in outcome.notes


def test_too_few_rows_decide_nothing_and_say_why() -> None:
    for setting in decisions.too_few():
        shares = decisions.measured(setting, 3, seed=1)
        assert (shares.unsure, bool(shares.reasons)) == (3, True), setting


@pytest.mark.parametrize(
    ("setting", "counts", "promises"),
    [
        (EQUAL, {"worse": 50, "fit": 300, "covered": 1800}, [NEVER_WORSE]),
        (EQUAL, {"worse": 40, "fit": 300, "covered": 1740}, []),
        (EQUAL, {"covered": 1730}, [COVERED]),
        (EQUAL, {"covered": 1870}, [COVERED]),
        (WORSE, {"worse": 1900, "fit": 41, "covered": 1800}, [NEVER_FIT]),
        (WORSE, {"worse": 1799, "covered": 1800}, [FOUND]),
        (replace(WORSE, correlation=0.7), {"worse": 1000, "covered": 1800}, []),
        (
            replace(EQUAL, rows=2000, correlation=0.95),
            {"fit": 1699, "covered": 1800},
            [PASSES],
        ),
    ],
)
def test_a_share_beyond_its_bound_breaks_its_promise(
    setting: Setting, counts: dict[str, int], promises: list[str]
) -> None:
    shares = Shares(setting, 2000)
    for name, count in counts.items():
        setattr(shares, name, count)
    assert broken(shares) == promises


def test_with_few_trials_a_share_may_miss_its_bound_by_chance() -> None:
    assert broken(Shares(EQUAL, 100, worse=5, covered=85)) == []
    assert broken(Shares(EQUAL, 100, worse=10, covered=85)) == [NEVER_WORSE]


def test_each_setting_is_drawn_once_and_has_a_name_of_its_own() -> None:
    all_ = list(decisions.settings())
    assert len({str(setting) for setting in all_}) == len(all_)


@pytest.mark.parametrize("kind", Kind)
def test_drawn_rows_have_the_true_values(kind: Kind) -> None:
    values = {Kind.F1: 0.8, Kind.R2: 0.8, Kind.AUC: 0.8, Kind.ACCURACY: 0.8}
    setting = Setting(metric_of(kind), values.get(kind, 0.15), 0.05, 20_000, 0.9, 0.3)
    rows = drawn(setting, np.random.default_rng(1))
    ours, theirs = (
        value_of(setting.metric, replace(rows, candidate=scores))
        for scores in (rows.candidate, rows.other)
    )
    assert ours == pytest.approx(setting.candidate, abs=0.012)
    assert theirs == pytest.approx(setting.other, abs=0.012)
