"""`relearn backtest`: the app replays the gate of a file over its recorded runs, page by page."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest

from cli import texts
from functions.api_models.backtests import BacktestShown, RunReplayed, VerdictReplayed
from shared.core.decisions.comparison import RuleOutcome
from shared.core.run.record import Phase
from shared.core.run.replays import GateAction
from tests.cli.conftest import PIPELINES, Relearn

GATE = """\
gate:
  metrics: evaluation
  rules:
    - {metric: AUC, at_least: 0.80}
"""
SENT = {"metrics": "evaluation", "rules": [{"metric": "AUC", "at_least": 0.8}]}


def says(action: GateAction, reason: str) -> VerdictReplayed:
    outcome = RuleOutcome.WORSE if action is GateAction.REJECT else RuleOutcome.FIT
    return VerdictReplayed(outcome=outcome, action=action, reason=reason, rules=())


def replayed(number: int, replayed: VerdictReplayed | None, why: str = "") -> RunReplayed:
    return RunReplayed(
        run_id=f"census-{number}",
        opened_at=datetime(2026, 11, number, 12, tzinfo=UTC),
        phase=Phase.PROMOTED,
        changed=replayed is not None and replayed.action is not GateAction.PROMOTE,
        recorded=says(GateAction.PROMOTE, "the rule holds"),
        replayed=replayed,
        by="record" if replayed else None,
        reason=why,
    )


def page(*runs: RunReplayed, more: str | None = None) -> dict[str, Any]:
    shown = BacktestShown(
        runs=runs, replayed=0, changed=0, not_replayable=0, skipped=1, next=more
    ).model_dump_json(exclude_none=True)
    answer: dict[str, Any] = json.loads(shown)
    return answer


SUMS = "2 runs replayed, 1 would have ended differently; of 1 it is unknown; 2 runs were not judged"
PAGES = {
    None: page(
        replayed(9, says(GateAction.PROMOTE, "the rule holds")),
        replayed(8, says(GateAction.REJECT, "AUC 0.7 is below at_least 0.8")),
        more="a",
    ),
    "a": page(replayed(7, None, "its predictions are gone")),
}


class App(BaseHTTPRequestHandler):
    """An app that answers pages by their cursor, or something else."""

    answer: ClassVar[tuple[int, Any] | None] = None
    asked: ClassVar[list[tuple[str, dict[str, Any]]]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.path, body))
        status, answer = self.answer or (200, PAGES[body["cursor"]])
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(autouse=True)
def url() -> Iterator[str]:
    App.answer, App.asked[:] = None, []
    with HTTPServer(("127.0.0.1", 0), App) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def gate(folder: Path) -> str:
    (folder / "gate.yaml").write_text(GATE)
    return "gate.yaml"


def test_the_runs_that_would_have_ended_differently_are_printed(
    relearn: Relearn, url: str, gate: str
) -> None:
    said = relearn("backtest", gate, "--pipeline", "census", "--url", url)
    assert said.code == 0
    lines = [line.split("  ") for line in said.out.splitlines()]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert cells == [
        ["run", "opened", "phase", "its gate", "this gate", "why"],
        [
            "census-8",
            "2026-11-08 12:00",
            "promoted",
            "passes",
            "rejects",
            "AUC 0.7 is below at_least 0.8",
        ],
        [
            "census-7",
            "2026-11-07 12:00",
            "promoted",
            "passes",
            "not_replayable",
            "its predictions are gone",
        ],
        [SUMS],
    ]
    asked = [(path, body["gate"], body["cursor"], body["limit"]) for path, body in App.asked]
    route = "/api/pipelines/census/backtest"
    assert asked == [(route, SENT, None, 20), (route, SENT, "a", 20)]


def test_all_runs_are_printed_where_they_are_asked_for(
    relearn: Relearn, url: str, gate: str
) -> None:
    said = relearn("backtest", gate, "--pipeline", "census", "--url", url, "--all")
    assert "census-9" in said.out


def test_no_more_runs_are_replayed_than_were_asked_for(
    relearn: Relearn, url: str, gate: str
) -> None:
    told = ("backtest", gate, "--pipeline", "census", "--url", url, "--last", "2", "--from-files")
    said = relearn(*told)
    assert [(body["limit"], body["from_files"]) for _, body in App.asked] == [(2, True)]
    assert said.out.splitlines()[-1] == "There are older runs: --last takes more of them"


def test_json_has_every_run_and_the_sums(relearn: Relearn, url: str, gate: str) -> None:
    said = relearn("backtest", gate, "--pipeline", "census", "--url", url, "--json").json
    sums = {name: said[name] for name in ("replayed", "changed", "not_replayable", "skipped")}
    assert sums == {"replayed": 2, "changed": 1, "not_replayable": 1, "skipped": 2}
    assert (said["result"], said["pipeline"], said["older"]) == ("ok", "census", False)
    assert [one["run_id"] for one in said["runs"]] == ["census-9", "census-8", "census-7"]


def test_the_gate_of_a_pipelines_file_is_replayed(relearn: Relearn, url: str, folder: Path) -> None:
    indented = "\n".join(f"    {line}" for line in GATE.splitlines())
    (folder / "pipelines.yaml").write_text(f"{PIPELINES}{indented}\n")
    assert relearn("backtest", "pipelines.yaml", "--url", url).code == 0
    assert App.asked[0][1]["gate"].items() >= {"metrics": "evaluation"}.items()
    assert App.asked[0][1]["gate"]["rules"][0]["at_least"] == 0.8


@pytest.mark.parametrize(
    ("content", "pipeline", "says"),
    [
        (None, "census", "is not a file of less than 1 MB: name a file with a sect"),
        ("rules: []\n", "census", "has no section gate: name a file with"),
        ("gate: [\n", "census", "is not plain YAML"),
        ("gate: {approval: yes no, x: 01}\n", "census", "gate.x"),
        (GATE, None, "Name their pipeline with --pipeline"),
        (PIPELINES, "other", "has no pipeline other"),
        ("pipelines:\n  a: 1\n", "a", "see them with relearn validate"),
        ("pipelines:\n  a: 1\n  b: 2\n", None, "which pipeline? Name it with --pipeline; there is"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_usage_error(
    relearn: Relearn, folder: Path, content: str | None, pipeline: str | None, says: str
) -> None:
    if content is not None:
        (folder / "x.yaml").write_text(content)
    named = ("--pipeline", pipeline) if pipeline else ()
    said = relearn("backtest", "x.yaml", *named)
    assert (said.code, said.out) == (2, "")
    assert says in said.err
    assert App.asked == []


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((400, {"detail": "gate.rules.0: no bound", "kind": "x"}), "gate.rules.0: no bound"),
        ((404, {"detail": "'census' is not there", "kind": "x"}), "'census' is not there"),
        ((404, {"detail": "no"}), "there is no such address"),
        ((200, {"runs": []}), "the answer is not from a backtest"),
        ((200, {"runs": [{"run_id": "x"}], "skipped": 0}), "the answer is not from a backtest"),
    ],
)
def test_an_answer_that_is_no_page_says_what_to_do(
    relearn: Relearn, url: str, gate: str, answer: tuple[int, Any], says: str
) -> None:
    App.answer = answer
    said = relearn("backtest", gate, "--pipeline", "census", "--url", url)
    assert (said.code, said.out) == (1, "")
    assert says in said.err


def test_the_example_of_the_help_selects_by_a_field_of_a_run() -> None:
    (field,) = re.findall(r"jq '\.runs\[\] \| select\(\.(\w+)\)'", texts.BACKTEST)
    assert field in RunReplayed.model_fields
