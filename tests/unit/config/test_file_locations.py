"""The setting with the place of the pipelines file: a wrong one stops no open run."""

from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import pytest

from shared.app import App, SystemClock, build
from shared.config.file_locations import FileLocation
from shared.config.settings import read_settings
from shared.providers.http.client import RequestsHttp
from tests.unit.config.test_settings import GOOD


def test_the_pipelines_file_may_be_a_blob(tmp_path: Path) -> None:
    named = {**GOOD, "PIPELINES_FILE": "blob:config/team a/pipelines.yaml"}
    place = PurePosixPath("team a/pipelines.yaml")
    assert read_settings(named, tmp_path).pipelines == FileLocation(place, "config")


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("blob:", "does not name a container"),
        ("blob:/pipelines.yaml", "does not name a container"),
        ("blob:Config/pipelines.yaml", "does not name a container"),
        ("blob://config/pipelines.yaml", "does not name a container"),
        ("blob:config", "does not name a blob"),
        ("blob:config/", "does not name a blob"),
        ("blob:config//pipelines.yaml", "does not name a blob"),
        ("blob:config/a//b.yaml", "does not name a blob"),
        ("blob:config/../ledger/pipelines.yaml", "does not name a blob"),
        ("blob:config/./pipelines.yaml", "does not name a blob"),
        ("blob:config/a\\b.yaml", "does not name a blob"),
        ("blob:config/a.yaml?sig=hidden", "does not name a blob"),
        (" blob:config/pipelines.yaml", "does not begin with blob: in lower-case letters"),
        ("BLOB:config/pipelines.yaml", "does not begin with blob: in lower-case letters"),
        ("https://a.blob.core.windows.net/config/p.yaml?sig=hidden", "is a URL"),
        ("blob:training-data/pipelines.yaml", "a container of data, models or the ledger"),
        ("blob:models/pipelines.yaml", "a container of data, models or the ledger"),
        ("blob:ledger/pipelines.yaml", "a container of data, models or the ledger"),
    ],
)
def test_a_wrong_place_of_the_pipelines_file_is_reported_and_stops_no_run(
    tmp_path: Path, value: str, what: str
) -> None:
    settings = read_settings({**GOOD, "PIPELINES_FILE": value}, tmp_path)
    assert settings.problems == ()
    assert settings.pipelines.problem is not None
    said = str(settings.pipelines.problem)
    assert said.startswith("PIPELINES_FILE: ")
    assert what in said
    assert "hidden" not in said
    built = build(
        {**GOOD, "PIPELINES_FILE": value},
        tmp_path,
        RequestsHttp(),
        SystemClock(),
        datetime.now(UTC),
    )
    assert isinstance(built, App)
    assert [str(one) for one in built.found] == [said]
    assert (built.changed_file, built.last_good.incomplete) == (None, True)
