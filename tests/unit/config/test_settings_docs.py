"""What a setting drives is said where it is set: README, and the example of local settings."""

import json
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_schedule_tick_is_said_to_drive_the_search_and_retention() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (row,) = [line for line in readme.splitlines() if line.startswith("| `SCHEDULE_TICK`")]
    example = json.loads((ROOT / "local.settings.example.json").read_text(encoding="utf-8"))
    about = " ".join(example["_about"])
    timer = (ROOT / "functions" / "start_scheduled_runs.py").read_text(encoding="utf-8")
    driven = {
        "sweep.run_until": "whose event was lost",
        "retention.clean": "forgets records and models",
    }
    for call, said in driven.items():
        assert call in timer
        assert said in row
        assert said in about
    assert {"POLL_SCHEDULE", "SCHEDULE_TICK"} <= set(example["Values"])
