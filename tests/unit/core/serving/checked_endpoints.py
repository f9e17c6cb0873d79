"""Endpoints that are checked again and again after an update."""

from dataclasses import dataclass, replace
from datetime import timedelta

from shared.core.serving.probes import NO_PROBES, EndpointCheck, ProbeAnswers, UpdateProgress
from shared.core.serving.verification import verify_rollback, verify_update
from shared.core.serving.verification_case import Verification, VerificationCase, VerificationResult
from tests.unit.samples import BROKEN, NOW, SILENT, good

TARGET = "models/new.ilearner"
BEFORE, AFTER, OTHER = good("0.1", "0.2"), good("0.8", "0.9"), good("0.5", "0.5")
EVERY, WITHIN = timedelta(seconds=30), timedelta(minutes=3)


#: Probes of one kind in a row, at the usual pace, that a verdict needs.
ENOUGH = 7


def case(before: ProbeAnswers | None, expected: ProbeAnswers | None = None) -> VerificationCase:
    return VerificationCase(TARGET, before, NO_PROBES, WITHIN, EVERY, expected, at=NOW)


def more(answers: ProbeAnswers) -> ProbeAnswers:
    rows = tuple((*row, "0.5") for row in answers.rows)
    columns = ("Scored Labels", "Scored Probabilities")
    return answers.model_copy(update={"columns": columns, "rows": rows})


def unreported(probe: ProbeAnswers | None, configured: str | None = None) -> EndpointCheck:
    return EndpointCheck(UpdateProgress.NOT_REPORTED, probe, configured)


@dataclass
class Probed:
    """An endpoint that is checked again and again."""

    case: VerificationCase
    rolling_back: bool = False
    patient: bool = False
    pace: timedelta = EVERY

    def __post_init__(self) -> None:
        self.at = NOW
        self.judged = Verification(VerificationResult.WAIT, "")

    def check(
        self, seen: ProbeAnswers | EndpointCheck | None, gap: timedelta | None = None
    ) -> VerificationResult:
        self.at += self.pace if gap is None else gap
        check = seen if isinstance(seen, EndpointCheck) else unreported(seen)
        case = replace(self.case, at=self.at)
        if self.rolling_back:
            self.judged = verify_rollback(case, check, patient=self.patient)
        else:
            self.judged = verify_update(case, check)
        self.case = replace(self.case, probe_series=self.judged.probe_series.showing(check.probe))
        return self.judged.verdict

    def probe_series(self, *seen: ProbeAnswers | EndpointCheck | None) -> VerificationResult:
        """Look until there is a verdict, or no more to see."""
        for one in seen:
            if self.check(one) is not VerificationResult.WAIT:
                break
        return self.judged.verdict


W, L, U, B = (
    VerificationResult.WAIT,
    VerificationResult.LIVE,
    VerificationResult.UNCHANGED,
    VerificationResult.BROKEN,
)
KINDS = (BEFORE, AFTER, OTHER, SILENT, BROKEN)
PENDING, DONE = UpdateProgress.PENDING, UpdateProgress.DONE
