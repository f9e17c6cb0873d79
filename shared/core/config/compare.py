"""Configuration of the comparison of candidate and live model on the same labelled rows."""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    FiniteFloat,
    PlainSerializer,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
)

from shared.core.config.cross_field import together
from shared.core.config.problems import Mistake, WrongValueError
from shared.core.config.types import Name, OutputName, Span, Strict, parse_duration
from shared.core.text import folded

#: The request of an endpoint that serves a model of MLflow, without a file for it.
MLFLOW_REQUEST: Final = "mlflow"
#: What a template of a request has in the place of the rows: lists of values, or objects.
ROWS: Final = "{rows}"
RECORDS: Final = "{records}"
#: The columns that the app writes where it scores the rows.
SCORES: Final = ("candidate", "live")
_LIVE: Final = "live"
_ANCHOR: Final = "anchor"
_LONGEST_WAIT: Final = timedelta(days=7)
_LEVELS: Final = (0.5, 0.999)
_PERCENT: Final = re.compile(r"(\d{1,2}(?:\.\d{1,3})?) ?%")
_PLACE: Final = re.compile(r"[a-z0-9](?:-?[a-z0-9]){2,62}/[^/\s{}][^{}]*")

Unsure = Literal["ask", "promote", "reject", "wait"]
#: What a wrong answer costs: actual class -> predicted class -> cost.
CostMatrix = Mapping[str, Mapping[str, float]]


class Way(StrEnum):
    """How the scores of both models on the same rows are found."""

    ONE_FILE = "one_file"  #: the job scores its own model and the live one
    TWO_FILES = "two_files"  #: each job scores its own model on one holdout
    SCORED = "scored"  #: the app scores a holdout by the endpoint and the candidate


def _level(given: Any, info: ValidationInfo) -> Any:
    """Return a level such as `90%` as a share; a bare number could mean two things."""
    if info.context is None and isinstance(given, float):
        return given
    found = _PERCENT.fullmatch(str(given).strip())
    if found is None:
        raise WrongValueError("is not a percentage", "write it like 90%")
    share = round(float(found[1]) / 100, 5)
    least, most = _LEVELS
    if not least <= share <= most:
        raise WrongValueError("is not a useful level", f"write {least:.0%} to {most:.1%}")
    return share


def _place(text: str) -> str:
    if _PLACE.fullmatch(text) is None:
        raise WrongValueError(
            "does not name a blob",
            "write <container>/<path>, such as training-data/holdouts/churn.csv",
        )
    return text


def _names_as_text(given: Any) -> Any:
    """Return a cost matrix with its classes as texts: the file may write them as numbers."""
    if not isinstance(given, dict):
        return given
    return {
        _class(actual): {_class(name): cost for name, cost in row.items()}
        if isinstance(row, dict)
        else row
        for actual, row in given.items()
    }


def _takes_rows(node: Any) -> bool:
    if isinstance(node, dict | list):
        return any(map(_takes_rows, node.values() if isinstance(node, dict) else node))
    return node in (ROWS, RECORDS)


def _class(name: Any) -> Any:
    return str(name) if isinstance(name, int) and not isinstance(name, bool) else name


Level = Annotated[
    float,
    BeforeValidator(_level, json_schema_input_type=str),
    PlainSerializer(lambda share: f"{share * 100:.5g}%", return_type=str),
    WithJsonSchema({"type": "string", "examples": ["90%", "95%"]}),
]
Holdout = Annotated[str, StringConstraints(max_length=1024), AfterValidator(_place)]
#: The content of the file that `request` names, which the loader puts in its place.
RequestTemplate = Annotated[
    dict[str, Any], WithJsonSchema({"type": "string", "examples": ["holdout-request.json"]})
]
_Cost = Annotated[FiniteFloat, Field(ge=0)]
_Matrix = Annotated[
    dict[Name, dict[Name, _Cost]], BeforeValidator(_names_as_text), Field(min_length=1)
]


class Compare(Strict):
    """How the model is compared with the live model, and with the anchor, on the same rows."""

    predictions: OutputName | None = Field(
        default=None,
        description="The output of the job with the predictions, or `<output>/<file>`: CSV or "
        "JSON lines. Without holdout it holds the scores of both models, and the job is given "
        "{live.model}, and {anchor.model} for an anchor; with holdout those of only this model.",
    )
    id: Name = Field(default="id", description="The column with the id of each row.")
    label: Name = Field(default="label", description="The column with the right answer.")
    candidate: Name = Field(
        default="candidate",
        description="The column with the answers of the new model. Where the app scores the rows: "
        "the column of the answer that counts, if it has several.",
    )
    live: Name | None = Field(
        default=None,
        description="The column with the answers of the live model, by default live; only where "
        "one file holds the scores of both.",
    )
    anchor_column: Name | None = Field(
        default=None, description="The same of the anchor, by default anchor."
    )
    positive: int | Name = Field(
        default=1, description="With two classes: the label of the one that scores are for."
    )
    threshold: FiniteFloat = Field(
        default=0.5,
        description="Scores from this on are answers for the positive class, where a metric needs "
        "answers.",
    )
    holdout: Holdout | None = Field(
        default=None,
        description="`<container>/<path>` of fixed labelled rows that are never trained on. With "
        "predictions: each job scores them, and two files are compared by id. Without: the app "
        "scores them by the endpoint, which must hold a candidate (kind: azureml).",
        examples=["training-data/holdouts/churn.csv"],
    )
    request: Literal["mlflow"] | RequestTemplate | None = Field(
        default=None,
        description="How the rows of the holdout are sent, where the app scores them: mlflow, "
        "which is the default, or a JSON file with the request body, in which the text {rows} "
        "stands for the rows as lists, or {records} for the rows as objects.",
    )
    level: Level = Field(
        default=0.9,
        description="How sure a verdict must be: the share of intervals that hold the true "
        "difference.",
        json_schema_extra={"default": "90%"},
    )
    anchor: Literal["pinned"] | None = Field(
        default=None,
        description="pinned: also compare with the anchor, the model that is pinned at the "
        "endpoint, so that quality cannot fall little by little.",
    )
    slices: Annotated[tuple[Name, ...], Field(max_length=20)] = Field(
        default=(),
        description="Columns of the predictions, such as region: rules with max_drop are also "
        "checked on the rows of each value. A slice can only turn the verdict to worse.",
    )
    min_rows: Annotated[int, Field(ge=10, le=1_000_000)] = Field(
        default=50, description="Slices with fewer rows are listed, and not checked."
    )
    unsure: Unsure = Field(
        default="ask",
        description="What follows if the rows are too few to tell. ask: an operator decides; "
        "promote; reject; wait: until the next run has its verdict, then an operator is asked.",
    )
    wait: Span | None = Field(
        default=None, description="With unsure: wait, for how long at most; by default 7d."
    )
    cost: Name | _Matrix | None = Field(
        default=None,
        description="For the metric cost: the column that says what a wrong answer costs for each "
        "row, or a matrix {actual: {predicted: cost}}.",
    )
    quantile: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None, description="For the metric quantile loss: which quantile is predicted."
    )

    @together
    def _some_rows(self) -> Iterator[Mistake]:
        if self.predictions is None and self.holdout is None:
            advice = "name the output of the job with its predictions, or a holdout"
            yield Mistake("there are no rows to compare on", advice, ("predictions",))

    @together
    def _where_each_is_used(self) -> Iterator[Mistake]:
        one_file, scored = self.way is Way.ONE_FILE, self.way is Way.SCORED
        if self.live is not None and not one_file:
            what = "with a holdout the live model's scores are in no column of the job's file"
            yield Mistake(what, "remove it, or remove holdout", ("live",))
        if self.anchor_column is not None and not (one_file and self.anchor):
            what = "only a file with the scores of all models has a column of the anchor"
            advice = "remove it" if self.holdout else "write anchor: pinned"
            yield Mistake(what, advice, ("anchor_column",))
        if self.request is not None and not scored:
            what = "the job scores the rows, and the app sends no request for them"
            yield Mistake(what, "remove it, or remove predictions", ("request",))
        elif isinstance(self.request, dict) and not _takes_rows(self.request):
            advice = f"write {ROWS} or {RECORDS} where they belong"
            yield Mistake("the request has no place for the rows", advice, ("request",))
        if self.wait is not None and self.unsure != "wait":
            yield Mistake("nothing waits", "write unsure: wait, or remove it", ("wait",))

    @together
    def _not_for_ever(self) -> Iterator[Mistake]:
        if self.wait is not None and self.wait > _LONGEST_WAIT:
            yield Mistake("at most 7d", "the data is old by then", ("wait",))

    @together
    def _a_column_each(self) -> Iterator[Mistake]:
        seen: dict[str, str] = {}
        for key, column in self._columns():
            name = folded(column)  # as the names in a file are compared
            if name in seen:
                yield Mistake(f"{column} is the column of {seen[name]} already", at=(key,))
            seen[name] = key

    @together
    def _no_column_of_ours(self) -> Iterator[Mistake]:
        for key, column in self._columns():
            if self.way is Way.SCORED and folded(column) in SCORES:
                what = f"{column} is another column that the app writes"
                yield Mistake(what, "rename it in the holdout", (key,))

    def _columns(self) -> Iterator[tuple[str, str]]:
        yield from (("id", self.id), ("label", self.label))
        if self.way is not Way.SCORED:
            yield "candidate", self.candidate
        if self.way is Way.ONE_FILE:
            yield "live", self.live_column
            if self.anchor is not None:
                yield "anchor_column", self.column_of_anchor
        yield from (("slices", column) for column in self.slices)
        if isinstance(self.cost, str):
            yield "cost", self.cost

    @property
    def way(self) -> Way:
        """How the scores of both models are found, by the named files."""
        if self.predictions is None:
            return Way.SCORED
        return Way.ONE_FILE if self.holdout is None else Way.TWO_FILES

    @property
    def live_column(self) -> str:
        """The column with the answers of the live model, where one file holds all scores."""
        return self.live or _LIVE

    @property
    def column_of_anchor(self) -> str:
        """The column with the answers of the anchor, where one file holds all scores."""
        return self.anchor_column or _ANCHOR

    @property
    def scores(self) -> str:
        """The column of predictions with the answers of the new model."""
        return SCORES[0] if self.way is Way.SCORED else self.candidate

    @property
    def unsent_columns(self) -> tuple[str, ...]:
        """The columns of a holdout that no model is sent."""
        return (self.id, self.label, *((self.cost,) if isinstance(self.cost, str) else ()))

    @property
    def kept_columns(self) -> tuple[str, ...]:
        """The columns of a holdout that predictions keep: also those of slices."""
        return (*self.unsent_columns, *self.slices)

    @property
    def waits_at_most(self) -> timedelta:
        """How long an unsure model waits for the next run."""
        return self.wait or parse_duration("7d")
