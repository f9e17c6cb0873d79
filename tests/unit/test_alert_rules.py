"""Each alert has a rule, each rule a section of the runbook, and each query finds its lines."""

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest

from shared.core.run.log_lines import Subject
from shared.telemetry import Alert, Note, report
from tests.unit.log_reader import key_of, result_of

ROOT: Final = Path(__file__).parents[2]
BOOK: Final = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
OBSERVABILITY: Final = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
RULES: Final[list[dict[str, Any]]] = json.loads((ROOT / "infra" / "alerts.json").read_text())
#: The rule that reads no log line.
NO_LINE: Final = "no-poll"
KEY: Final = ("Contoso Ltd", 'a "b"=c')


def slug(heading: str) -> str:
    """Return the anchor that a heading gets."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


SECTIONS: Final = {
    slug(text.partition("\n")[0]): text for text in re.split(r"^## ", BOOK, flags=re.MULTILINE)[1:]
}


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return a line of each alert, as it is logged, and forget them."""
    for alert in Alert:
        about = {"run_id": "sample-1", "pipeline": "sample", "phase": "parked"}
        report(alert, "why: [RL1001 parked] run=x pipeline=y", key=KEY, **about)
    messages = list(caplog.messages)
    caplog.clear()
    return messages


@pytest.mark.parametrize("alert", Alert, ids=lambda alert: alert.name)
def test_each_alert_is_of_one_rule_and_in_the_table_of_the_runbook(alert: Alert) -> None:
    (rule,) = [one for one in RULES if alert.event_id in one["codes"]]
    anchor = rule["runbook"].partition("#")[2]
    (row,) = re.findall(rf"^\| `{alert.event_id}` \|.*$", SECTIONS["alerts"], re.MULTILINE)
    assert f"(#{anchor})" in row
    assert f'<a id="{alert.event_id.lower()}"></a>' in SECTIONS[anchor]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["id"]))
def test_each_rule_has_a_section_with_its_query_causes_and_commands(rule: dict[str, Any]) -> None:
    assert set(rule["codes"]) <= {alert.event_id for alert in Alert}
    assert bool(rule["codes"]) == (rule["id"] != NO_LINE)
    page, _, anchor = rule["runbook"].partition("#")
    assert page == "docs/runbook.md"
    section = SECTIONS[anchor]
    assert section.startswith(rule["title"])
    (query,) = re.findall(r"^```kusto\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert " ".join(query.split()) == rule["query"]
    causes, commands = section.index("\nLikely causes:\n"), section.index("\nCommands:\n")
    assert section[causes:commands].count("\n- ") >= 1
    assert re.search(r"^```sh\n(#.*\n)?(curl|az) ", section[commands:], re.MULTILINE)


def test_each_request_of_the_runbook_is_one_that_the_api_takes() -> None:
    described = json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))["paths"]
    asked = re.findall(r'curl (.*?)"https://<app>\.azurewebsites\.net/api([^"?]*)\??(.*?)"', BOOK)
    assert len(asked) > 20
    for options, path, query in asked:
        form = re.compile(re.sub(r"<[^>]+>", r"\\{\\w+\\}", path))
        (operations,) = [one for route, one in described.items() if form.fullmatch(route)]
        operation = operations["post" if "-X POST" in options else "get"]
        given = [one.partition("=")[0] for one in query.split("&") if one]
        known = {one.get("name") for one in operation.get("parameters", [])}
        assert set(given) - {"code"} <= known, path
        assert ("code" in given) == (path != "/health"), path


@pytest.mark.parametrize("rule", [r for r in RULES if r["codes"]], ids=lambda r: str(r["id"]))
def test_each_query_finds_the_lines_of_its_alerts_and_no_others(
    rule: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    others = ["run sample-1 failed", " [RL1001 parked] run=x", "", "[RL2001 phase] run=- "]
    rows = result_of(rule["query"], [*lines(caplog), *others])
    assert [row["code"] for row in rows] == rule["codes"]
    for row in rows:
        assert (row["run"], row["pipeline"], row["phase"]) == ("sample-1", "sample", "parked")
        assert key_of(row["key"]) == KEY
        assert row["text"] == "why: [RL1001 parked] run=x pipeline=y"


def test_the_rule_without_a_line_names_the_timer_of_the_poll() -> None:
    (rule,) = [one for one in RULES if one["id"] == NO_LINE]
    (name,) = re.findall(r'name == "(\w+)"', rule["query"])
    assert f'function_name("{name}")' in (ROOT / "functions" / "poll_jobs.py").read_text()


def test_each_link_inside_the_runbook_leads_to_a_section() -> None:
    pages = {"": SECTIONS, "runbook.md": SECTIONS}
    links = re.findall(r"\]\(()#([^)]+)\)", BOOK)
    links += re.findall(r"\]\((runbook\.md)#([^)]+)\)", OBSERVABILITY)
    assert links
    assert [anchor for page, anchor in links if anchor not in pages[page]] == []


@pytest.mark.parametrize("note", Note, ids=lambda note: note.name)
def test_each_line_of_the_workbook_is_described(note: Note) -> None:
    assert f"| `{note.value}` |" in OBSERVABILITY


@pytest.mark.parametrize(
    "query", re.findall(r"^```kusto\n(.*?)^```", OBSERVABILITY, re.MULTILINE | re.DOTALL)
)
def test_the_queries_of_the_documentation_read_the_form_that_is_written(query: str) -> None:
    first = " ".join(query.split()).split(" | ")[:3]
    beginning = Subject("sample-1", "sample", KEY, "promoted").beginning("RL2001", "phase")
    (row,) = result_of(" | ".join(first), [f"{beginning}from=verifying data_age=12", "other"])
    assert key_of(row["key"]) == KEY
    assert row["text"] == "from=verifying data_age=12"


def test_no_line_that_a_rule_reads_is_sampled_or_filtered_out() -> None:
    host = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))
    kept = host["logging"]
    excluded = kept["applicationInsights"]["samplingSettings"]["excludedTypes"].split(";")
    assert {"Request", "Trace"} <= set(excluded)  # `requests` has the polls, `traces` the lines
    assert "logLevel" not in kept  # lines of the workbook are at INFO, which is the default
    for file in (ROOT / "infra").rglob("*.bicep"):
        assert "SamplingPercentage" not in file.read_text(encoding="utf-8")
