"""The gate of a pipeline as it is configured: its rules, and the approval."""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from shared.core.config.cross_field import together
from shared.core.config.problems import Mistake
from shared.core.config.types import Name, OutputName, Span, Strict, parse_duration
from shared.core.evaluation.gate import Rule


class Gate(Strict):
    """When a trained model may be promoted."""

    metrics: OutputName | None = Field(
        default=None,
        description="The output with the evaluation; left out: evaluation.json beside the model.",
    )
    row: dict[Name, str | int] = Field(
        default_factory=dict,
        description="The row to use of an evaluation with several rows: {Column: value}, or "
        "{number: 1}. A text is compared as it is written, a number as a number.",
    )
    rules: tuple[Rule, ...] = Field(default=(), description="Every rule must hold.")
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

    @property
    def asks(self) -> bool:
        """Whether a model waits before it is promoted, for rules or for approval."""
        return bool(self.rules) or self.approval == "required"
