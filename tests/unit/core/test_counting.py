"""Counts in sentences read well with one: `1 run`, never `1 runs`."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.core.counting import counted, grouped, sized, they
from shared.core.run.concurrency import QueueEntry, RunQueue, over_budget
from shared.core.run.record import Delivery, Phase
from shared.core.run.rollout import outcome
from shared.core.run.waiting import waits_of
from shared.core.serving.probes import ProbeSeries, Streak
from shared.core.serving.references import EndpointAddress
from shared.errors import NoSuchEndpointError
from shared.providers.studio.scoring import read_answers
from tests.fakes.world import CSV
from tests.unit.samples import NOW, ROWS, pipeline, promotion, run
from tests.unit.worlds import RUNNING, Observed, refused

ROOT = Path(__file__).parents[3]
#: One of something, with the word for several of it.
STUTTER = re.compile(
    r"\b1 (?:more )?(?:runs|blobs|endpoints|rows|probes|cells|jobs|problems|values|keys|records|"
    r"rules|attempts|models|characters|versions|pipelines)\b"
)
NOUNS = re.compile(
    r" (?:more |further |other |probe |trained |data |started )?"
    r"(?:runs|blobs|endpoints|rows|probes|cells|jobs|problems|values|keys|records|rules|attempts|"
    r"models|characters|versions|pipelines|deliveries|starts|requests|rollbacks|secrets|trials|"
    r"violations|hosts|events)\b"
)
#: What a file with one of them before a number has, where its text goes on or begins again. To
#: parse the others would take seconds.
BEHIND_A_VALUE = re.compile(rf"[}}'\"]{NOUNS.pattern}")


def test_one_is_reported_as_one() -> None:
    assert [counted(n, "run") for n in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]
    assert [counted(n, "delivery", "deliveries") for n in (1, 3)] == ["1 delivery", "3 deliveries"]
    assert [grouped(n, "row") for n in (0, 1, 2300)] == ["0 rows", "1 row", "2,300 rows"]
    assert [they(n, "is", "are") for n in (0, 1, 2)] == ["are", "is", "are"]


def test_sizes_are_said_in_whole_megabytes_where_they_are_some() -> None:
    sizes = {64 * 1024**2: "64 MB", 64 * 1024**2 + 1: "67108865 bytes", 1: "1 byte", 0: "0 bytes"}
    assert {number: sized(number) for number in sizes} == sizes


def bare_counts(file: Path) -> Iterator[str]:
    """Yield the positions where any number is written before a plural word."""
    source = file.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)) if BEHIND_A_VALUE.search(source) else ():
        if not isinstance(node, ast.JoinedStr):
            continue
        for value, text in zip(node.values, node.values[1:], strict=False):
            if not isinstance(value, ast.FormattedValue) or not isinstance(text, ast.Constant):
                continue
            shown = ast.unparse(value.value)
            constant = re.fullmatch(r"_?[A-Z][A-Z0-9_]*", shown.rpartition(".")[2])
            if NOUNS.match(str(text.value)) and not constant:
                yield f"{file.relative_to(ROOT)}:{node.lineno}: {{{shown}}}{text.value!s}"


def test_every_number_before_a_noun_goes_through_the_helper() -> None:
    files = [
        file
        for folder in ("shared", "functions", "local", "proofs")
        for file in sorted((ROOT / folder).rglob("*.py"))
    ]
    allowed = {
        "{sampler.workers} workers",
        "{run.job} runs (attempt ",
        "{versions} started jobs",
        "{2 + _REPEATS} events",
    }
    found = [one for file in files for one in bare_counts(file)]
    assert [one for one in found if not any(text in one for text in allowed)] == []


def budget() -> str | None:
    config = pipeline(budget={"most_per_day": 1})
    return over_budget(RunQueue(begun=(QueueEntry(run_id="a", at=NOW),)), config, "b", NOW)


def roll_out() -> str:
    known = (Delivery(endpoint="production", run_id="d", outcome=Phase.PROMOTED),)
    over = outcome(run(Phase.ROLLING_OUT, deliveries=known))
    assert over is not None
    return over.reason


def waiting() -> str:
    waits = waits_of(run(Phase.ROLLING_OUT))
    assert waits is not None
    return waits.line


def keys() -> str:
    world = Observed()
    with pytest.raises(NoSuchEndpointError) as caught:
        world.app.endpoints.show(EndpointAddress("sample", "production", ("a",)))
    return str(caught.value)


def failing() -> Observed:
    """A queue of one slot, at a service that refuses every job."""
    world = Observed(
        config={
            "pipeline": {"pause_after": 1, "when_busy": "queue"},
            "training": {"max_parallel": 1},
        }
    )
    world.script("POST", "/jobs", refused(400, "BadArgument", "no"), times=None)
    for name, content in (("a.csv", CSV), ("b.csv", CSV + b"5,6,1\n")):
        world.upload(name, content)
        world.deliver(name)
        world.tick()
    return world


def paused() -> str:
    world = failing()
    (run_queue,) = world.app.pipelines.status("sample").run_queues
    assert run_queue.paused is not None
    return run_queue.paused.reason


def busy() -> str:
    world = Observed(config={"training": {"max_parallel": 1}})
    world.http.answers.append(lambda method, path: RUNNING if "/jobs/" in path else None)
    for name, content in (("a.csv", CSV), ("b.csv", CSV + b"5,6,1\n")):
        world.upload(name, content)
        world.deliver(name)
        world.tick()
    return next(str(one.reason) for one in world.runs() if one.phase is Phase.WAITING)


def probe() -> str:
    answer = {"Results": {"o": {"value": {"ColumnNames": ["Scored"], "Values": [["1"]]}}}}
    return read_answers(ROWS, answer, 2).detail


def given_up() -> str:
    judged = ProbeSeries(all=Streak(probes=1), bad=Streak(probes=1))
    waits = waits_of(run(Phase.VERIFYING, promotion=promotion(probe_series=judged)))
    assert waits is not None
    return waits.line


@pytest.mark.parametrize("said", [budget, roll_out, waiting, keys, paused, busy, probe, given_up])
def test_one_of_something_never_reads_as_several(said: Any) -> None:
    text = said()
    assert "1 " in text
    assert not STUTTER.search(text), text
