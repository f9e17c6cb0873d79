"""Finite numbers whose squares or sums are too large for a float: a reason, and no error."""

from dataclasses import replace

import pytest

from shared.core.decisions.compared import NotComparable, Scored, compared, value_of
from shared.core.decisions.rows import PairedRows
from tests.unit.core.decisions.test_metrics import NUMBERS, TWO, changed, named

HUGE: dict[str, tuple[str, PairedRows]] = {
    "RMSE of one score": ("RMSE", changed(NUMBERS, candidate=1e200)),
    "R2 of one score": ("R2", changed(NUMBERS, candidate=1e200)),
    "MAE of most scores": ("MAE", replace(NUMBERS, candidate=[1.7e308] * 99 + [0.0])),
    "MAE of both signs": ("MAE", changed(NUMBERS, candidate=1.7e308, labels=-1.7e308)),
    "quantile loss": ("quantile loss", changed(NUMBERS, candidate=-1.7e308, labels=1.7e308)),
    "a label": ("R2", changed(NUMBERS, labels=1.7e308)),
    "R2 of tiny labels": ("R2", replace(NUMBERS, labels=[1e-90 * at for at in range(100)])),
    "a cost": ("cost", replace(TWO, costs=[1.7e308] * 50 + [1.0] * 50)),
}


@pytest.mark.parametrize("case", HUGE)
@pytest.mark.parametrize("whose", ["candidate", "other"])
def test_numbers_that_are_too_large_to_compute_with_are_a_reason_and_no_error(
    case: str, whose: str
) -> None:
    name, rows = HUGE[case]
    if whose == "other":
        rows = replace(rows, candidate=rows.other, other=rows.candidate)
    found = compared(named(name, quantile=0.9), rows, level=0.9, seed="a")
    assert isinstance(found, NotComparable)
    assert found.reason.endswith(f"too large, or too different, to compute {named(name).kind}")
    assert (found.candidate, found.other) == (None, None)
    alone = value_of(named(name, quantile=0.9), rows)
    common = not any(case.startswith(one) for one in ("RMSE", "R2 of one", "MAE of most"))
    if whose == "candidate" or common:
        assert isinstance(alone, NotComparable)
        assert alone.reason == found.reason
    else:
        assert isinstance(alone, float)


@pytest.mark.parametrize("size", [1e30, 1e77, 1e99])
@pytest.mark.parametrize("name", ["RMSE", "R2", "MAE", "quantile loss"])
def test_large_numbers_are_compared_as_far_as_they_can_be_squared(name: str, size: float) -> None:
    """Four squares are taken for the interval of RMSE."""
    rows = replace(NUMBERS, candidate=[size * (1 + at / 100) for at in range(100)])
    found = compared(named(name, quantile=0.9), rows, level=0.9, seed="a")
    assert isinstance(found, Scored) == (name != "R2" or size < 1e50)
    assert not isinstance(found, Scored) or found.interval.high < 0
