"""No action of the app or its operators changes a byte of a record of a later form."""

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from shared.core.frozen import WRITTEN_BY
from shared.core.run.manual_request import ManualRequest
from shared.core.serving.references import EndpointAddress
from shared.errors import RelearnError
from shared.ledger.progress import Rotation
from shared.operations.commands import OperatorCommand
from shared.operations.health import HealthReport
from tests.unit.filed import Filed
from tests.unit.ledger.test_unreadable import KINDS as UNREADABLE
from tests.unit.ledger.test_unreadable import Full, prepared
from tests.unit.maintenance.cleaning import cleaned

MORE: Final = ("tick", "last_event", "undelivered")
KINDS: Final = (*(kind for kind in UNREADABLE if kind not in ("open/holder", "index")), *MORE)
#: Records that an operator sees only by name: no step needs their content.
SILENT: Final = ("cleaning",)
ENDPOINT: Final = EndpointAddress("sample", "production")
BOSS: Final = OperatorCommand(by="boss")


def later(body: bytes) -> bytes:
    """Return a record as a later release might store it."""
    known = json.loads(body)
    return json.dumps({**known, WRITTEN_BY: "0.9.0", "schema_version": 3, "later": 1}).encode()


class Operators:
    """All that can be asked of the app; the answers and errors are kept."""

    def __init__(self, full: Full) -> None:
        self.full, self.said = full, ""

    def __call__(self, ask: Callable[[], object]) -> None:
        try:
            self.said += f"{ask()}\n"
        except RelearnError as exc:
            self.said += f"{exc}\n"

    def everything(self) -> None:
        app = self.full.world.app
        for run_id in self.full.ids.values():
            for act in (app.run_operations.find, app.run_operations.retry):
                self(lambda act=act, run_id=run_id: act(run_id))  # type: ignore[misc]
            self(lambda run_id=run_id: app.run_operations.approve(run_id, BOSS))  # type: ignore[misc]
            self(lambda run_id=run_id: app.run_operations.cancel(run_id))  # type: ignore[misc]
        for change in (app.pipelines.pause, app.pipelines.resume):
            self(lambda change=change: change("sample", BOSS))  # type: ignore[misc]
        self(lambda: app.pipelines.status("sample"))
        self(lambda: app.pipelines.preview("sample", "a-1.csv"))
        self(app.endpoints.lines)
        self(lambda: app.endpoints.show(ENDPOINT))
        self(lambda: app.endpoints.rollback(ENDPOINT, None, BOSS))
        self(lambda: app.endpoints.resume(ENDPOINT))
        request = ManualRequest(data="a-1.csv")
        self(lambda: app.requests.requested(self.full.world.pipeline, "later", request))
        report = HealthReport()
        self(lambda: app.health.details(report, 50, None))
        self(lambda: report.problems)


@cache
def with_every_record() -> Full:
    """Return a world with a record of each kind, which is only to be copied."""
    full = prepared().copied()
    world = full.world
    full.end_jobs()
    world.app.ticks.note()
    world.app.pipelines.pause("sample")
    world.app.undelivered.look()
    _event(full)
    world.context.ledger.rotation.put(Rotation(first="sample"), None)
    cleaned(world)
    return full


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_left_alone_and_named(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    full = with_every_record().copied()
    world = full.world
    name = full.name(kind)
    body = later(world.documents.rows[name].body)
    world.damage(name, body)
    if kind == "inbox":  # a later form has metadata of its own: CONTRIBUTING.md
        _without_metadata(full, name)
    full.begin_anew()
    operators = Operators(full)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            full.everything()
            world.app.ticks.note()
            world.app.undelivered.look()
            _event(full)
        operators.everything()
        for days in (1, 2, 500, 32, 500):
            world.clock.move(timedelta(days=days))
            full.everything()
            with suppress(RelearnError):
                cleaned(world)
        operators.everything()
    assert world.documents.rows[name].body == body
    said = caplog.text + operators.said
    assert kind in SILENT or (name in said and "0.9.0" in said)
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("removed", [False, True])
def test_a_configuration_of_a_later_form_is_neither_replaced_nor_deleted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, removed: bool
) -> None:
    world = Filed(folder=tmp_path)
    body = later(world.documents.rows["configurations/other"].body)
    world.damage("configurations/other", body)
    if removed:
        del world.tree["pipelines"]["other"]
    else:
        world.tree["pipelines"]["other"]["training"]["attempts"] = 3
    world.write()
    for _ in range(3):
        world.clock.move(timedelta(minutes=11))
        world.app.activations.refresh()
        world.poll.tick()
    assert world.documents.rows["configurations/other"].body == body
    assert "configurations/other is not understood (schema_version 3" in caplog.text


def _event(full: Full) -> None:
    """Have the event of a blob arrive that was written to see that it does."""
    full.world.app.blob_events.blob_arrived(
        ".relearn/scratch/0123456789abcdef0123456789abcdef", "on_training_data"
    )


def _without_metadata(full: Full, name: str) -> None:
    documents = full.world.documents
    row = documents.rows[name]
    documents.rows[name] = type(row)(row.body, row.etag, row.modified, {})
