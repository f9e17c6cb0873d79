"""The lines of doctor: one line each, without secrets, and the advice said once."""

from shared.core.findings import (
    CheckedLine,
    CheckOutcome,
    Finding,
    Findings,
    not_checked,
    of_error,
    ok,
    wrong,
)
from shared.core.redaction import Redactor
from shared.errors import PermanentError, TransientError

SECRET = "c2VjcmV0c2VjcmV0c2VjcmV0"


def test_an_error_says_its_advice_once() -> None:
    found = of_error(PermanentError("no compute x: correct it", advice="correct it"))
    assert (found.text, found.advice) == ("no compute x", "correct it")


def test_an_error_without_advice_has_the_usual_one_of_its_check_or_of_all() -> None:
    assert of_error(TransientError("lost"), "look").advice == "look"
    assert of_error(TransientError("lost")).advice.startswith("run doctor again")
    assert of_error(PermanentError()).text == "permanent"


def test_a_secret_is_taken_out_before_a_text_is_cut() -> None:
    redactor = Redactor(SECRET)
    for length in range(560, 600):
        found = wrong("x" * length + SECRET, SECRET).within(redactor.text)
        assert SECRET[:8] not in f"{found.text}{found.advice}"
        assert len(found.text) <= 600


def test_a_line_stays_one_line() -> None:
    assert ok("one\r\n  two\tthree").within(str).text == "one two three"


def test_a_report_is_well_where_nothing_is_wrong() -> None:
    def report(*found: Finding) -> Findings:
        return Findings(tuple(CheckedLine("storage", "x", one) for one in found))

    assert report(ok(""), not_checked("no time")).is_well
    assert not report(ok(""), wrong("no")).is_well
    assert report(ok(""), ok(""), wrong("no")).counted(CheckOutcome.OK) == 2
