"""One endpoint as it is configured: how it is reached, chosen by tokens, and verified."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from shared.core.config.studio_endpoint import Create, StudioEndpoint, probe_rows
from shared.core.config.studio_types import endpoint_identity
from tests.unit.samples import BASE, ROWS, UPDATE, tree

CLASSIC: dict[str, Any] = tree()["endpoints"][0]
ARM = (
    "https://management.azure.com/subscriptions/s/resourceGroups/g/providers/"
    "Microsoft.MachineLearning/webServices/x?api-version=2017-01-01"
)
NEW: dict[str, Any] = {"name": "new", "kind": "webservice", "update": ARM}
BY_TOKEN = {
    **CLASSIC,
    "update": UPDATE.replace("production", "{customer}"),
    "resource": "Model of {group}",
    "api_key": None,
    "workspace_token": "${TOKEN}",
    "verify": {"score": f"{BASE}{{service}}/execute", "rows": ROWS},
}


def endpoint(known: dict[str, Any], **changes: Any) -> StudioEndpoint:
    return StudioEndpoint.model_validate({**known, **changes}, context={"development": False})


@pytest.mark.parametrize(
    ("known", "changes", "message"),
    [
        (NEW, {"workspace_token": "${TOKEN}"}, "are for Classic endpoints"),
        (NEW, {"create": True}, "are for Classic endpoints"),
        (CLASSIC, {"resource": None}, "resource is missing"),
        (CLASSIC, {"api_key": None}, "api_key or workspace_token is missing"),
        (CLASSIC, {"create": True}, "create needs a workspace_token"),
        (BY_TOKEN, {"workspace_token": None, "api_key": "${KEY}"}, "with {tokens} needs a work"),
        (CLASSIC, {"update": ARM}, "kind: webservice"),
        (NEW, {"update": UPDATE}, "not the Resource Manager URL"),
        (CLASSIC, {"verify": {"rows": {}}}, "rows: not a scoring request"),
        (CLASSIC, {"name": "a b"}, "name"),
        (CLASSIC, {"name": "_a"}, "name"),
        (CLASSIC, {"name": "a" * 42}, "name"),
    ],
)
def test_an_endpoint_that_cannot_be_reached_is_refused_with_what_to_write(
    known: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        endpoint(known, **changes)
    assert message in str(caught.value)


def test_an_endpoint_is_made_as_it_is_written_or_as_usual() -> None:
    usual = endpoint(BY_TOKEN, create=True).create
    assert usual == Create()
    assert Create().model_dump() == {
        "Description": "made by Relearn",
        "ThrottleLevel": "Low",
        "MaxConcurrentCalls": None,
        "PreventUpdate": False,
    }
    for calls in (1, 200):
        made = endpoint(BY_TOKEN, create={"ThrottleLevel": "High", "MaxConcurrentCalls": calls})
        assert made.create == Create(ThrottleLevel="High", MaxConcurrentCalls=calls)
    for calls in (0, 201):
        with pytest.raises(ValidationError, match="MaxConcurrentCalls"):
            endpoint(BY_TOKEN, create={"MaxConcurrentCalls": calls})
    assert endpoint(CLASSIC, create=False).create is False


def test_an_update_is_authorised_by_the_endpoints_own_key_before_that_of_the_workspace() -> None:
    assert endpoint(CLASSIC, workspace_token="${TOKEN}").key == "${ENDPOINT_KEY}"
    assert endpoint(BY_TOKEN).key == "${TOKEN}"
    assert endpoint(NEW).key is None


def test_an_endpoint_has_the_time_of_its_kind_to_switch_unless_it_says_otherwise() -> None:
    minute = timedelta(minutes=1)
    assert endpoint(CLASSIC, verify=None).within == 3 * minute
    assert endpoint(CLASSIC, verify={"rows": ROWS}).within == 3 * minute
    assert endpoint(CLASSIC, verify={"rows": ROWS, "within": "7m"}).within == 7 * minute
    assert endpoint(NEW).within == 15 * minute


def test_a_check_shows_something_by_probe_rows_or_by_what_a_new_service_names() -> None:
    assert endpoint(CLASSIC).shows
    assert not endpoint(CLASSIC, verify=None).shows
    assert endpoint(NEW).shows


def test_a_resource_is_known_by_its_endpoint_and_its_resource() -> None:
    assert endpoint(NEW).resource_name == ""
    known = endpoint(CLASSIC)
    assert known.resource_name == CLASSIC["resource"]
    assert known.identity == (endpoint_identity(UPDATE), CLASSIC["resource"])


def test_tokens_choose_the_url_the_resource_and_the_probe_of_an_endpoint() -> None:
    known = endpoint(BY_TOKEN)
    assert known.tokens == ("customer", "group", "service")
    assert endpoint(NEW).tokens == ()
    chosen = known.chosen_by({"customer": "acme", "group": "A b", "service": "x"})
    assert chosen.update == UPDATE.replace("production", "acme")
    assert chosen.resource == "Model of A b"
    assert chosen.verify is not None
    assert chosen.verify.score == f"{BASE}x/execute?api-version=2.0"
    assert chosen.verify.rows == ROWS
    plain = endpoint(CLASSIC)
    assert plain.chosen_by({"customer": "acme"}) is plain
    bare = endpoint(BY_TOKEN, verify={"rows": ROWS})
    unproved = bare.chosen_by({"customer": "acme", "group": "b"}).verify
    assert unproved == bare.verify
    arm = ARM.partition("?")[0].removesuffix("x") + "{customer}"
    new = endpoint(NEW, update=arm).chosen_by({"customer": "acme"})
    assert new.update == ARM.replace("/x?", "/acme?")
    assert new.resource is None


@pytest.mark.parametrize(
    ("customer", "message"),
    [
        ("a{b", "'a{b' holds a brace"),
        ("a}b", "'a}b' holds a brace"),
        ("default", "the default endpoint"),
        ("A", "cannot name an endpoint"),
    ],
)
def test_a_token_that_would_choose_something_else_is_refused(customer: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 -- its text is checked
        endpoint(BY_TOKEN).chosen_by({"customer": customer, "group": "g", "service": "s"})
    assert message in str(caught.value)


def test_a_url_that_would_be_corrected_is_no_endpoints() -> None:
    arm = ARM.partition("?")[0].removesuffix("x") + "{customer}"
    with pytest.raises(ValueError, match="is not a URL that an endpoint can have"):
        endpoint(NEW, update=arm).chosen_by({"customer": "acme."})
    assert endpoint(NEW, update=arm).chosen_by({"customer": "a b"}).update.count("a%20b") == 1


def columns(count: int) -> dict[str, Any]:
    return {"Inputs": {"input1": {"ColumnNames": ["a"], "Values": [["1"]] * count}}}


@pytest.mark.parametrize(
    ("request_", "rows"),
    [
        (columns(1), 1),
        (columns(100), 100),
        (columns(0), None),
        (columns(101), None),
        ({"Inputs": {"input1": [{"a": "1"}, {"a": "2"}]}}, 2),
        ({"Inputs": {"input1": [{"a": "1"}, ["2"]]}}, None),
        ({"Inputs": {"input1": []}}, None),
        ({"Inputs": {"input1": "a"}}, None),
        ({"Inputs": {"input1": 5}}, None),
        ({"Inputs": {"input1": {"Values": [["1"]]}}}, None),
        ({"Inputs": {"input1": {"ColumnNames": "a", "Values": [["1"]]}}}, None),
        ({"Inputs": {"input1": {"ColumnNames": ["a"], "Values": "1"}}}, None),
        ({"Inputs": {}}, None),
        ({"Inputs": [1]}, None),
        ({}, None),
    ],
)
def test_a_request_to_score_has_one_to_a_hundred_rows(
    request_: dict[str, Any], rows: int | None
) -> None:
    assert probe_rows(request_) == rows
