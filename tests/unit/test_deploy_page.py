"""docs/deploy.md names every parameter, role, failure and alert."""

import json
import re
from pathlib import Path
from typing import Final

import yaml

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
FACTS: Final = (ROOT / "docs" / "reference" / "azure-deploy.md").read_text(encoding="utf-8")
TEMPLATES: Final = "".join(
    file.read_text(encoding="utf-8") for file in sorted((ROOT / "infra").rglob("*.bicep"))
)
_GUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_WORDS: Final = ("ten", "eleven", "twelve", "thirteen", "fourteen")
#: Given by the person who deploys, not by the templates.
OF_THE_DEPLOYER: Final = {"Contributor", "User Access Administrator"}


def section(page: str, heading: str) -> str:
    """Return a section of a page, with those below it."""
    mark = heading.partition(" ")[0]
    rest = page.split(f"{heading}\n", 1)[1]
    return re.split(rf"^#{{1,{len(mark)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def cells(text: str, column: int) -> list[str]:
    """Return a column of the tables in a text, without their headings."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return [
        row[column]
        for row, following in zip(rows, [*rows[1:], [""]], strict=True)
        if not row[0].startswith("---") and not following[0].startswith("---")
    ]


def variables() -> set[str]:
    """Return the variables of azd that become parameters."""
    given = json.loads((ROOT / "infra" / "main.parameters.json").read_text())["parameters"]
    return {re.findall(r"\$\{(\w+)", one["value"])[0] for one in given.values()}


def test_the_page_lists_the_parameters_and_no_others() -> None:
    listed = {
        name
        for cell in cells(section(PAGE, "## Parameters"), 0)
        for name in re.findall(r"`(\w+)`", cell)
    }
    of_azd = {"AZURE_ENV_NAME", "AZURE_PRINCIPAL_ID", "AZURE_PRINCIPAL_TYPE"}
    assert listed == variables() - of_azd
    assert all(f"`{name}`" in PAGE for name in of_azd)


def test_a_workflow_gets_every_parameter_that_azd_does_not_set_itself() -> None:
    handed = yaml.safe_load((ROOT / "azure.yaml").read_text())["pipeline"]["variables"]
    assert handed == sorted(handed)
    assert {*handed} == {name for name in variables() if not name.startswith("AZURE_")}


def test_the_page_names_each_role_that_the_templates_assign_and_no_others() -> None:
    known = {
        role: name
        for name, role in re.findall(rf"^\| ([^|]+) \| `({_GUID})` \|", FACTS, re.MULTILINE)
    }
    assigned = {known[role] for role in re.findall(_GUID, TEMPLATES)}
    column = " ".join(cells(section(PAGE, "## Roles"), 1))
    assert {name for name in known.values() if name in column} == assigned
    for name in OF_THE_DEPLOYER:
        assert name in column


def test_the_page_answers_each_failure_of_the_reference() -> None:
    known = cells(section(FACTS, "## 6. Failures that are reported"), 0)
    answered = cells(section(PAGE, "## What fails elsewhere"), 0)
    assert answered == [f'<a id="failure-{number}"></a>{number}' for number in known]
    assert known == [str(number) for number in range(1, 23)]
    linked = re.findall(r"\(#failure-(\d+)\)", PAGE)
    assert linked
    assert {*linked} <= {*known}


def test_the_costs_count_the_alerts() -> None:
    rules = json.loads((ROOT / "infra" / "alerts.json").read_text(encoding="utf-8"))
    row = next(r for r in section(PAGE, "## What it costs").splitlines() if "log alerts" in r)
    assert row.split(" log alerts")[0] == f"| {_WORDS[len(rules) - 10]}"
    assert row.endswith(f"| {len(rules) * 0.5:.2f} |")


def test_event_subscriptions_come_after_their_roles_and_all_else() -> None:
    main = (ROOT / "infra" / "main.bicep").read_text(encoding="utf-8")
    modules = dict(re.findall(r"^module (\w+) .*?\{\n(.*?)^\}", main, re.MULTILINE | re.DOTALL))
    for name, roles in (
        ("storageEvents", "storageTopicRoles"),
        ("workspaceEvents", "workspaceTopicRoles"),
    ):
        waits = modules[name].split("dependsOn: [")[1].split("]")[0].split()
        assert waits == [roles, "appSettings", "alerts"]
        others = [one for one in modules if re.search(rf"^ +{name}$", modules[one], re.MULTILINE)]
        assert not others


def test_nothing_that_is_turned_off_stays_on() -> None:
    """A template takes nothing away: what is left out of it stays as it was."""
    for switched in ("managementPolicies", "webtests"):
        made = re.search(rf"/{switched}@[\d-]+' = (.*)", TEMPLATES)
        assert made is not None
        assert made[1] in ("{", "if (!empty(expiringPath)) {")
