"""Answers about verdicts of the gate: what each rule says, and by which comparisons."""

from pydantic import Field

from functions.api_models.shared import ResponseModel
from shared.core.decisions.comparison import Method, Opponent, RuleOutcome


class IntervalShown(ResponseModel):
    """How much better the new model is; positive is better, for every metric."""

    difference: float
    low: float
    high: float
    level: float = Field(description="The share of such intervals that hold the true difference.")
    method: Method = Field(description="How it was computed.")


class SliceShown(ResponseModel):
    """The same comparison on the rows of one slice."""

    column: str
    value: str
    rows: int
    interval: IntervalShown | None
    p_worse: float | None = Field(
        description="One-sided, of a difference as bad as the margin, before the correction for "
        "the number of slices."
    )
    outcome: RuleOutcome
    why: str


class ComparisonShown(ResponseModel):
    """The new model and another one, on the same rows."""

    against: Opponent
    run_id: str = Field(
        description="The run whose model it was compared with; `deployment` and its name, where "
        "no run promoted that model."
    )
    model: str
    rows: int
    positives: int | None = Field(description="With two classes: rows of the positive one.")
    candidate: float | None = Field(description="The metric of the new model.")
    other: float | None = Field(description="The metric of the other model.")
    interval: IntervalShown | None = Field(description="Left out: there is none, see why.")
    outcome: RuleOutcome
    rows_needed: int | None = Field(description="About how many rows would settle it.")
    slices: tuple[SliceShown, ...]
    why: str


class RuleShown(ResponseModel):
    """What one rule of the gate says of the model."""

    metric: str
    rule: str
    bound: float
    value: float | None
    live: float | None = Field(description="The live model's value, if the rule compares with it.")
    passed: bool
    outcome: RuleOutcome = Field(description="unsure: the rows are too few to tell.")
    observe: bool = Field(description="Whether the rule is only recorded, and does not decide.")
    why: str
    comparisons: tuple[ComparisonShown, ...] = Field(description="On the same rows.")
    gone: tuple[str, ...] = Field(
        description="Those that it was compared with and that serve, or are pinned, no more."
    )


class VerdictShown(ResponseModel):
    """What the gate says of the model."""

    passed: bool = Field(description="Whether it may be promoted, as far as the gate goes.")
    outcome: RuleOutcome | None = Field(
        description="The worst outcome of the rules that decide. Left out: there was nothing to "
        "judge the model by."
    )
    needs_approval: bool = Field(description="Whether an operator decides, because it is unsure.")
    reason: str
    metrics: dict[str, float]
    row: dict[str, str] = Field(description="The labels of the row of the evaluation.")
    results: tuple[RuleShown, ...]
    uncompared: tuple[str, ...] = Field(
        description="Runs, or deployments, whose models serve, or are pinned, by now, with which "
        "it was not compared."
    )
