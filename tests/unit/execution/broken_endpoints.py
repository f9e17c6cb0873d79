"""Worlds whose endpoint has a broken model, and what its service answers."""

import json
from datetime import timedelta

from shared.core.run.record import Phase, Run
from shared.providers.http.client import Answer
from tests.fakes.world import CSV
from tests.unit.worlds import Observed, refused

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
OTHER_COLUMNS = b"x,y,label\n1,2,0\n"
PATCH = ("PATCH", "/production")
READ_BACK = ("GET", "/production")
REFRESH = ("POST", "/refresh")
SCORE = ("POST", "/execute")
TAKEN = Answer(200, {}, b"")
BAD = refused(400, "InvalidInputNames", "Invalid service input name(s).")
COLD = refused(503, "InitializingContainers", "cold start")
OTHER_ROWS = {
    "Inputs": {"input1": {"ColumnNames": ["a", "b"], "Values": [["10", "2"], ["3", "40"]]}}
}


def csv(number: int) -> bytes:
    return CSV + f"{number},{number},1\n".encode()


def scored(**columns: list[str]) -> Answer:
    names = [name.replace("_", " ") for name in columns]
    value = {
        "ColumnNames": names,
        "Values": [list(row) for row in zip(*columns.values(), strict=True)],
    }
    return Answer(200, {}, json.dumps({"Results": {"output1": {"value": value}}}).encode())


def parked_with_a_broken_model(world: Observed) -> Run:
    """Leave a broken model serving, its lease behind, and its run parked."""
    refuse = world.script(*REFRESH, BAD, times=None)
    run = world.until(world.next_run("bad.csv", OTHER_COLUMNS), Phase.PARKED)
    assert run.parked_in is Phase.ROLLING_BACK
    refuse()
    return run
