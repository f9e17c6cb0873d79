"""Statistics of published data sets are equal to the published results."""

import numpy as np
import pytest

from shared.core.decisions.compared import NotComparable, Scored, compared
from shared.core.decisions.intervals import of_auc, of_mean
from shared.core.decisions.metrics import Kind, Metric
from tests.unit.core.decisions.drawn_rows import Numbers, rows_of

# E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson, Biometrics 44 (1988) 837: patients with ovarian
# cancer, without those that lack a number: albumin, total protein, the K-G score, and whether the
# operation was of use. The results are those that the manual of SAS/STAT prints for them
# ("Comparing Receiver Operating Characteristic Curves", an example of LOGISTIC).
OVARIAN = np.fromstring(
    """
    3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0
    1.6 5.6 5 1   3.8 5.7 5 1  3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1
    4.3 7.0 4 1   3.6 6.7 4 0  2.3 4.4 6 1  4.2 7.6 4 0  4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1
    3.0 4.7 8 0   4.5 7.4 5 1  3.7 7.4 5 1  3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1  4.3 6.5 4 1
    3.2 5.1 5 1   2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0  3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1
    3.5 6.2 5 1   2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1  3.3 5.7 6 1  3.7 6.9 5 1
    3.6 6.6 5 1
    """,
    sep=" ",
).reshape(-1, 4)
ALBUMIN, PROTEIN, KG, OPERATED = OVARIAN.T
#: "Student" (Biometrika 6 (1908) 1): hours of sleep that each of two drugs gave ten patients.
SLEEP = (
    (0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0),
    (1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4),
)


@pytest.mark.parametrize(
    ("scores", "published"),
    [
        (ALBUMIN, [0.7366, 0.0108, 0.0953, -0.1761, 0.1976]),
        (PROTEIN, [0.6478, -0.0780, 0.1046, -0.2830, 0.1271]),
    ],
    ids=["albumin", "protein"],
)
def test_the_patients_of_delong(scores: Numbers, published: list[float]) -> None:
    found, ours, theirs = of_auc(scores, -KG, OPERATED == 1, 0.95)

    numbers = [ours, found.difference, found.error, found.low, found.high]
    assert numbers == pytest.approx(published, abs=0.00006)
    assert theirs == pytest.approx(0.7258, abs=0.00006)


def test_so_few_patients_decide_nothing() -> None:
    rows = rows_of(OPERATED.tolist(), ALBUMIN.tolist(), (-KG).tolist(), classes=("not", "operated"))
    found = compared(Metric(Kind.AUC), rows, level=0.9, seed="a")

    assert isinstance(found, NotComparable)
    assert found.reason.startswith("12 rows of the smaller class, of 43: below 30")
    assert (found.candidate, found.other) == pytest.approx((0.7366, 0.7258), abs=0.00006)


def test_the_sleepers_of_student() -> None:
    gained = np.subtract(*SLEEP)
    found = of_mean(gained, np.abs(gained), 0.95)

    assert found.difference == pytest.approx(-1.58)
    assert found.difference / found.error == pytest.approx(-4.0621, abs=0.00005)
    assert (found.low, found.high) == pytest.approx((-2.4599, -0.7001), abs=0.001)
    assert 2 * found.p_worse(0.0) == pytest.approx(0.002833, rel=0.02)


def test_two_surveys_are_compared_as_shares_of_the_same_persons() -> None:
    # A. Agresti, Categorical Data Analysis (1990), two surveys of the same 1,600 persons: 794
    # approved both times, 150 only the first time, 86 only the second time, 570 never.
    counts = (794, 150, 86, 570)
    labels = np.arange(sum(counts)) % 2
    ours, theirs = (
        np.where(np.repeat(right, counts), labels, 1 - labels)
        for right in ([True, True, False, False], [True, False, True, False])
    )
    rows = rows_of(
        labels.tolist(), ours.tolist(), theirs.tolist(), classes=("a", "b"), predicts_classes=True
    )
    found = compared(Metric(Kind.ACCURACY), rows, level=0.95, seed="a")

    assert isinstance(found, Scored)
    assert (found.candidate, found.other) == pytest.approx((944 / 1600, 880 / 1600))
    assert found.interval.difference == pytest.approx(0.04)
    assert found.estimate.error == pytest.approx(0.0095, abs=0.0001)
    assert (found.interval.low, found.interval.high) == pytest.approx((0.021, 0.059), abs=0.0005)
