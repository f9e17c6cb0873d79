"""Settings are described where they are set: docs/settings.md, and the example of settings."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from shared.config import settings

ROOT: Final = Path(__file__).parents[3]
PAGE: Final = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
#: The first column of the table: one setting, or several.
ROWS: Final = {
    name: line
    for line in PAGE.splitlines()
    if line.startswith("| `")
    for name in re.findall(r"`([^`]+)`", line.split("|")[1])
}


class Asked(Mapping[str, str]):
    """An empty environment that remembers which settings were asked for."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def test_every_setting_that_the_app_reads_is_described() -> None:
    environment = Asked()
    settings.read_settings(environment, ROOT)
    own = {name for name in environment.names if "__" not in name}
    assert own >= {"TRAINING_DATA_CONTAINER", "CLAIM_LEASE", "POLL_SCHEDULE"}
    assert own - set(ROWS) <= {settings.DEFAULT_CONNECTION}
    assert settings.DEFAULT_CONNECTION in PAGE


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
