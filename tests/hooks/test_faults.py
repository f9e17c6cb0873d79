"""The hooks, when a service is slow, refuses, or does not answer; no secret is shown.

`Site` checks after each run that no token, key or address of a webhook was printed.
"""

import pytest

from environment import Deployment
from local.studio.wire import WireAnswer, WireRequest, json_answer
from tests.hooks.azure import KEYS, SITE, TOPIC
from tests.hooks.running import dropped, refused, served, working

WEBHOOKS = {"EVENT_DELIVERY": "blobTrigger"}


def test_functions_may_need_a_second_synchronisation() -> None:
    with served(working(after_syncs=2)) as site:
        ran = site.after()
    assert ran.code == 0, ran.said
    assert site.azure.syncs == 2
    assert "waiting for the functions" in ran.said


@pytest.mark.parametrize(
    ("known", "failure", "words"),
    [
        ({}, 4, "knows none of the app's"),
        ({"health": False}, 3, "the platform does not know: approve_run"),
    ],
)
def test_missing_functions_end_the_hook(known: dict[str, bool], failure: int, words: str) -> None:
    with served(working(functions=known)) as site:
        ran = site.after()
    assert ran.code == 1
    assert words in ran.said
    assert f"docs/deploy.md#failure-{failure}" in ran.said
    assert sum(ran.waits) == pytest.approx(300, abs=15)
    assert site.azure.called("/api/health") == 0


def test_a_host_that_does_not_start_is_distinguished_from_an_app_without_functions() -> None:
    with served(working()) as site:
        deny = refused(site.azure, 400, "BadRequest")
        site.azure.faults += [("GET " + SITE, deny)] * 100
        ran = site.after()
    assert ran.code == 1
    assert "HTTP 400 BadRequest" in ran.said
    assert "failure-10" in ran.said


def test_a_key_may_come_late() -> None:
    with served(working(key_after=200.0), **WEBHOOKS) as site:
        ran = site.after()
    assert ran.code == 0, ran.said
    assert "waiting for the key blobs_extension: 1" in ran.said


def test_a_key_that_never_comes_ends_the_hook() -> None:
    with served(working(key_after=1e9), **WEBHOOKS) as site:
        ran = site.after()
    assert ran.code == 1
    assert "the app has no key blobs_extension after 300 s" in ran.said
    assert "failure-6" in ran.said


@pytest.mark.parametrize("how", ["refused", "AwaitingManualAction", "Failed", "Canceled"])
def test_a_webhook_that_cannot_be_verified_at_first_is_tried_again(how: str) -> None:
    with served(working(verified_after=60.0, unverified=how), **WEBHOOKS) as site:
        ran = site.after()
        states = [one["provisioningState"] for one in site.azure.subscriptions.values()]
    assert ran.code == 0, ran.said
    assert states == ["Succeeded", "Succeeded"]
    assert "trying again in 20 s" in ran.said


def test_a_webhook_that_can_never_be_verified_ends_the_hook_after_ten_minutes() -> None:
    with served(working(verified_after=1e9), **WEBHOOKS) as site:
        ran = site.after()
    assert ran.code == 1
    assert "could not verify the webhook of on_training_data" in ran.said
    assert "failure-5" in ran.said
    assert sum(ran.waits) == 600
    assert site.azure.called("PUT /subscriptions") == 7


@pytest.mark.parametrize(("times", "code"), [(2, 0), (7, 1)])
def test_a_role_for_dead_letters_that_is_too_young_is_waited_for(times: int, code: int) -> None:
    with served(working(), **WEBHOOKS) as site:

        def fault(request: WireRequest) -> WireAnswer:
            words = "Managed Identity Authorization Error"
            return site.azure.refusal(request, 400, "InvalidRequest", words)

        site.azure.faults += [("PUT " + TOPIC, fault)] * times
        ran = site.after("--no-event")
    assert ran.code == code, ran.said
    assert "may not write dead letters yet; trying again in 20 s" in ran.said
    assert ("failure-22" in ran.said) == bool(code)


def test_another_refusal_of_a_subscription_is_not_tried_again() -> None:
    with served(working(), **WEBHOOKS) as site:
        site.azure.faults.append(("PUT " + TOPIC, refused(site.azure, 400, "InvalidRequest")))
        ran = site.after()
    assert ran.code == 1
    assert "relearn-on-training-data: HTTP 400 InvalidRequest" in ran.said
    assert site.azure.called("PUT " + TOPIC) == 1


CALLS = (
    "/host/default/sync",
    "/functions",
    "/listkeys",
    "GET " + TOPIC,
    "PUT " + TOPIC,
    "GET /api/health",
    "GET /api/health/details",
    "PUT /training-data",
    "DELETE /training-data",
)


@pytest.mark.parametrize("call", CALLS)
def test_throttling_is_waited_for_as_long_as_asked(call: str) -> None:
    with served(working(), **WEBHOOKS) as site:
        site.azure.faults.append((call, refused(site.azure, 429, "TooMany", Retry_After="17")))
        ran = site.after()
    assert ran.code == 0, ran.said
    assert site.azure.faults == []
    assert 17.0 in ran.waits
    assert site.azure.blobs == set()


@pytest.mark.parametrize("call", CALLS)
def test_a_connection_that_breaks_is_made_again(call: str) -> None:
    with served(working(), **WEBHOOKS) as site:
        site.azure.faults += [(call, dropped)] * 2
        ran = site.after()
    assert ran.code == 0, ran.said
    assert site.azure.faults == []
    assert site.azure.blobs == set()


def test_a_date_to_wait_for_is_read_by_the_clock_of_the_service() -> None:
    with served(working()) as site:
        later = "Tue, 06 May 2031 07:08:50 GMT"
        site.azure.faults.append(("/sync", refused(site.azure, 429, "x", Retry_After=later)))
        ran = site.after()
    assert ran.code == 0
    assert ran.waits[0] == 41.0


def test_a_service_that_never_answers_ends_the_hook() -> None:
    with served(working()) as site:
        site.azure.faults += [("/sync", dropped)] * 6
        ran = site.after()
    assert ran.code == 1
    assert "127.0.0.1 did not answer" in ran.said


@pytest.mark.parametrize("call", ["/host/default/sync", "/listkeys", "PUT " + TOPIC])
def test_a_lack_of_rights_names_the_call_and_the_role(call: str) -> None:
    with served(working(), **WEBHOOKS) as site:
        site.azure.faults.append((call, refused(site.azure, 403, "AuthorizationFailed")))
        ran = site.after()
    assert ran.code == 1
    assert "azd's account may not do this" in ran.said
    assert "HTTP 403 AuthorizationFailed" in ran.said
    assert "Contributor" in ran.said


def test_a_token_that_is_refused_is_replaced_once() -> None:
    with served(working()) as site:
        site.azd.tokens[""] = ["armTOKENarmTOKEN.old", "armTOKENarmTOKEN.one"]
        assert site.after().code == 0
        site.azd.tokens[""] = ["armTOKENarmTOKEN.old"]
        ran = site.after()
    assert ran.code == 1
    assert "does not accept azd's token: HTTP 401" in ran.said


def redirect(request: WireRequest) -> WireAnswer:
    del request
    return WireAnswer(307, {"Location": "http://127.0.0.1:1/elsewhere"})


def elsewhere(request: WireRequest) -> WireAnswer:
    del request
    return json_answer({"value": [], "nextLink": "http://127.0.0.1:1/functions?page=2"})


def test_no_token_follows_a_redirect_or_a_page_to_another_host() -> None:
    with served(working()) as site:
        site.azure.faults += [("GET " + SITE, redirect), ("GET " + SITE, elsewhere)]
        ran = site.after()
    assert ran.code == 1
    assert "the next page of" in ran.said
    assert "is at another host" in ran.said


def test_every_page_of_a_list_is_read() -> None:
    def first(request: WireRequest) -> WireAnswer:
        names = [*site.azure.functions]
        site.azure.functions = dict.fromkeys(names[1:], False)
        page = {"value": [{"name": f"func/{names[0]}"}], "nextLink": f"{url}{request.url}"}
        return json_answer(page)

    with served(working()) as site:
        url = site.variables["AZURE_RESOURCE_MANAGER_URL"]
        site.azure.faults.append(("GET " + SITE, first))
        ran = site.after()
    assert ran.code == 0, ran.said
    assert ran.waits == [5.0]  # only for the event


def test_an_unexpected_error_is_shown_without_what_it_holds() -> None:
    def broken(request: WireRequest) -> WireAnswer:
        return json_answer({"value": [{"properties": f"{request.headers}{KEYS}"}]})

    with served(working()) as site:
        site.azure.faults.append(("GET " + SITE, broken))
        ran = site.after()
    assert ran.code == 1
    assert "this is a defect of the hook" in ran.said
    assert "AttributeError at " in ran.said
    assert "Traceback" not in ran.said


@pytest.mark.parametrize("missing", ["FUNCTION_APP_ID", "DEAD_LETTER_ACCOUNT_ID"])
def test_outputs_that_are_not_known_are_named(missing: str) -> None:
    with served(working(), **WEBHOOKS, **{missing: " "}) as site:
        ran = site.after()
    assert ran.code == 2
    assert f"not known of the deployment: {missing}" in ran.said
    assert "azd provision" in ran.said
    assert site.azure.calls == []


def test_by_hand_the_outputs_come_from_azd() -> None:
    with served(working()) as site:
        site.azd.values, site.variables = dict(site.variables), {"TRAINING_DATA_CONTAINER": "other"}
        ran = site.after()
    assert ran.code == 0, ran.said
    assert site.azure.called("PUT /other/.relearn/scratch/") == 1  # variables come first


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("AZURE_RESOURCE_MANAGER_URL", "http://management.example/", "is not an https address"),
        ("EVENT_DELIVERY", "both", "EVENT_DELIVERY is 'both'"),
    ],
)
def test_values_that_cannot_be_right_are_refused(name: str, value: str, words: str) -> None:
    with served(working(), **{name: value}) as site:
        ran = site.after()
    assert ran.code != 0
    assert words in ran.said
    assert site.azure.calls == []


def test_another_cloud_has_another_resource_manager() -> None:
    values = {"AZURE_RESOURCE_MANAGER_URL": "https://management.example/"}
    assert Deployment(values).resource_manager == "https://management.example"
    assert Deployment({}).resource_manager == "https://management.azure.com"
