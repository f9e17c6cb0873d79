"""The hook before a deployment waits for fresh roles, by the clock of the service."""

import pytest

from local.studio.wire import WireRequest, json_answer
from tests.hooks.azure import ACCOUNT, DATA_ACCOUNT
from tests.hooks.running import dropped, refused, served, working

OLD = 1000.0


def test_old_roles_take_no_time() -> None:
    with served(working(roles={ACCOUNT: [OLD, 121.0], DATA_ACCOUNT: [OLD]})) as site:
        ran = site.before()
    assert ran.code == 0, ran.said
    assert ran.waits == []
    assert "3 on 2 resources, each at least 120 s old" in ran.said


@pytest.mark.parametrize(("ages", "waited"), [([OLD, 35.0], 90.0), ([-20.0], 140.0)])
def test_a_fresh_role_is_waited_for(ages: list[float], waited: float) -> None:
    with served(working(roles={ACCOUNT: ages, DATA_ACCOUNT: [OLD]})) as site:
        ran = site.before()
    assert ran.code == 0, ran.said
    assert sum(ran.waits) == waited
    assert f"waiting for roles to be in effect: {waited - 10:.0f} s" in ran.said


def test_a_role_may_be_listed_late() -> None:
    azure = working(roles={ACCOUNT: [OLD]})
    with served(azure) as site:
        site.sleeping = lambda _: azure.roles.update({DATA_ACCOUNT: [OLD]})
        ran = site.before()
    assert ran.code == 0, ran.said
    assert ran.waits == [10.0]


def test_a_resource_without_a_role_ends_the_hook() -> None:
    with served(working(roles={ACCOUNT: [OLD]})) as site:
        ran = site.before()
    assert ran.code == 1
    assert "the app's identity has no role on stdata" in ran.said
    assert "azd provision" in ran.said
    assert sum(ran.waits) == 360


def test_a_role_that_never_grows_old_is_not_waited_for_longer() -> None:
    with served(working(roles={ACCOUNT: [-9999.0], DATA_ACCOUNT: [OLD]})) as site:
        ran = site.before()
    assert ran.code == 0
    assert sum(ran.waits) == 360
    assert "some are not 120 s old" in ran.said


def test_roles_that_may_not_be_read_are_given_two_minutes() -> None:
    with served(working(roles={DATA_ACCOUNT: [OLD]})) as site:
        deny = refused(site.azure, 403, "AuthorizationFailed")
        site.azure.faults.append((f"{ACCOUNT}/providers", deny))
        ran = site.before()
    assert ran.code == 0, ran.said
    assert ran.waits == [120.0]
    assert "azd's account may not read those on strelearn" in ran.said
    assert "what to do about roles: with Reader there" in ran.said


def test_the_roles_of_another_principal_are_not_asked_for() -> None:
    asked: list[str] = []

    def listing(request: WireRequest) -> object:
        asked.append(request.url)
        return json_answer({"value": [{"properties": {"createdOn": "2020-01-01T00:00:00Z"}}]})

    with served(working(), ROLE_SCOPES=ACCOUNT) as site:
        site.azure.faults.append(("roleAssignments", listing))  # type: ignore[arg-type]
        assert site.before().code == 0
    assert "%24filter=principalId+eq+%2711111111-2222-3333-4444-555555555555%27" in asked[0]


def test_a_resource_that_is_gone_is_named() -> None:
    with served(working()) as site:
        site.azure.faults.append(("roleAssignments", refused(site.azure, 404, "ResourceNotFound")))
        ran = site.before()
    assert ran.code == 1
    assert "the roles on strelearn cannot be read: HTTP 404 ResourceNotFound" in ran.said


def test_throttling_and_broken_connections_are_waited_for() -> None:
    with served(working(roles={ACCOUNT: [OLD], DATA_ACCOUNT: [OLD]})) as site:
        slow = refused(site.azure, 429, "TooManyRequests", Retry_After="7")
        site.azure.faults += [("roleAssignments", slow), ("roleAssignments", dropped)]
        ran = site.before()
    assert ran.code == 0, ran.said
    assert ran.waits == [7.0, 4.0]


def test_what_is_not_known_is_named() -> None:
    with served(working(), ROLE_SCOPES="") as site:
        ran = site.before()
    assert ran.code == 2
    assert "not known of the deployment: ROLE_SCOPES" in ran.said
