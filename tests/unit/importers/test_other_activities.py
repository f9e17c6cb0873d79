"""Activities that Relearn does not have: their replacements, and the secrets in them."""

import pytest

from shared.importers.data_factory.account import Account, Element, ImportOutcome, Line, both_to_do
from shared.importers.data_factory.other_activities import leave_other

SIGNED = "https://example.test/manual?sv=1.0&sig=Xk3v9QhRz7Tn2LwPm5YbCd8eFgHi0jKlMnOpQrStUvW"


def reported(kind: str, properties: dict[str, object]) -> Line:
    account = Account()
    path = ("properties", "activities", 2)
    leave_other(Element({"typeProperties": properties}, "p.json", path, account), "Tell", kind)
    (line,) = account.lines.values()
    return line


@pytest.mark.parametrize(("kind", "does"), [("WebActivity", "call it from"), ("Until", "")])
def test_a_secret_of_an_activity_that_is_not_carried_over_is_to_be_rotated(
    kind: str, does: str
) -> None:
    line = reported(kind, {"url": SIGNED})
    assert line.outcome is ImportOutcome.NOT_CARRIED_OVER
    assert line.to_do.startswith(does)
    place = "properties.activities[2].typeProperties.url"
    assert f"rotate what stands in clear text at {place}" in line.to_do
    assert line.asks
    assert SIGNED not in str(line)
    assert "rotate" not in reported(kind, {"url": "https://example.test/manual"}).to_do


def test_secrets_of_an_activity_inside_belong_to_its_own_line() -> None:
    inner = {"name": "Inner", "typeProperties": {"url": SIGNED}}
    assert "rotate" not in reported("ForEach", {"activities": [inner]}).to_do


def test_of_two_things_to_do_nothing_is_left_out() -> None:
    assert both_to_do("nothing to do", "rotate it") == "rotate it"
    assert both_to_do("rotate it", "nothing to do") == "rotate it"
    assert both_to_do("rotate it", "set it") == "rotate it; set it"
    assert both_to_do("nothing", "") == both_to_do("", "nothing") == "nothing"
    assert both_to_do("rotate it", "rotate it") == "rotate it"
