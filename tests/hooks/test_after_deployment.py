"""The hook after a deployment: its steps without faults, and repetitions."""

import json
import re
from typing import Any, Final

import pytest

from app_functions import BLOB_FUNCTIONS, QUEUE_FUNCTIONS
from environment import ROOT
from local.worker_check.expected import ALL_SET
from local.worker_check.expected import expected_functions as known_to_the_host
from tests.hooks.azure import ACCOUNT, TOPIC
from tests.hooks.running import FUNCTIONS, served, working

#: How the names of the subscriptions of blob triggers begin.
PATH: Final = f"{TOPIC}/eventSubscriptions/relearn-on"


def test_the_source_names_the_functions_that_the_host_indexes() -> None:
    assert FUNCTIONS.keys() == known_to_the_host(ALL_SET).keys()


def test_the_blob_triggers_are_those_of_the_app() -> None:
    bindings = {name: every[0] for name, every in known_to_the_host(ALL_SET).items()}
    paths = {name: one["path"] for name, one in bindings.items() if one["type"] == "blobTrigger"}
    assert paths == {one.name: f"%{one.container}%/{{name}}" for one in BLOB_FUNCTIONS}


def test_events_through_the_queue_need_no_subscription_of_the_hook() -> None:
    with served(working()) as site:
        ran = site.after()
    assert ran.code == 0, ran.said
    assert site.azure.called("PUT /subscriptions") == 0
    assert site.azure.called("listkeys") == 1  # for the key of the details
    assert site.azure.blobs == set()
    assert site.azure.called("PUT /training-data/.relearn/scratch/") == 1
    assert site.azure.last_event
    rows = [line.split() for line in ran.said.splitlines() if line.startswith("  ")]
    assert ["functions", "done"] in [row[:2] for row in rows]
    assert "event through the data container  done" in ran.said
    assert "healthy, version 0.1.0" in ran.said


def test_each_step_is_made_in_its_order() -> None:
    with served(working(), EVENT_DELIVERY="blobTrigger") as site:
        assert site.after().code == 0
    order = ["/sync", "/functions", "listkeys", "/eventSubscriptions", "/api/health", "PUT /train"]
    firsts = [
        next(at for at, call in enumerate(site.azure.calls) if part in call) for part in order
    ]
    assert firsts == sorted(firsts)


def test_blob_triggers_get_their_subscriptions_with_a_webhook() -> None:
    with served(working(), EVENT_DELIVERY="blobTrigger") as site:
        ran = site.after()
        assert ran.code == 0, ran.said
        found = site.azure.subscriptions
        host = site.azure.host
    assert {*found} == {
        f"{TOPIC}/eventSubscriptions/relearn-on-training-data",
        f"{TOPIC}/eventSubscriptions/relearn-on-trained-model",
    }
    one = found[f"{TOPIC}/eventSubscriptions/relearn-on-training-data"]
    assert one["destination"] == {
        "endpointType": "WebHook",
        "properties": {
            "endpointUrl": f"https://{host}/runtime/webhooks/blobs?functionName="
            "Host.Functions.on_training_data&code=BLOBSkey%2B%2F0123456789%3D%3D",
            "maxEventsPerBatch": 1,
            "preferredBatchSizeInKilobytes": 64,
        },
    }
    assert one["filter"]["subjectBeginsWith"] == (
        "/blobServices/default/containers/training-data/blobs/"
    )
    assert one["filter"]["includedEventTypes"] == ["Microsoft.Storage.BlobCreated"]
    assert one["filter"]["advancedFilters"][0]["key"] == "data.api"
    assert "CreateFile" not in one["filter"]["advancedFilters"][0]["values"]
    assert one["retryPolicy"] == {"maxDeliveryAttempts": 30, "eventTimeToLiveInMinutes": 1440}
    assert one["deadLetterWithResourceIdentity"] == {
        "identity": {"type": "SystemAssigned"},
        "deadLetterDestination": {
            "endpointType": "StorageBlob",
            "properties": {"resourceId": ACCOUNT, "blobContainerName": "relearn-dead-letters"},
        },
    }
    assert "on_training_data had it" in ran.said


def test_repeating_it_changes_nothing() -> None:
    with served(working(), EVENT_DELIVERY="blobTrigger") as site:
        site.after()
        writes = site.azure.called("PUT /subscriptions")
        again = site.after()
    assert again.code == 0
    assert site.azure.called("PUT /subscriptions") == writes == 2
    assert again.said.count("unchanged") == 4, again.said  # two lines, and two rows of the table


def change_filter(stored: dict[str, Any]) -> None:
    stored["filter"]["subjectBeginsWith"] = "/blobServices/default/containers/training-data"


def change_function(stored: dict[str, Any]) -> None:
    target = stored["destination"]["properties"]
    target["endpointUrl"] = target["endpointUrl"].replace("on_train", "on_Train")


def change_state(stored: dict[str, Any]) -> None:
    stored["provisioningState"] = "AwaitingManualAction"


def drop_dead_letters(stored: dict[str, Any]) -> None:
    del stored["deadLetterWithResourceIdentity"]


@pytest.mark.parametrize(
    "change", [change_filter, change_function, change_state, drop_dead_letters]
)
def test_a_subscription_that_differs_is_written_again(change: Any) -> None:
    name = f"{TOPIC}/eventSubscriptions/relearn-on-training-data"
    with served(working(), EVENT_DELIVERY="blobTrigger") as site:
        site.after()
        change(site.azure.subscriptions[name])
        ran = site.after()
        writes = [call for call in site.azure.calls if call == f"PUT {name}"]
    assert ran.code == 0, ran.said
    assert len(writes) == 2
    assert site.azure.last_event
    assert site.azure.last_event["function"] == "on_training_data"


def test_a_new_key_of_the_host_changes_the_webhooks() -> None:
    with served(working(), EVENT_DELIVERY="blobTrigger") as site:
        site.after()
        site.azure.host_key = "BLOBSkey-renewed-0000"
        ran = site.after()
    assert ran.code == 0, ran.said
    urls = [
        one["destination"]["properties"]["endpointUrl"] for one in site.azure.subscriptions.values()
    ]
    assert [url.endswith("code=BLOBSkey-renewed-0000") for url in urls] == [True, True]


def test_the_blob_of_the_trial_passes_no_filter_of_an_operator() -> None:
    filters = {"TRAINING_DATA_PREFIX": "sales/", "TRAINING_DATA_SUFFIX": ".csv"}
    begins = "/blobServices/default/containers/training-data/blobs/"
    with served(working(), EVENT_DELIVERY="blobTrigger", **filters) as site:
        assert site.after().code == 0
        found = {name: one["filter"] for name, one in site.azure.subscriptions.items()}
        site.variables |= dict.fromkeys(filters, "")
        assert site.after().code == 0
    data, scratch = found[f"{PATH}-training-data"], found[f"{PATH}-training-data-scratch"]
    assert (data["subjectBeginsWith"], data["subjectEndsWith"]) == (f"{begins}sales/", ".csv")
    assert scratch["subjectBeginsWith"] == f"{begins}.relearn/scratch/"
    assert {*site.azure.subscriptions} == {f"{PATH}-training-data", f"{PATH}-trained-model"}


def to_queue(account: str) -> dict[str, Any]:
    target = {"endpointType": "StorageQueue", "properties": {"resourceId": account}}
    return {
        "provisioningState": "Succeeded",
        "filter": {"subjectBeginsWith": "/none"},
        "deliveryWithResourceIdentity": {"destination": target},
    }


def test_webhooks_are_deleted_once_events_go_to_queues() -> None:
    with served(working(), EVENT_DELIVERY="blobTrigger") as site:
        site.after()
        assert len(site.azure.subscriptions) == 2
        site.variables["EVENT_DELIVERY"], site.azure.by_queue = "queue", True
        ran = site.after()
    assert ran.code == 0, ran.said
    assert site.azure.subscriptions == {}
    assert ran.said.count("deleted, since nothing needs it any more") == 4  # two, and their rows


def test_subscriptions_to_the_own_queue_are_deleted_once_events_go_to_webhooks() -> None:
    own, others = (f"{PATH[:-2]}{one}" for one in ("training-data", "models"))
    azure = working()
    azure.subscriptions |= {own: to_queue(ACCOUNT.upper()), others: to_queue(f"{ACCOUNT}2")}
    with served(azure, EVENT_DELIVERY="blobTrigger") as site:
        assert site.after("--no-event").code == 0
    assert own not in azure.subscriptions
    assert others in azure.subscriptions


@pytest.mark.parametrize(("suffix", "left"), [("", 0), (".csv", 1)])
def test_the_queue_keeps_its_subscription_of_the_trial_while_there_are_filters(
    suffix: str, left: int
) -> None:
    azure = working()
    azure.subscriptions[f"{PATH[:-2]}scratch"] = to_queue(ACCOUNT)
    with served(azure, TRAINING_DATA_SUFFIX=suffix) as site:
        assert site.after("--no-event").code == 0
    assert len(azure.subscriptions) == left


def test_webhooks_take_the_calls_that_the_templates_name_but_renames() -> None:
    template = (ROOT / "infra" / "modules" / "storage-events.bicep").read_text(encoding="utf-8")
    named = re.findall(r"'(\w+)'", template.partition("var completed = [")[2].partition("]")[0])
    with served(working(), EVENT_DELIVERY="blobTrigger") as site:
        site.after("--no-event")
        kept = site.azure.subscriptions[f"{PATH}-training-data"]
    assert [*kept["filter"]["advancedFilters"][0]["values"], "RenameFile"] == named


def test_the_subscription_of_another_app_is_left_alone() -> None:
    name = f"{PATH}-training-data"
    with served(working(), EVENT_DELIVERY="blobTrigger") as site:
        site.after()
        target = site.azure.subscriptions[name]["destination"]["properties"]
        target["endpointUrl"] = target["endpointUrl"].replace("https://", "https://other-")
        before = json.dumps(site.azure.subscriptions[name])
        ran = site.after()
        site.variables["EVENT_DELIVERY"] = "queue"
        site.after()
    assert ran.code == 1
    assert "is another app's" in ran.said
    assert json.dumps(site.azure.subscriptions[name]) == before


def test_functions_that_are_disabled_the_wrong_way_round_are_named() -> None:
    blob = [one.name for one in BLOB_FUNCTIONS]
    disabled = {name: name in QUEUE_FUNCTIONS for name in FUNCTIONS}
    with served(working(functions={**disabled, "old": False})) as site:
        ran = site.after()
    assert f"not disabled, though nothing calls them: {', '.join(blob)}" in ran.said
    assert "the platform knows others too: old" in ran.said
