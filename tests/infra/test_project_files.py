"""azure.yaml, the parameters, the alerts and the workbook fit each other, the app and azd."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.infra_check.check import templates
from local.infra_check.monitoring import ALERTS, WORKBOOK, check_monitoring
from local.infra_check.project import AZURE_YAML, MAIN, PARAMETERS, check_project
from shared.telemetry import Alert

HOOK = {"shell": "sh", "run": "python3 infra/hooks/package.py"}
RULE: dict[str, Any] = {
    "id": "all",
    "codes": [alert.event_id for alert in Alert],
    "title": "t",
    "summary": "s",
    "severity": 2,
    "description": "d",
    "runbook": "r",
    "query": f"traces | where message matches regex @'{'|'.join(a.event_id for a in Alert)}'",
    "aggregation": "Count",
    "column": "",
    "operator": "GreaterThan",
    "threshold": 0,
    "window": "PT15M",
    "autoMitigate": False,
}
ITEM: dict[str, Any] = {
    "type": 3,
    "name": "q",
    "content": {
        "version": "KqlItem/1.0",
        "query": 'requests | where name == "poll_jobs" | summarize count()',
        "queryType": 0,
        "resourceType": "microsoft.insights/components",
    },
}


def azure_yaml() -> dict[str, Any]:
    service = {"project": ".", "language": "python", "host": "function", "remoteBuild": False}
    return {
        "name": "relearn",
        "pipeline": {"variables": ["A"]},
        "services": {"relearn": {**service, "hooks": {"prepackage": dict(HOOK)}}},
    }


def said(
    tmp_path: Path, content: Any, parameters: Any = None, bicep: str = "param a string\n"
) -> list[str]:
    hook = tmp_path / "infra" / "hooks" / "package.py"
    hook.parent.mkdir(parents=True)
    hook.touch()
    given = parameters or {"a": {"value": "${A}"}}
    texts = {
        AZURE_YAML: yaml.safe_dump(content),
        PARAMETERS: json.dumps({"parameters": given}),
        MAIN: bicep,
    }
    found = check_project(tmp_path, texts, templates(tmp_path, texts))
    return [str(one) for one in found]


def test_a_right_project_is_not_complained_about(tmp_path: Path) -> None:
    assert said(tmp_path, azure_yaml()) == []


@pytest.mark.parametrize(
    ("path", "value", "what"),
    [
        (("servces",), {}, "'azure.yaml' has no member 'servces'. Write 'services'"),
        (("name",), "Relearn!", "'Relearn!' is not a name"),
        (("services", "relearn", "langage"), "python", "Write 'language'"),
        (("services", "relearn", "host"), "functions", "is not the host of a function app"),
        (("services", "relearn", "env"), {}, "is not for a function app"),
        (("services", "relearn", "image"), "x", "needs one of: project, image"),
        (("services", "relearn", "project"), "nowhere", "there is no folder 'nowhere'"),
        (("services", "relearn", "hooks", "prepackages"), dict(HOOK), "Write 'prepackage'"),
        (("services", "relearn", "hooks", "preup"), dict(HOOK), "there is no hook 'preup' here"),
        (
            ("hooks",),
            {"postup": {"shell": "bash", "run": "python3 infra/hooks/package.py"}},
            "not a valid 'shell'",
        ),
        (("hooks",), {"postup": {"shel": "sh"}}, "Write 'shell'"),
        (("hooks",), {"postup": {"run": "infra/hooks/package.py"}}, "is a Python file by itself"),
        (("hooks",), {"postup": {"run": "python3 infra/hooks/packag.py"}}, "Write 'package.py'"),
        (
            ("hooks",),
            {"postup": {"run": "sh infra/hooks/start.sh packages.py"}},
            "Write 'package.py'",
        ),
        (("hooks",), {"postup": {"run": "x", "windows": HOOK, "posix": HOOK}}, "next to windows"),
        (("pipeline",), {"provider": "gitlab"}, "is not a provider of pipelines"),
        (("infra",), {"pathh": "infra"}, "Write 'path'"),
    ],
)
def test_a_wrong_member_of_azure_yaml_is_found(
    tmp_path: Path, path: tuple[str, ...], value: Any, what: str
) -> None:
    content = azure_yaml()
    inside = content
    for step in path[:-1]:
        inside = inside[step]
    inside[path[-1]] = value
    assert [one for one in said(tmp_path, content) if what in one]


@pytest.mark.parametrize(
    ("parameters", "bicep", "what"),
    [
        ({"b": {"value": "x"}}, "param bb string\n", "no parameter 'b'. Write 'bb'"),
        ({"b": {"value": "x"}}, "param b string\nparam c string = ''\n", "has the parameter 'c'"),
        ({"b": {"value": "x"}}, "@allowed(['y'])\nparam b string\n", "'x' is not allowed for 'b'"),
        ({"b": {"value": "${x y}"}}, "param b string\n", "is not a variable of azd's environment"),
        ({"b": {"valu": "x"}}, "param b string\n", "has no 'value'"),
        ({"b": {"value": "${B}"}}, "param b object\n", "azd hands over a text"),
        ({"b": {"value": "${BB}"}}, "param b string\n", "pipeline.variables lacks 'BB'"),
    ],
)
def test_parameters_are_those_of_the_template(
    tmp_path: Path, parameters: Any, bicep: str, what: str
) -> None:
    assert [one for one in said(tmp_path, azure_yaml(), parameters, bicep) if what in one]


def test_hooks_and_outputs_have_the_same_names(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "deploy.md").write_text("`FOR_PEOPLE` is for people\n", encoding="utf-8")
    bicep = "param a string\noutput APP_ID string = a\noutput FOR_PEOPLE string = a\n"
    hook = tmp_path / "infra" / "hooks" / "environment.py"
    hook.parent.mkdir(parents=True)
    hook.write_text('NEEDED: Final = ("APP_ID", "APP_HOST")\n', encoding="utf-8")
    hook.with_name("package.py").touch()
    texts = {
        AZURE_YAML: yaml.safe_dump(azure_yaml()),
        PARAMETERS: '{"parameters": {"a": {"value": "${A}"}}}',
        MAIN: bicep + "output APP_HOSTS string = a\n",
    }
    found = sorted(map(str, check_project(tmp_path, texts, templates(tmp_path, texts))))
    assert found == [
        "infra/main.bicep:1: the hooks read 'APP_HOST', and no output has this name. Add it",
        "infra/main.bicep:4: nothing reads the output 'APP_HOSTS'. Write 'APP_HOST'",
    ]


def monitoring(rule: Any, item: Any = None) -> list[str]:
    workbook = {"version": "Notebook/1.0", "items": [item or ITEM]}
    texts = {ALERTS: json.dumps([rule], indent=1), WORKBOOK: json.dumps(workbook, indent=1)}
    return [str(one) for one in check_monitoring(texts, frozenset({"poll_jobs"}))]


def test_right_alerts_and_a_right_workbook_are_not_complained_about() -> None:
    assert monitoring(RULE) == []


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("id", "all/of", "is not a name that a rule can have"),
        ("severity", 5, "'5' is not a valid 'severity'"),
        ("window", "PT16M", "'PT16M' is not a valid 'window' of an alert. Write 'PT15M'"),
        ("operator", "Greaterthan", "Write 'GreaterThan'"),
        ("codes", ["RL1001"], "its codes are ['RL1001']"),
        ("query", "trace | where message has 'RL1001'", "'trace' is not a table of Application"),
        ("query", "traces | whre message has 'RL1001'", "Write 'where'"),
        ("query", "traces | where message has 'RL9001'", "the app logs no RL9001"),
        ("query", "traces | where (message has 'RL1001'", "is missing in a query"),
        ("query", 'requests | where name == "poll_job"', "Write 'poll_jobs'"),
        ("aggregation", "Total", "needs a column exactly if"),
        ("column", "polls", "needs a column exactly if"),
        ("colum", "polls", "an alert has no member 'colum'. Write 'column'"),
    ],
)
def test_a_wrong_alert_is_found(key: str, value: Any, what: str) -> None:
    found = monitoring({**RULE, key: value})
    assert [one for one in found if what in one and one.startswith(f"{ALERTS}:")], found


def test_an_alert_of_the_app_without_a_rule_is_found() -> None:
    codes = RULE["codes"][1:]
    query = f"traces | where message matches regex @'{'|'.join(codes)}'"
    found = monitoring({**RULE, "codes": codes, "query": query})
    assert [one for one in found if "no rule takes RL1001, which the app logs as parked" in one]


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("version", "KqlItem/1", "is not a query"),
        ("queryType", 1, "not for an Application Insights component"),
        ("query", "AppTraces | take 1", "'AppTraces' is not a table of Application Insights"),
    ],
)
def test_a_wrong_query_of_the_workbook_is_found(key: str, value: Any, what: str) -> None:
    item = {**ITEM, "content": {**ITEM["content"], key: value}}
    assert [one for one in monitoring(RULE, item) if what in one]


def test_files_that_cannot_be_read_are_reported_with_their_line() -> None:
    found = check_monitoring({ALERTS: "[\n{,"}, frozenset())
    assert [(one.file, one.line) for one in found] == [(ALERTS, 2), (WORKBOOK, 1)]
