"""The page about the pipelines file shows windows and date formats as they are."""

import re
from datetime import UTC, datetime
from pathlib import Path
from textwrap import indent
from typing import Final

from shared.config.loader import load_pipelines
from shared.core.config.dotnet_dates import formatted
from shared.core.config.windows import window_of

PAGE: Final = Path(__file__).parents[3] / "docs" / "pipelines-file.md"
SERVICE: Final = "https://ussouthcentral.services.azureml.net/workspaces/w/services/e/jobs"


def section() -> str:
    text = PAGE.read_text(encoding="utf-8")
    return text.partition("## Schedules and windows")[2].partition("\n## ")[0]


def test_the_example_is_sound_and_its_texts_are_filled_in(tmp_path: Path) -> None:
    block = section().partition("```yaml\n")[2].partition("```")[0]
    service = f"  training:\n    service: {SERVICE}\n    api_key: ${{KEY}}"
    file = tmp_path / "pipelines.yaml"
    file.write_text("pipelines:\n" + indent(block.replace("  training:", service), "  "))
    found = load_pipelines(file, {"KEY": "k"}, development=False)
    assert found.problems == ()
    pipeline = found.pipelines["churn"]
    assert pipeline.schedule is not None
    due = datetime(2026, 1, 12, tzinfo=UTC)
    within = pipeline.in_window(window_of(pipeline.schedule, due))
    assert within.data is not None
    assert within.data.blob == "labelled/2026/01/05/{name}.arff"
    assert within.training.sources["input2"] == "prices/20260111.csv"
    assert within.training.parameters == {"From": "2026-01-05", "To": "2026-01-12"}


def test_each_format_of_the_table_gives_what_it_says() -> None:
    at, seen = datetime(2026, 1, 5, 14, 7, 9, tzinfo=UTC), 0
    for line in section().splitlines():
        cells = [re.findall(r"`([^`]+)`", cell) for cell in line.split("|")]
        if not line.startswith("| `"):
            continue
        for forms, given in ((cells[1], cells[2]), (cells[4], cells[5])):
            assert [formatted(at, form) for form in forms] == given
            seen += len(forms)
    assert seen == 19
