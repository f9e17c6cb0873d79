"""Every place that names the version names the same one."""

import json
import tomllib
from pathlib import Path
from typing import Final

import pytest

from local import api_description
from shared.core.frozen import WRITTEN_BY
from shared.core.run.record import Phase
from shared.errors import CorruptRecordError
from shared.ledger.ledger import Ledger
from shared.version import VERSION
from tests.fakes.clock import FakeClock
from tests.fakes.documents import MemoryDocuments
from tests.unit.samples import run
from tests.unit.worlds import Observed

ROOT: Final = Path(__file__).resolve().parents[2]
#: Documents without a body: their names and metadata say everything.
EMPTY: Final = {"open", "index", "tombstones", "inbox"}


@pytest.fixture
def documents() -> MemoryDocuments:
    return MemoryDocuments(FakeClock())


@pytest.fixture
def ledger(documents: MemoryDocuments) -> Ledger:
    return Ledger(documents)


def test_the_project_and_the_api_document_have_the_version_of_the_code() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    document = json.loads(api_description.FILE.read_text(encoding="utf-8"))
    assert (project["version"], document["info"]["version"]) == (VERSION, VERSION)


def test_every_record_says_which_version_wrote_it() -> None:
    world = Observed(config={"pipeline": {"when_busy": "newest"}})
    world.until(world.start(), Phase.PROMOTED)
    rows = world.documents.rows
    records = {name: row.body for name, row in rows.items() if row.body}
    kinds = {name.partition("/")[0] for name in records}
    assert {
        "runs",
        "versions",
        "endpoints",
        "drift_checks",
        "run_queues",
        "pipelines",
        "poll",
    } <= kinds, kinds
    assert {json.loads(body)[WRITTEN_BY] for body in records.values()} == {VERSION}
    assert {name.partition("/")[0] for name in rows if name not in records} <= EMPTY


@pytest.mark.parametrize("writer", [None, "", "0.0.9", "1.0.0"])
def test_a_record_of_any_app_version_is_read(
    ledger: Ledger, documents: MemoryDocuments, writer: str | None
) -> None:
    wanted = run(Phase.TRAINING)
    stored = json.loads(wanted.model_dump_json()) | ({} if writer is None else {WRITTEN_BY: writer})
    documents.create(f"runs/{wanted.run_id}", json.dumps(stored).encode())
    found = ledger.runs.read(wanted.run_id)
    assert found is not None
    assert found.record == wanted


@pytest.mark.parametrize(
    ("writer", "named"),
    [("2.1.0", "deploy the version that wrote it, 2.1.0,"), ("<b>\n", "wrote it or"), (7, "it or")],
)
def test_a_record_that_is_not_understood_names_the_version_that_can(
    ledger: Ledger, documents: MemoryDocuments, writer: object, named: str
) -> None:
    documents.create("runs/x", json.dumps({WRITTEN_BY: writer, "schema_version": 3}).encode())
    with pytest.raises(CorruptRecordError, match=named) as caught:
        ledger.runs.read("x")
    assert VERSION in str(caught.value)
