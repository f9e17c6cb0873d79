"""Settings are described where they are set: docs/settings.md, and the example of settings."""

import json
import re
from pathlib import Path
from typing import Final

from shared.config import connections
from shared.config.settings import APP_SETTINGS

ROOT: Final = Path(__file__).parents[3]
PAGE: Final = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
#: The first column of the table: one setting, or several.
ROWS: Final = {
    name: line
    for line in PAGE.splitlines()
    if line.startswith("| `")
    for name in re.findall(r"`([^`]+)`", line.split("|")[1])
}


def test_the_page_describes_each_setting_of_the_list_and_no_other() -> None:
    of_connections = set(connections.connection_settings())
    listed = {one.name: one for one in APP_SETTINGS}
    assert set(ROWS) == (set(listed) - of_connections) | set(connections.CONNECTIONS)
    for name in set(ROWS) - of_connections:
        assert ("| required |" in ROWS[name]) is listed[name].required
    assert connections.DEFAULT_CONNECTION in PAGE


def test_the_schedule_tick_is_said_to_drive_the_search_and_retention() -> None:
    row = ROWS["SCHEDULE_TICK"]
    example = json.loads((ROOT / "local.settings.example.json").read_text(encoding="utf-8"))
    about = " ".join(example["_about"])
    timer = (ROOT / "functions" / "start_scheduled_runs.py").read_text(encoding="utf-8")
    driven = {
        "search.run_until": "whose event was lost",
        "retention.clean": "deletes records",
    }
    for call, said in driven.items():
        assert call in timer
        assert said in row
        assert said in about
    assert {"POLL_SCHEDULE", "SCHEDULE_TICK"} <= set(example["Values"])
