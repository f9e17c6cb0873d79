"""The log lines about phases have the data of the workbook: phases of runs, and durations."""

import json
import logging
from datetime import timedelta
from pathlib import Path

import pytest

from shared.core.run.record import Phase
from tests.fakes.faults import Faults, Kind
from tests.unit.fleet import Fleet
from tests.unit.log_reader import PARSE, columns_of, key_of, member, parse, result_of
from tests.unit.worlds import Observed

WORKBOOK = Path(__file__).parents[2] / "infra" / "workbook.json"
QUERIES = [
    item["content"]["query"]
    for item in json.loads(WORKBOOK.read_text(encoding="utf-8"))["items"]
    if "query" in item["content"]
]
CUSTOMERS = {"pipeline": {"data": {"blob": "{customer}/{name}.csv"}, "key": ["customer"]}}


def lines(caplog: pytest.LogCaptureFixture, event_id: str) -> list[dict[str, str]]:
    """Return the lines with this id, as queries read them."""
    read = [parse(message) for message in caplog.messages if message.startswith(f"[{event_id} ")]
    assert all(one is not None for one in read)
    return [one for one in read if one]


def test_each_phase_of_a_run_is_one_line_with_the_age_of_its_data(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "relearn")
    world = Observed()
    world.upload()
    world.clock.move(timedelta(minutes=2))
    (run,) = world.deliver()
    ended = world.until(run, Phase.PROMOTED)
    found = lines(caplog, "RL2001")
    phases = list(dict.fromkeys(entry.phase for entry in ended.history))
    assert [one["phase"] for one in found] == phases
    assert {one["run"] for one in found} == {run.run_id}
    assert [member(one["text"], "from") for one in found] == [None, *phases[:-1]]
    begun = {entry.phase: entry.at for entry in reversed(ended.history)}
    for one in found:
        at, text = begun[Phase(one["phase"])], one["text"]
        assert member(text, "data_age") == str(round((at - ended.data_time).total_seconds()))
        assert member(text, "open_for") == str(round((at - ended.opened_at).total_seconds()))
    lasted = [int(member(one["text"], "lasted") or 0) for one in found]
    assert sum(lasted) == int(member(found[-1]["text"], "open_for") or 0)
    assert int(member(found[0]["text"], "data_age") or 0) >= 120


def test_what_serves_where_is_a_line_once_it_is_promoted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "relearn")
    world = Observed()
    run = world.until(world.start(), Phase.PROMOTED)
    (served,) = lines(caplog, "RL2002")
    assert run.model is not None
    assert (served["run"], served["phase"]) == (run.run_id, "promoted")
    assert member(served["text"], "endpoint") == "production"
    assert member(served["text"], "model") == run.model.name


def test_each_query_of_the_workbook_reads_each_part_of_these_lines(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "relearn")
    world = Observed()
    world.until(world.start(), Phase.PROMOTED)
    read = {}
    for query in (one for one in QUERIES if "parse message" in one):
        operators = query.split(" | ")
        parsing = next(at for at, one in enumerate(operators) if one.startswith("parse "))
        rows = result_of(" | ".join(operators[: parsing + 1]), caplog.messages)
        for row in rows:
            values = {name: row[name] for name in columns_of(operators[parsing])}
            text = parse(row["message"], PARSE)["text"]  # type: ignore[index]
            renamed = {"before": "from"}
            for name in values.keys() - {"code", "name", "run", "pipeline", "key", "phase", "text"}:
                assert values[name] == (member(text, renamed.get(name, name)) or "-"), query
        read[query] = len(rows)
    assert len(read) > 5
    assert {count > 0 for query, count in read.items() if '"[RL2' in query} == {True}


def test_the_line_of_a_customers_run_names_the_customer(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "relearn")
    world = Observed(config=CUSTOMERS)
    world.start("Contoso Ltd/a=b.csv")
    assert {key_of(one["key"]) for one in lines(caplog, "RL2001")} == {("Contoso Ltd",)}


def test_an_endpoint_that_several_customers_share_is_one_place(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "relearn")
    world = Observed(config={"pipeline": {**CUSTOMERS["pipeline"], "when_busy": "parallel"}})
    for customer in ("acme", "beta"):
        world.upload(f"{customer}/1.csv", f"a,b,label\n1,2,0\n3,4,{customer}\n".encode())
        (run,) = world.deliver(f"{customer}/1.csv")
        world.until(run, Phase.PROMOTED)
    served = lines(caplog, "RL2002")
    assert [key_of(one["key"]) for one in served] == [("acme",), ("beta",)]
    assert {member(one["text"], "at") for one in served} == {world.pipeline.endpoints[0].ref.id}


def test_a_model_that_goes_to_several_endpoints_is_live_once_at_each(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "relearn")
    world = Fleet()
    world.upload()
    world.deliver()
    assert world.finish().phase is Phase.PROMOTED
    ages = [one for one in QUERIES if 'phase == "promoted"' in one]
    assert len(ages) == 2
    for query in ages:
        assert 'where phase == "promoted" and endpoint != "-" and ' in query
    live = [one for one in lines(caplog, "RL2001") if one["phase"] == "promoted"]
    at = sorted(member(one["text"], "endpoint") or "-" for one in live)
    assert at == ["-", *sorted(world.members)]


def test_the_end_of_a_run_is_said_even_if_its_worker_dies_before(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "relearn")
    calm = Observed(faults=Faults({}))
    calm.until(calm.start(), Phase.PROMOTED)
    writes = [at for at, site in enumerate(calm.faults.sites) if site == "replace runs"]
    caplog.clear()
    world = Observed(faults=Faults({writes[-1]: Kind.CRASH_AFTER}))
    world.upload()
    world.survive(world.deliver)
    for _ in range(20):
        world.survive(world.tick)
    assert world.run().phase is Phase.PROMOTED
    assert [one["phase"] for one in lines(caplog, "RL2001")][-1] == "promoted"
    assert len(lines(caplog, "RL2002")) == 1
