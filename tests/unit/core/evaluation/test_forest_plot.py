"""A verdict as a forest plot: its texts and their places, and no secret or row in it."""

import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

from shared.core.config.gate_rule import Rule
from shared.core.decisions.comparison import RuleOutcome
from shared.core.evaluation.forest_plot import forest_plot
from shared.core.evaluation.gate import Verdict, refused
from tests.unit.core.evaluation.compared import (
    ANCHOR,
    comparison,
    interval,
    judged,
    not_measured,
    slice_of,
)

NS = "{http://www.w3.org/2000/svg}"
MINUS = "\N{MINUS SIGN}"


def drawn(verdict: Verdict) -> ET.Element:
    return ET.fromstring(forest_plot(verdict, "sample-1"))  # noqa: S314 -- our own SVG


def texts(svg: ET.Element) -> list[str]:
    return [one.text or "" for one in svg.iter(f"{NS}text")]


def colored(svg: ET.Element, color: str) -> list[tuple[float, float]]:
    """Return the ends of the level lines of a color."""
    return [
        (float(one.attrib["x1"]), float(one.attrib["x2"]))
        for one in svg.iter(f"{NS}line")
        if one.attrib["stroke"] == color and one.attrib["y1"] == one.attrib["y2"]
    ]


def place_of(svg: ET.Element, text: str) -> float:
    (found,) = (one for one in svg.iter(f"{NS}text") if one.text == text)
    return float(found.attrib["x"])


GREEN, AMBER, RED = "#1a7f37", "#9a6700", "#b3261e"


@pytest.mark.parametrize(
    ("outcome", "color", "numbers"),
    [
        (RuleOutcome.FIT, GREEN, f"+0.0030 ({MINUS}0.0040 to +0.0100)"),
        (RuleOutcome.UNSURE, AMBER, f"{MINUS}0.0065 ({MINUS}0.0150 to +0.0020)"),
        (RuleOutcome.WORSE, RED, f"{MINUS}0.0450 ({MINUS}0.0600 to {MINUS}0.0300)"),
    ],
)
def test_an_interval_lies_where_its_numbers_are_on_the_axis(
    outcome: RuleOutcome, color: str, numbers: str
) -> None:
    found = comparison(outcome)
    svg = drawn(judged(found))
    assert numbers in texts(svg)
    assert texts(svg)[0] == f"sample-1: {outcome}"
    assert found.interval is not None
    ((low, high),) = colored(svg, color)
    (margin,) = (one for one in svg.iter(f"{NS}line") if "stroke-dasharray" in one.attrib)
    zero = place_of(svg, "0.00" if outcome is RuleOutcome.WORSE else "0.000")
    unit = (zero - float(margin.attrib["x1"])) / 0.01
    assert low == pytest.approx(zero + unit * found.interval.low, abs=1)
    assert high == pytest.approx(zero + unit * found.interval.high, abs=1)
    assert (low < float(margin.attrib["x1"]) < high) == (outcome is RuleOutcome.UNSURE)


def test_outcomes_differ_in_form_and_word_and_not_in_color_alone() -> None:
    forms = {}
    for outcome in RuleOutcome:
        svg = drawn(judged(comparison(outcome)))
        circles = [one.tag for one in svg.iter(f"{NS}circle")]
        corners = [one.attrib["points"] for one in svg.iter(f"{NS}polygon")]
        (form,) = circles or corners
        forms[outcome] = form if circles else len({xy.split(",")[0] for xy in form.split()})
        assert texts(svg).count(outcome) == 2
    assert forms == {RuleOutcome.FIT: 2, RuleOutcome.WORSE: 3, RuleOutcome.UNSURE: f"{NS}circle"}


def test_each_model_and_slice_has_a_line_and_a_slice_may_be_worse_alone() -> None:
    slices = (
        slice_of("south", RuleOutcome.WORSE),
        slice_of("north", RuleOutcome.FIT),
        slice_of("east", RuleOutcome.UNSURE, interval=None, why="12 rows; too few", rows=12),
    )
    live = comparison(RuleOutcome.WORSE, interval=interval(-0.004, 0.01), slices=slices)
    anchor = comparison(RuleOutcome.UNSURE, against="anchor", run_id=ANCHOR)
    svg = drawn(judged(live, anchor, anchor=ANCHOR))
    labels = ["the live model, 569 rows", "region south, 64 rows", "region north, 64 rows"]
    labels += ["region east, 12 rows", "the anchor, 569 rows"]
    shown = texts(svg)
    assert [one for one in shown if one in labels] == labels
    assert "12 rows; too few" in shown
    assert (len(colored(svg, GREEN)), len(colored(svg, RED)), len(colored(svg, AMBER))) == (2, 1, 1)
    lines = [float(one.attrib["y"]) for one in svg.iter(f"{NS}text") if one.text in labels]
    assert all(after - before == 22 for before, after in pairwise(lines))


def test_many_slices_are_counted() -> None:
    slices = tuple(slice_of(f"r{number}", RuleOutcome.FIT) for number in range(50))
    svg = drawn(judged(comparison(slices=slices)))
    assert "region r11, 64 rows" in texts(svg)
    assert "region r12, 64 rows" not in texts(svg)
    assert "38 slices more" in texts(svg)


def test_rules_without_intervals_are_reported_in_words() -> None:
    rules = (Rule(metric="AUC", min_gain=0, observe=True), Rule(metric="F1", at_least=0.7))
    svg = drawn(judged(not_measured(), rules=rules))
    shown = texts(svg)
    assert "AUC, min_gain 0" in shown
    assert "unsure, observed only" in shown
    assert "the scores are constant" in shown
    assert "F1 0.8 holds at_least 0.7" in shown
    assert not list(svg.iter(f"{NS}polygon"))


def test_a_verdict_says_who_decides_and_with_which_models_it_was_not_compared() -> None:
    svg = drawn(judged(comparison(RuleOutcome.UNSURE), unsure="ask", live=("sample-other",)))
    shown = texts(svg)
    assert "An operator decides whether this model is promoted." in shown
    assert any("sample-other" in one and "was not compared" in one for one in shown)


def test_a_comparison_with_a_model_that_serves_no_more_is_drawn_as_unsure() -> None:
    fit = comparison(slices=(slice_of("north", RuleOutcome.FIT),))
    there = texts(drawn(judged(fit)))
    assert "The live model is of run sample-live." in there
    assert there.count("fit") == 3  # the rule, the interval and the slice
    gone = texts(drawn(judged(fit, live=("sample-other",))))
    assert "The former live model is of run sample-live." in gone
    assert "the former live model, 569 rows" in gone
    assert ("fit" in gone, gone.count("unsure")) == (False, 2)


def test_a_model_that_could_not_be_judged_has_its_reason_alone() -> None:
    svg = drawn(refused("there is no evaluation"))
    assert texts(svg) == ["sample-1: refused", "there is no evaluation"]


def test_names_from_files_are_text_and_never_elements_of_the_forest_plot() -> None:
    slices = (slice_of("</text><script>a()</script>\x00\n\ud800", RuleOutcome.FIT),)
    written = forest_plot(judged(comparison(slices=slices)), 'a"<b>&')
    svg = ET.fromstring(written)  # noqa: S314 -- our own SVG
    tags = {one.tag.removeprefix(NS) for one in svg.iter()}
    assert tags <= {"svg", "title", "desc", "rect", "text", "line", "circle", "polygon"}
    assert texts(svg)[0] == 'a"<b>&: fit'
    written.encode()


def test_a_secret_in_a_name_is_not_shown() -> None:
    secret = "sig=" + "Ab1%2F" * 8
    svg = forest_plot(judged(comparison(slices=(slice_of(secret, RuleOutcome.FIT),))), "sample-1")
    assert secret[:10] not in svg


@pytest.mark.parametrize("size", [1e-9, 1e-3, 1.0, 1e6])
def test_every_size_of_number_has_some_ticks_within_the_forest_plot(size: float) -> None:
    found = interval(-size, 2 * size)
    rules = (Rule(metric="RMSE", max_drop=size / 2),)
    svg = drawn(judged(comparison(RuleOutcome.UNSURE, interval=found), rules=rules))
    small = [one for one in svg.iter(f"{NS}text") if one.attrib.get("text-anchor") == "middle"]
    assert 2 <= len(small) <= 8
    assert len({one.text for one in small}) == len(small)
    assert all(230 <= float(one.attrib["x"]) <= 520 for one in small)


def test_models_that_are_the_same_are_drawn_at_zero() -> None:
    found = interval(0.0, 0.0)
    rules = (Rule(metric="AUC", max_drop=0.0),)
    svg = drawn(judged(comparison(interval=found), rules=rules))
    ((low, high),) = colored(svg, AMBER)
    assert low == high
