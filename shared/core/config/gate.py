"""The gate of a pipeline as it is configured: its rules, and the approval."""

from collections.abc import Iterator, Sequence
from typing import Final, Literal

from pydantic import Field

from shared.core.config.compare import Compare
from shared.core.config.cross_field import together
from shared.core.config.gate_rule import Rule
from shared.core.config.problems import Mistake
from shared.core.config.types import Name, OutputName, Span, Strict, parse_duration
from shared.core.decisions.metrics import Kind, metric_named
from shared.core.frozen import left_out
from shared.core.text import short

#: How the evaluation that MLflow has is named, instead of one in an output; a step may follow.
MLFLOW: Final = "mlflow:"


class LoggedMetrics(Strict):
    """Metrics that the job logged with MLflow, in place of a file."""

    mlflow: Literal[True] = Field(description="true: read what MLflow keeps of the job.")
    step: Name | None = Field(
        default=None, description="The step of a pipeline that logged them; else the job itself."
    )


class Gate(Strict):
    """When a trained model may be promoted."""

    metrics: OutputName | LoggedMetrics | None = Field(
        default=None,
        description="The output with the evaluation, or `<output>/<file>`; left out: "
        "evaluation.json in the model's folder. `{mlflow: true, step: …}`: what a job of Azure "
        "Machine Learning logged.",
    )
    row: dict[Name, str | int] = Field(
        default_factory=dict,
        description="The row to use of an evaluation with several rows: {Column: value}, or "
        "{number: 1}. A text is compared as it is written, a number as a number.",
    )
    rules: tuple[Rule, ...] = Field(default=(), description="Every rule must hold.")
    compare: Compare | None = left_out(
        description="Compare with the live model on the same labelled rows, with an interval; left "
        "out: max_drop and min_gain compare recorded numbers, which are of different rows.",
    )
    first_model: Literal["allow"] | None = Field(
        default=None,
        description="allow: promote also if there is no model to roll back to, or no live model to "
        "compare with.",
    )
    approval: Literal["none", "required"] = Field(
        default="none",
        description="required: an operator must approve the model before it is promoted.",
    )
    expires: Span = Field(
        default_factory=lambda: parse_duration("3d"),
        description="How long a run waits for approval.",
    )
    on_expiry: Literal["reject", "approve"] = Field(
        default="reject", description="What happens if no operator answers in time."
    )

    @together
    def _rules_for_metrics(self) -> Iterator[Mistake]:
        if self.metrics is not None and not self.rules:
            yield Mistake("an evaluation is only read for rules, write at least one", at=("rules",))

    @together
    def _rules_for_the_row(self) -> Iterator[Mistake]:
        if self.row and not self.rules:
            yield Mistake("a row is only chosen for rules, write `rules` for it", at=("row",))

    @together
    def _comparison_for_rules(self) -> Iterator[Mistake]:
        on_rows = [rule for rule in self.rules if self.on_rows(rule)]
        if self.compare is None:
            for at, rule in enumerate(self.rules):
                if rule.against == "rows":
                    what = "compares on the same rows, and nothing says which"
                    yield Mistake(what, "write gate.compare", ("rules", at, "against"))
            return
        if not on_rows:
            what = "no rule compares on rows"
            yield Mistake(what, "write one with max_drop or min_gain", ("rules",))
        elif self.compare.slices and not any(rule.checks_slices for rule in on_rows):
            what = "slices are checked for rules with max_drop, and there is none"
            yield Mistake(what, "write one", ("compare", "slices"))

    @together
    def _metrics_of_rows(self) -> Iterator[Mistake]:
        compare = self.compare
        if compare is None:
            return
        for at, rule in enumerate(self.rules):
            metric = metric_named(rule.metric)
            if not self._needs_rows(rule):
                continue  # its number is in the evaluation
            if metric is None:
                what = f"{short(rule.metric)} is not computed from rows"
                advice = f"use one of {', '.join(Kind)}"
                if not self.on_rows(rule):
                    advice = f"{advice}, or name the output with an evaluation as `metrics`"
                elif self.metrics is not None:
                    advice = f"{advice}, or write against: recorded"
                yield Mistake(what, advice, ("rules", at, "metric"))
            elif rule.direction not in (None, "higher" if metric.higher_is_better else "lower"):
                what = f"of {metric.kind}, {rule.direction} is not better"
                yield Mistake(what, "remove it", ("rules", at, "direction"))
            elif metric.kind is Kind.QUANTILE_LOSS and compare.quantile is None:
                what = "the predicted quantile is unknown"
                yield Mistake(what, "write it, such as 0.9", ("compare", "quantile"))
            elif metric.kind is Kind.COST and compare.cost is None:
                what = "the cost of a wrong answer is unknown"
                yield Mistake(what, "name a column, or write a matrix", ("compare", "cost"))

    @together
    def _labels_of_one_kind(self) -> Iterator[Mistake]:
        if self.compare is None:
            return
        known = {at: metric_named(rule.metric) for at, rule in enumerate(self.rules)}
        of_rows = [
            (at, metric)
            for at, metric in known.items()
            if metric and self._needs_rows(self.rules[at])
        ]
        for at, metric in of_rows:
            first = of_rows[0][1]
            if metric.of_numbers != first.of_numbers:
                what = f"{metric.kind} and {first.kind} cannot be of the same rows"
                numbers, classes = sorted((metric, first), key=lambda one: not one.of_numbers)
                advice = (
                    f"{numbers.kind} needs numbers as labels, {classes.kind} classes: remove one"
                )
                yield Mistake(what, advice, ("rules", at, "metric"))
                return

    def _needs_rows(self, rule: Rule) -> bool:
        """Whether the metric of a rule is computed of rows: no evaluation has its number."""
        return self.on_rows(rule) or self.metrics is None

    def unusable_outputs(self, models: Sequence[str], known: Sequence[str]) -> Iterator[Mistake]:
        """Yield each output that is to be read, and is a model, or none of the job.

        Args:
            models: the outputs that are models.
            known: all outputs of the job; empty: they are not known.
        """
        predictions = self.compare.predictions if self.compare else None
        for output, at in ((self.metrics, ("metrics",)), (predictions, ("compare", "predictions"))):
            if output in models:
                yield Mistake(
                    f"{output} is a model; name the output with the evaluation", at=("gate", *at)
                )
            elif isinstance(output, str) and known and output.partition("/")[0] not in known:
                what = f"the job file has no output {short(output.partition('/')[0])}"
                yield Mistake(f"{what}; it has {', '.join(known)}", at=("gate", *at))

    @property
    def row_rules(self) -> tuple[int, ...]:
        """The positions of the rules that compare two models on the same rows."""
        return tuple(at for at, rule in enumerate(self.rules) if self.on_rows(rule))

    def on_rows(self, rule: Rule) -> bool:
        """Return whether a rule compares two models on the same rows."""
        return rule.compares and self.compare is not None and rule.against != "recorded"

    @property
    def needs_second_form(self) -> bool:
        """Whether version 0.1.0 does not know a key of it."""
        later = any(rule.observe or rule.against is not None for rule in self.rules)
        return self.compare is not None or later

    @property
    def source(self) -> str | None:
        """The evaluation, as training services understand it; None: the usual file."""
        if isinstance(self.metrics, LoggedMetrics):
            return f"{MLFLOW}{self.metrics.step or ''}"
        return self.metrics

    @property
    def asks(self) -> bool:
        """Whether a model waits before it is promoted, for rules or for approval."""
        return bool(self.rules) or self.approval == "required"
