"""The trained model: a small JSON document, and plain arithmetic to score with it."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

FORMAT = "studio-model/1"


class BadModelError(Exception):
    """The bytes are not a model of this format."""


@dataclass(frozen=True, slots=True)
class Score:
    """The result for one row: a label and the probability of the second class."""

    label: str
    probability: float


@dataclass(frozen=True, slots=True)
class Model:
    """A logistic regression over scaled numeric features.

    Args:
        features: the columns it was trained on, in the order of the numbers below.
        means: what is taken from each feature first.
        scales: what each is divided by then.
        coefficients: the weight of each.
        intercept: the constant.
        classes: the two labels; the probability is that of the second one.
    """

    features: tuple[str, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    coefficients: tuple[float, ...]
    intercept: float
    classes: tuple[str, str]

    def dumps(self) -> bytes:
        """Write the model as the content of an `.ilearner` file: data, never a pickle."""
        return json.dumps({"format": FORMAT, **asdict(self)}).encode()

    @classmethod
    def loads(cls, content: bytes) -> "Model":
        """Read what `dumps` wrote; raises `BadModelError` for anything else."""
        try:
            found = json.loads(content)
            if found["format"] != FORMAT:
                raise BadModelError("the model has another format")
            model = cls(
                features=_texts(found["features"]),
                means=_numbers(found["means"]),
                scales=_numbers(found["scales"]),
                coefficients=_numbers(found["coefficients"]),
                intercept=_numbers([found["intercept"]])[0],
                classes=_pair(found["classes"]),
            )
        except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
            raise BadModelError("the model cannot be read") from error
        if len({len(model.features), len(model.means), len(model.scales)}) > 1 or (
            len(model.features) != len(model.coefficients) or not all(model.scales)
        ):
            raise BadModelError("the parts of the model do not fit together")
        return model

    def missing(self, columns: Sequence[str]) -> tuple[str, ...]:
        """Name the features that a data set with these columns lacks."""
        return tuple(name for name in self.features if name not in columns)

    def score(self, row: Mapping[str, float]) -> Score:
        """Score one row that holds a finite number for every feature."""
        terms = zip(self.features, self.means, self.scales, self.coefficients, strict=True)
        margin = self.intercept + sum(
            weight * (row[name] - mean) / scale for name, mean, scale, weight in terms
        )
        probability = _logistic(margin)
        return Score(self.classes[1 if probability >= 0.5 else 0], probability)  # noqa: PLR2004 - even odds


def _logistic(margin: float) -> float:
    if margin >= 0:
        return 1 / (1 + math.exp(-margin))
    power = math.exp(margin)
    return power / (1 + power)


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise BadModelError("a list of texts was expected")
    return tuple(values)


def _numbers(values: Any) -> tuple[float, ...]:
    numbers = tuple(float(value) for value in values)
    if not all(math.isfinite(number) for number in numbers):
        raise BadModelError("a number is not finite")
    return numbers


def _pair(values: Any) -> tuple[str, str]:
    first, second = _texts(values)
    return first, second
