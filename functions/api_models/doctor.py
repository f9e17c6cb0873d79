"""The answer of doctor in the HTTP API."""

from typing import Literal, Self

from pydantic import Field

from functions.api_models.shared import ResponseModel
from shared.core.findings import CheckedLine, CheckOutcome, Findings
from shared.version import VERSION


class DoctorLine(ResponseModel):
    """One check."""

    part: str = Field(description="Of the app: settings, identity, storage, endpoints, …")
    check: str = Field(description="Which setting, service or endpoint, and what was tried.")
    result: CheckOutcome
    text: str = Field(description="What was found, or why it was not checked.")
    to_do: str | None = Field(description="What an operator can do where it is wrong.")

    @classmethod
    def of(cls, line: CheckedLine) -> Self:
        """Return a line of the report as it is shown."""
        found = line.finding
        return cls(
            part=line.part,
            check=line.check,
            result=found.outcome,
            text=found.text,
            to_do=found.advice or None,
        )


class DoctorReport(ResponseModel):
    """Everything that doctor tried, in a fixed order."""

    version: str = Field(description="Of Relearn.")
    result: Literal["ok", "wrong"] = Field(description="`wrong` where at least one line is.")
    ok: int = Field(description="How many lines are ok.")
    wrong: int = Field(description="How many lines are wrong.")
    not_checked: int = Field(description="How many things were not checked.")
    lines: tuple[DoctorLine, ...]

    @classmethod
    def of(cls, report: Findings) -> Self:
        """Return a report as it is shown."""
        return cls(
            version=VERSION,
            result="ok" if report.is_well else "wrong",
            ok=report.counted(CheckOutcome.OK),
            wrong=report.counted(CheckOutcome.WRONG),
            not_checked=report.counted(CheckOutcome.NOT_CHECKED),
            lines=tuple(map(DoctorLine.of, report.lines)),
        )
