"""The training of a job: a real one, or a made-up model at once."""

import csv
import hashlib
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from local.studio.model import Model
from local.studio.tables import BadTableError, TrainingTable, read_training_table

REGULARIZATION = "Regularization"
"""The parameter that `LogisticTrainer` reads: scikit-learn's C, a number above zero."""

# Inferred spelling and order (studio-classic §7).
EVALUATION_COLUMNS = (
    "Accuracy",
    "Precision",
    "Recall",
    "F-Score",
    "AUC",
    "Average Log Loss",
    "Training Log Loss",
)
_HELD_OUT_EVERY = 4


class TrainingFailedError(Exception):
    """The data could not be trained on: the module's own code, and a message."""

    def __init__(self, message: str, code: str = "FailedToTrainModel") -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Trained:
    """The outputs of training: the `.ilearner` content and the evaluation CSV."""

    model: bytes
    evaluation: bytes


class Trainer(Protocol):
    """Turns training data into a model."""

    def train(
        self, inputs: Mapping[str, bytes], parameters: Mapping[str, str], *, label: str | None
    ) -> Trained:
        """Train on the inputs; the same arguments give the same bytes.

        Args:
            inputs: the content of each input by its name.
            parameters: the job's parameters, defaults filled in.
            label: the column with the classes; the last one when `None`.

        Raises:
            TrainingFailedError: The data or a parameter cannot be used.
        """
        ...


class LogisticTrainer:
    """Trains scikit-learn's logistic regression, which is imported at the first job only."""

    def train(
        self, inputs: Mapping[str, bytes], parameters: Mapping[str, str], *, label: str | None
    ) -> Trained:
        """Fit on three quarters of each class and evaluate on the rest.

        Raises:
            TrainingFailedError: The data or the `Regularization` cannot be used.
        """
        strength = _strength(parameters)
        try:
            table = read_training_table(tuple(inputs.values()), label)
        except BadTableError as error:
            raise TrainingFailedError(str(error)) from error
        fitted, held_out = _split(table)
        model = _fit(table, fitted, strength)
        return Trained(model.dumps(), _evaluation(_metrics(model, table, fitted, held_out)))


@dataclass(frozen=True, slots=True)
class InstantTrainer:
    """Makes up a model from a digest of the training bytes: for tests that count, not learn.

    Args:
        metrics: the evaluation to report; columns not given are 0.9.
    """

    metrics: Mapping[str, float] = field(default_factory=dict)

    def train(
        self, inputs: Mapping[str, bytes], parameters: Mapping[str, str], *, label: str | None
    ) -> Trained:
        """Give a model whose scores depend on the bytes and the parameters; fails for no bytes.

        Raises:
            TrainingFailedError: There is not one byte to train on.
        """
        content = b"".join(inputs.values())
        if not content:
            raise TrainingFailedError("the training data is empty")
        digest = hashlib.sha256(repr(sorted(parameters.items())).encode() + content).digest()
        names = [
            name.strip() for name in content.partition(b"\n")[0].decode(errors="replace").split(",")
        ]
        features = tuple(name for name in names[:-1] if name != label) or ("x",)
        weights = tuple(digest[at % len(digest)] / 128 - 1 for at in range(len(features)))
        count = len(features)
        model = Model(
            features, (0.0,) * count, (1.0,) * count, weights, digest[-1] / 128 - 1, ("0", "1")
        )
        metrics = {name: self.metrics.get(name, 0.9) for name in EVALUATION_COLUMNS}
        return Trained(model.dumps(), _evaluation(metrics))


def _strength(parameters: Mapping[str, str]) -> float:
    text = parameters.get(REGULARIZATION, "1")
    try:
        strength = float(text)
    except ValueError:
        strength = math.nan
    if not (math.isfinite(strength) and strength > 0):
        raise TrainingFailedError(f"{REGULARIZATION} must be a number above zero")
    return strength


def _split(table: TrainingTable) -> tuple[list[int], list[int]]:
    """Hold out every fourth row of each class, or nothing when a class would be left without."""
    fitted: list[int] = []
    held_out: list[int] = []
    seen = dict.fromkeys(table.classes, 0)
    for at, label in enumerate(table.labels):
        seen[label] += 1
        (fitted if seen[label] % _HELD_OUT_EVERY else held_out).append(at)
    if {table.labels[at] for at in held_out} != set(table.classes):
        everything = list(range(len(table.rows)))
        return everything, everything
    return fitted, held_out


def _fit(table: TrainingTable, rows: Sequence[int], strength: float) -> Model:
    # Imported late: it takes a second, and neither scoring nor most tests need it.
    import numpy as np  # noqa: PLC0415 - see above
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - see above

    values = np.asarray([table.rows[at] for at in rows], dtype=float)
    truth = np.asarray([table.labels[at] == table.classes[1] for at in rows], dtype=int)
    with np.errstate(over="ignore", invalid="ignore"):  # searched for below
        means = values.mean(axis=0)
        spread = values.std(axis=0)
    scales = np.where(spread > 0, spread, 1.0)
    if not (np.isfinite(means).all() and np.isfinite(scales).all()):
        raise TrainingFailedError("a column's numbers are too large")
    fit = LogisticRegression(C=strength, max_iter=10_000).fit((values - means) / scales, truth)
    return Model(
        table.features,
        tuple(means.tolist()),
        tuple(scales.tolist()),
        tuple(fit.coef_[0].tolist()),
        float(fit.intercept_[0]),
        table.classes,
    )


def _metrics(
    model: Model, table: TrainingTable, fitted: Sequence[int], rows: Sequence[int]
) -> dict[str, float]:
    from sklearn import metrics  # noqa: PLC0415 - as in _fit

    chances = [
        model.score(dict(zip(table.features, table.rows[at], strict=True))).probability
        for at in rows
    ]
    truth = [int(table.labels[at] == table.classes[1]) for at in rows]
    guesses = [int(chance >= 0.5) for chance in chances]  # noqa: PLR2004 - even odds
    loss = float(metrics.log_loss(truth, chances, labels=[0, 1]))
    share = sum(table.labels[at] == table.classes[1] for at in fitted) / len(fitted)
    prior = float(metrics.log_loss(truth, [share] * len(truth), labels=[0, 1]))
    values = (
        metrics.accuracy_score(truth, guesses),
        metrics.precision_score(truth, guesses, zero_division=0.0),
        metrics.recall_score(truth, guesses, zero_division=0.0),
        metrics.f1_score(truth, guesses, zero_division=0.0),
        metrics.roc_auc_score(truth, chances),
        loss,
        100 * (1 - loss / prior),
    )
    return dict(zip(EVALUATION_COLUMNS, map(float, values), strict=True))


def _evaluation(metrics: Mapping[str, float]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(EVALUATION_COLUMNS)
    writer.writerow([repr(metrics[name]) for name in EVALUATION_COLUMNS])
    return text.getvalue().encode()
