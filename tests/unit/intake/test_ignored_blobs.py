"""An ignored blob is logged the first time only."""

import logging

import pytest

from shared import telemetry
from tests.unit.worlds import Observed


def test_a_blob_that_no_pipeline_wants_is_reported_once_and_what_is_remembered_is_bounded(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry, "_REMEMBERED", 2)
    world = Observed()
    caplog.set_level(logging.INFO, "relearn")
    for name in ("a.txt", "a.txt", "b.txt", "a.txt", "c.txt", "a.txt"):
        world.upload(name)
        world.deliver(name)
    reported = [line.split()[1] for line in caplog.messages if "matches no pipeline" in line]
    assert reported == ["a.txt", "b.txt", "c.txt", "a.txt"]
