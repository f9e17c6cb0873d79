"""Draws a verdict as a forest plot (SVG): each interval of a difference, and its bound.

Each rule has a panel with an axis of its own, since metrics have units of their own. An outcome is
shown by its word and by a form, not only by a color.
"""

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from shared.core.config.gate_rule import signed
from shared.core.counting import counted
from shared.core.decisions.comparison import Comparison, Interval, RuleOutcome, whose
from shared.core.evaluation.compared_rules import outcome_of
from shared.core.evaluation.gate import Result, Verdict
from shared.core.evaluation.on_rows import NAMES, NAMES_GONE, decimals, fixed, why_of
from shared.core.text import plain, short

#: Slices of one comparison that are drawn: the worst come first, and the record has them all.
_MOST_SLICES: Final = 12
_WIDTH, _EDGE, _LINE = 880, 16, 22
#: Between these the intervals are drawn; their numbers begin at the third.
_LEFT, _RIGHT, _NUMBERS = 230, 520, 534
#: Characters of a label, of what stands in place of an interval, and of a whole line.
_LABEL, _REASON, _WHOLE = 32, 85, 120
_CELL: Final = 12  #: of the column of a slice
_TICKS: Final = 5
_COLORS: Final = {
    RuleOutcome.FIT: "#1a7f37",
    RuleOutcome.UNSURE: "#9a6700",
    RuleOutcome.WORSE: "#b3261e",
}
_DARK, _GREY, _LIGHT = "#1f2328", "#59636e", "#d1d9e0"
_MINUS: Final = "\N{MINUS SIGN}"
#: What XML cannot hold, and what would break a line.
_UNFIT: Final = re.compile("[^\\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class _Line:
    """One interval of a panel, or why there is none."""

    label: str
    interval: Interval | None
    outcome: RuleOutcome
    why: str = ""
    is_slice: bool = False


@dataclass(slots=True)
class _Drawing:
    """What is drawn so far, from the top down."""

    svg: ET.Element
    y: int = _EDGE

    def text(self, x: float, text: str, **changes: str) -> None:
        """Write a text on the present line."""
        usual = {"x": _number(x), "y": str(self.y), "fill": _DARK}
        ET.SubElement(self.svg, "text", usual | _named(changes)).text = _fit(text)

    def rule(self, x: float, x2: float, y: float, y2: float, **changes: str) -> None:
        """Draw a straight line."""
        ends = {"x1": _number(x), "x2": _number(x2), "y1": _number(y), "y2": _number(y2)}
        ET.SubElement(self.svg, "line", {**ends, "stroke": _GREY} | _named(changes))

    def mark(self, x: float, outcome: RuleOutcome, size: float) -> None:
        """Draw the difference: fit is a square, unsure an empty circle, worse a diamond."""
        color, y = _COLORS[outcome], self.y - 4
        match outcome:
            case RuleOutcome.UNSURE:
                at = {"cx": _number(x), "cy": str(y), "r": _number(size)}
                look = {"fill": "#ffffff", "stroke": color, "stroke-width": "2"}
                ET.SubElement(self.svg, "circle", at | look)
            case _:
                slope = size if outcome is RuleOutcome.FIT else 0.0
                corners = ((-size, -slope), (slope, -size), (size, slope), (-slope, size))
                points = " ".join(f"{_number(x + a)},{_number(y + b)}" for a, b in corners)
                ET.SubElement(self.svg, "polygon", {"points": points, "fill": color})


def forest_plot(verdict: Verdict, name: str) -> str:
    """Return a verdict as an SVG document; without secrets if the verdict has none.

    Args:
        verdict: of a run.
        name: what the verdict is of, such as the id of the run.
    """
    svg = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "role": "img"})
    outcome = verdict.outcome
    said = f"{name}: {outcome or ('passed' if verdict.passed else 'refused')}"
    ET.SubElement(svg, "title").text = _fit(said)
    ET.SubElement(svg, "desc").text = _fit(verdict.reason)
    paper = ET.SubElement(svg, "rect", {"width": "100%", "height": "100%", "fill": "#ffffff"})
    paper.set("rx", "6")
    drawing = _Drawing(svg, _EDGE + 8)
    color = _COLORS[outcome] if outcome else _DARK
    drawing.text(_EDGE, said, font_size="16", font_weight="bold", fill=color)
    for text in _heads(verdict):
        drawing.y += _LINE
        drawing.text(_EDGE, _cut(text, _WHOLE), fill=_GREY)
    for result in verdict.results:
        drawing.y += _LINE + 10
        _panel(drawing, result)
    height = drawing.y + _EDGE
    svg.set("viewBox", f"0 0 {_WIDTH} {height}")
    svg.set("width", str(_WIDTH))
    svg.set("height", str(height))
    svg.set("font-family", "system-ui, -apple-system, 'Segoe UI', Arial, sans-serif")
    svg.set("font-size", "13")
    return ET.tostring(svg, encoding="unicode") + "\n"


def _heads(verdict: Verdict) -> Iterator[str]:
    if verdict.needs_approval:
        yield "An operator decides whether this model is promoted."
    others = [
        ((NAMES_GONE if one.run_id in result.gone else NAMES)[one.against], one.run_id)
        for result in verdict.results
        for one in result.comparisons
    ]
    for name, run_id in [*dict.fromkeys(others)][:_TICKS]:
        yield f"{name[0].upper()}{name[1:]} is of {whose(run_id)}."
    for run_id in verdict.uncompared[:_TICKS]:
        yield f"The model of {whose(run_id)} serves or is pinned now, and was not compared."
    if not verdict.results:
        yield verdict.reason


def _panel(drawing: _Drawing, result: Result) -> None:
    """Draw what one rule says."""
    word = f"{result.outcome}{', observed only' if result.observe else ''}"
    title = f"{short(result.metric)}, {result.rule} {plain(result.bound)}"
    drawing.rule(_EDGE, _WIDTH - _EDGE, drawing.y - 17, drawing.y - 17, stroke=_LIGHT)
    drawing.text(_EDGE, title, font_weight="bold")
    right = {"text_anchor": "end", "font_weight": "bold"}
    drawing.text(_WIDTH - _EDGE, word, fill=_COLORS[result.outcome], **right)
    bound = signed(result.rule, result.bound)
    lines = [
        line
        for one in result.comparisons
        for line in _lines(one, bound, gone=one.run_id in result.gone)
    ]
    intervals = [line.interval for line in lines if line.interval]
    if not lines:
        drawing.y += _LINE
        drawing.text(_EDGE, _cut(result.why, _WHOLE), fill=_GREY)
    if not intervals:
        _draw(drawing, lines, None, bound)
        return
    axis = _Axis.of(intervals, bound)
    top = drawing.y + 8
    _draw(drawing, lines, axis, bound)
    _draw_axis(drawing, axis, top, result)


def _lines(one: Comparison, bound: float, *, gone: bool) -> Iterator[_Line]:
    """Yield the interval on all rows, and those of its slices.

    A comparison with a model that serves no more is unsure, whatever it says.
    """
    own = outcome_of(one.interval, bound) if one.interval and not gone else RuleOutcome.UNSURE
    label = f"{(NAMES_GONE if gone else NAMES)[one.against]}, {counted(one.rows, 'row')}"
    yield _Line(label, one.interval, own, _cut(why_of(one, one.against, gone=gone), _REASON))
    for part in one.slices[: 0 if gone else _MOST_SLICES]:
        rows = f", {counted(part.rows, 'row')}"
        why = _cut(why_of(part, one.against), _REASON)
        cells = f"{_cut(short(part.column), _CELL)} {short(part.value)}"
        name = f"{_cut(cells, _LABEL - len(rows))}{rows}"
        yield _Line(name, part.interval, part.outcome, why, is_slice=True)
    if not gone and (more := len(one.slices) - _MOST_SLICES) > 0:
        name = f"{counted(more, 'slice')} more"
        yield _Line(name, None, RuleOutcome.FIT, "in the record of the run", is_slice=True)


def _draw(drawing: _Drawing, lines: Sequence[_Line], axis: "_Axis | None", bound: float) -> None:
    for line in lines:
        drawing.y += _LINE
        indent = _EDGE * (2 if line.is_slice else 1)
        size = {"fill": _GREY, "font_size": "12"} if line.is_slice else {}
        drawing.text(indent, _cut(line.label, _LABEL), **size)
        if axis is None or line.interval is None:
            drawing.text(_LEFT, line.why or "no interval", fill=_GREY)
            continue
        interval, y = line.interval, drawing.y - 4
        low, middle, high = map(axis.at, (interval.low, interval.difference, interval.high))
        color = _COLORS[line.outcome]
        drawing.rule(low, high, y, y, stroke=color, stroke_width="2")
        for end in (low, high):
            drawing.rule(end, end, y - 4, y + 4, stroke=color, stroke_width="2")
        drawing.mark(middle, line.outcome, 4 if line.is_slice else 5.5)
        digits = decimals(bound, interval)
        ends = f"{_signed(interval.low, digits)} to {_signed(interval.high, digits)}"
        drawing.text(_NUMBERS, f"{_signed(interval.difference, digits)} ({ends})", **size)
        word = {"text_anchor": "end", "fill": color, "font_size": "12"}
        drawing.text(_WIDTH - _EDGE, line.outcome, **word)


@dataclass(frozen=True, slots=True)
class _Axis:
    """The part of the numbers that a panel shows."""

    low: float
    high: float

    @classmethod
    def of(cls, intervals: Sequence[Interval], bound: float) -> "_Axis":
        """Return an axis that holds the intervals, the bound and 0."""
        ends = [0.0, bound, *(end for one in intervals for end in (one.low, one.high))]
        low, high = min(ends), max(ends)
        room = (high - low) * 0.06 or 1.0
        return cls(low - room, high + room)

    def at(self, value: float) -> float:
        """Return where a value is drawn."""
        return _LEFT + (value - self.low) / (self.high - self.low) * (_RIGHT - _LEFT)

    def ticks(self) -> list[tuple[float, str]]:
        """Return round numbers along the axis."""
        rough = (self.high - self.low) / _TICKS
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(unit * size for size in (1, 2, 5, 10) if unit * size >= rough)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        digits = max(0, -math.floor(math.log10(step)))
        return [(n * step, _signed(n * step, digits)) for n in range(first, last + 1)]


def _draw_axis(drawing: _Drawing, axis: _Axis, top: int, result: Result) -> None:
    bound = signed(result.rule, result.bound)
    bottom = drawing.y + 8
    drawing.rule(axis.at(0), axis.at(0), top, bottom)
    at = axis.at(bound)
    drawing.rule(at, at, top, bottom, stroke=_DARK, stroke_dasharray="4 3")
    drawing.rule(_LEFT, _RIGHT, bottom, bottom)
    drawing.y = bottom + 15
    for value, text in axis.ticks():
        x = axis.at(value)
        drawing.rule(x, x, bottom, bottom + 4)
        drawing.text(x, text, text_anchor="middle", font_size="11", fill=_GREY)
    drawing.y += 16
    level = next(one.interval.level for one in result.comparisons if one.interval)
    shown = f"intervals at {level * 100:.3g} %; dashed: {result.rule} {plain(result.bound)}"
    drawing.text(_NUMBERS, shown, font_size="11", fill=_GREY)
    drawing.text(_LEFT, "\N{LEFTWARDS ARROW} worse", font_size="11", fill=_GREY)
    better = {"text_anchor": "end", "font_size": "11", "fill": _GREY}
    drawing.text(_RIGHT, "better \N{RIGHTWARDS ARROW}", **better)


def _signed(number: float, digits: int) -> str:
    text = fixed(abs(number), digits)
    if float(text) == 0:
        return text
    return f"{_MINUS if number < 0 else '+'}{text.replace('-', _MINUS)}"


def _number(number: float) -> str:
    """Return a place in the forest plot."""
    return f"{number:.1f}".removesuffix(".0")


def _named(attributes: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in attributes.items()}


def _fit(text: str) -> str:
    return _UNFIT.sub(" ", text)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}\N{HORIZONTAL ELLIPSIS}"
