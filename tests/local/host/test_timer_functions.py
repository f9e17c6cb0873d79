"""Timer functions of a running host."""

import requests

from local.host.process import HostProcess
from tests.local.host.conftest import ToyHost


def test_ticks_each_second_one_at_a_time(host: HostProcess, shared_toy: ToyHost) -> None:
    before = len(shared_toy.notes("tick"))
    ticks = shared_toy.wait_for("tick", before + 2)[-2:]
    assert all(tick["past_due"] is False for tick in ticks)
    assert ticks[0]["status"]["Next"] < ticks[1]["status"]["Next"]
    assert ticks[0]["status"]["Last"] < ticks[1]["status"]["Last"]
    assert ticks[0]["schedule"] == {"AdjustForDST": True}


def test_runs_on_startup_and_on_request(host: HostProcess, shared_toy: ToyHost) -> None:
    before = len(shared_toy.wait_for("at_start"))
    body = '{"input": ""}'
    requests.post(f"{host.url}/admin/functions/at_start", data=body, timeout=10)
    shared_toy.wait_for("at_start", before + 1)
