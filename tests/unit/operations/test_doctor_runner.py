"""Checks run side by side within their time; one that hangs delays no other."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from shared.core.findings import CheckOutcome, Finding, not_checked, ok, wrong
from shared.errors import PermanentError
from shared.operations.doctor_runner import Bounds, results_of
from shared.ports.checks import Check

QUICK = Bounds(whole=5.0, each=0.1)


class Hanging:
    """A service that never answers, until the test is over."""

    def __init__(self) -> None:
        self.over, self.asked = threading.Event(), 0

    def __call__(self) -> Finding:
        self.asked += 1
        self.over.wait(60)
        return ok("too late")


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    made = Hanging()
    yield made
    made.over.set()


def check(name: str, run: Callable[[], Finding], service: str = "https://a.example/x") -> Check:
    return Check("services", name, service, run)


def good() -> Finding:
    return ok("well")


def test_results_have_the_order_of_the_checks_if_a_later_one_ends_first(hanging: Hanging) -> None:
    checks = [check("1", hanging), *(check(str(n), good, f"https://{n}.example") for n in range(9))]
    found = results_of(checks, QUICK)
    assert [one.outcome for one in found] == [CheckOutcome.WRONG, *[CheckOutcome.OK] * 9]


def test_a_check_that_hangs_has_its_time_and_no_more(hanging: Hanging) -> None:
    began = time.monotonic()
    (found,) = results_of([check("1", hanging)], QUICK)
    assert time.monotonic() - began < 2
    assert found.text == "no answer within 0 s"
    assert "a.example can be reached" in found.advice


def test_a_host_that_hangs_is_left_alone_after_two_checks(hanging: Hanging) -> None:
    checks = [check(str(n), hanging, f"https://a.example/{n}") for n in range(8)]
    found = results_of([*checks, check("other", good, "https://b.example")], QUICK)
    assert hanging.asked == 2
    kinds = [one.outcome for one in found]
    assert kinds.count(CheckOutcome.WRONG) == 2
    assert kinds.count(CheckOutcome.NOT_CHECKED) == 6
    assert found[-1].outcome is CheckOutcome.OK
    (why,) = {one.text for one in found if one.outcome is CheckOutcome.NOT_CHECKED}
    assert why == "a.example did not answer other checks: correct those first"


def test_what_needs_something_broken_is_not_begun_and_says_which_line_to_correct() -> None:
    asked: list[str] = []

    def asks(name: str, finding: Finding) -> Callable[[], Finding]:
        def run() -> Finding:
            asked.append(name)
            return finding

        return run

    checks = [
        replace(check("after b", asks("after b", ok("x"))), needs=("B",)),
        replace(check("B: write", asks("b", ok("x"))), gives="B", needs=("A",)),
        replace(check("first", asks("a", wrong("no"))), gives="A"),
        replace(check("after c", asks("after c", ok("x"))), needs=("C", "not there")),
        replace(check("C", asks("c", not_checked("none", is_usual=True))), gives="C"),
    ]
    found = results_of(checks, QUICK)
    assert sorted(asked) == ["a", "after c", "c"]
    assert [one.text for one in found] == [
        "correct what the line of B says first",
        "correct what the line of first says first",
        "no",
        "x",
        "none",
    ]


def test_what_needs_itself_in_a_circle_is_tried_all_the_same() -> None:
    (found,) = results_of([replace(check("a", good), gives="A", needs=("A",))], QUICK)
    assert found.outcome is CheckOutcome.OK


def test_a_check_without_time_left_is_not_made(hanging: Hanging) -> None:
    checks = [check(str(n), hanging, f"https://{n}.example") for n in range(60)]
    found = results_of(checks, Bounds(whole=0.2, each=0.2))
    kinds = {one.outcome for one in found}
    assert kinds == {CheckOutcome.WRONG, CheckOutcome.NOT_CHECKED}
    assert "run doctor again" in next(
        o.text for o in found if o.outcome is CheckOutcome.NOT_CHECKED
    )


def test_checks_of_one_host_run_side_by_side_once_it_answers() -> None:
    together = threading.Barrier(2, timeout=10)

    def met() -> Finding:
        together.wait()
        return ok("met")

    found = results_of([check("0", good), check("1", met), check("2", met)], Bounds(each=20))
    assert [one.text for one in found] == ["well", "met", "met"]


def test_an_error_is_what_is_wrong_and_a_fault_of_the_check_is_said_without_its_text() -> None:
    def refused() -> Finding:
        raise PermanentError("no role: give it", advice="give it")

    def faulty() -> Finding:
        raise KeyError("SECRET")

    first, second = results_of([check("1", refused), check("2", faulty)], QUICK)
    assert (first.text, first.advice) == ("no role", "give it")
    assert second.text == "the check itself failed (KeyError)"


def test_the_progress_of_each_check_is_reported() -> None:
    told: list[str] = []
    results_of([check(str(n), good) for n in range(5)], QUICK, lambda one, _: told.append(one.name))
    assert sorted(told) == ["0", "1", "2", "3", "4"]
