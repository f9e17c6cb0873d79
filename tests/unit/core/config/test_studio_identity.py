"""Two URLs of one endpoint, with any hosts, are one endpoint; unclear ones are refused."""

from itertools import combinations
from typing import Any

import pytest

from shared.core.config.pipeline import Pipeline
from shared.core.config.studio_types import (
    Identity,
    endpoint_identity,
    service_identity,
)
from shared.execution.drift_schedule import drift_check_id
from tests.unit.samples import BASE, UPDATE, ref, tree

HOST = "https://management.azureml.net"
ARM = (
    "https://management.azure.com/subscriptions/S/resourceGroups/g/providers"
    "/Microsoft.MachineLearning/webServices/x?api-version=2017-01-01"
)
ARM_PATH = "/subscriptions/s/resourcegroups/g/providers/microsoft.machinelearning/webservices/x"


@pytest.mark.parametrize(
    "other",
    [
        UPDATE.replace(HOST, "https://ussouthcentral.management.azureml.net"),
        UPDATE.replace(HOST, "https://europewest.management.azureml.net"),
        UPDATE.replace(HOST, "https://Management.AzureML.net."),
        UPDATE.replace(HOST, f"{HOST}:443"),
        UPDATE.replace(HOST, f"{HOST}/"),
        f"{UPDATE}/?x=1",
    ],
)
def test_every_host_of_classics_management_shows_the_same_endpoint(other: str) -> None:
    assert endpoint_identity(other) == endpoint_identity(UPDATE)
    assert ref(other).id == ref(UPDATE).id
    assert drift_check_id(ref(other), "a") == drift_check_id(ref(UPDATE), "a")


@pytest.mark.parametrize(
    "other",
    [
        ARM.replace("management.azure.com", "westeurope.management.azure.com"),
        ARM.replace("2017-01-01", "2016-05-01-preview"),
        ARM.replace("resourceGroups/g", "RESOURCEGROUPS/G"),
    ],
)
def test_a_new_service_is_known_by_its_resource_manager_path(other: str) -> None:
    assert ref(other).id == ref(ARM).id


def test_what_is_known_to_differ_has_records_of_its_own() -> None:
    urls = [
        UPDATE,
        f"{UPDATE}2",
        UPDATE.replace("/w1/", "/w2/"),
        UPDATE.replace("/s1/", "/s2/"),
        UPDATE.replace(HOST, "https://gateway.example"),
        UPDATE.replace(HOST, "https://gateway.example/classic"),
        UPDATE.replace(HOST, "https://management.azureml.net.example"),
        UPDATE.replace(HOST, "https://management.azureml.net:8443"),
        UPDATE.replace(HOST, "http://127.0.0.1:1"),
        UPDATE.replace(HOST, "http://127.0.0.1:2"),
        ARM,
        ARM.replace("/x?", "/y?"),
        ARM.replace("https://management.azure.com", "http://127.0.0.1:1"),
        ARM.replace("https://management.azure.com", "http://127.0.0.1:2"),
    ]
    for one, other in combinations(urls, 2):
        assert ref(one).id != ref(other).id, (one, other)


@pytest.mark.parametrize(
    ("hosts", "refused"),
    [
        (("https://gateway.example", "https://other.example"), True),
        ((HOST, "https://gateway.example"), True),
        (("https://gateway.example/a", "https://gateway.example/b"), True),
        ((HOST, "https://japaneast.management.azureml.net"), False),
        (("http://127.0.0.1:1", "http://127.0.0.1:2"), False),
        (("https://gateway.example", "https://Gateway.Example"), False),
    ],
)
def test_hosts_that_may_be_of_one_endpoint_are_refused_in_one_file(
    hosts: tuple[str, str], *, refused: bool
) -> None:
    first, second = (UPDATE.replace(HOST, host) for host in hosts)
    templated = second.replace("production", "{customer}")
    for other in (second, templated):
        assert _may_be_one(first, other) == refused
    assert not _may_be_one(first, second.replace("/s1/", "/s2/"))


def _may_be_one(first: str, second: str) -> bool:
    (endpoint,) = Pipeline.model_validate(tree()).endpoints
    one, other = (endpoint.evolve(update=url).path_and_host for url in (first, second))
    return one is not None and other is not None and one[0] == other[0] and one[1] != other[1]


def test_one_endpoint_at_two_hosts_of_one_pipeline_is_there_twice() -> None:
    (one,) = tree()["endpoints"]
    regional = UPDATE.replace(HOST, "https://ussouthcentral.management.azureml.net")
    given: dict[str, Any] = tree(endpoints=[one, {**one, "name": "b", "update": regional}])
    with pytest.raises(ValueError, match="b is there twice"):
        Pipeline.model_validate(given, context={})


def test_one_endpoint_that_tokens_choose_at_two_hosts_is_refused() -> None:
    (one,) = tree()["endpoints"]
    keyed = {**one, "api_key": None, "workspace_token": "${TOKEN}", "verify": None}
    by_token = UPDATE.replace("production", "{name}")
    regional = UPDATE.replace(HOST, "https://ussouthcentral.management.azureml.net")
    written = [{**keyed, "update": by_token}, {**keyed, "name": "b", "update": regional}]
    chosen = Pipeline.model_validate(tree(endpoints=written))
    with pytest.raises(ValueError, match="same one"):
        chosen.chosen_by({"name": "production"})
    assert len(chosen.chosen_by({"name": "other"}).endpoints) == 2


PATH = "/workspaces/w1/webservices/s1/endpoints/production"


@pytest.mark.parametrize(
    ("url", "where", "path"),
    [
        (UPDATE, "management.azureml.net", PATH),
        (UPDATE.replace(".net/", ".net.:443//"), "management.azureml.net", PATH),
        (UPDATE.replace(".net/", ".net:443/"), "management.azureml.net", PATH),
        (
            UPDATE.replace(HOST, "https://eu-west.management.azureml.de"),
            "management.azureml.de",
            PATH,
        ),
        (UPDATE.replace("s1", "S%311//"), "management.azureml.net", PATH.replace("s1", "s11")),
        (UPDATE.replace(HOST, f"{HOST}/above"), f"{HOST}/above", PATH),
        (UPDATE.replace(HOST, "https://Gateway.example./a/b"), "https://gateway.example/a/b", PATH),
        (f"{HOST}/other/", HOST, "/other"),
        (ARM, "resource manager", ARM_PATH),
        (
            ARM.replace("https://management.azure.com", "http://127.0.0.1:1"),
            "http://127.0.0.1:1",
            ARM_PATH,
        ),
    ],
)
def test_an_endpoint_is_known_by_its_service_and_its_path(url: str, where: str, path: str) -> None:
    known = endpoint_identity(url)
    assert known == Identity(where, path)
    assert known.parent == path[: path.rindex("/")]


def test_a_training_service_is_known_by_its_service_and_its_path() -> None:
    assert service_identity(f"{BASE}/jobs") == "services.azureml.net/workspaces/w1/services/e1/jobs"
    bare = "https://services.azureml.net/workspaces/w1/services/e1/jobs"
    assert service_identity(bare) == bare


def test_a_training_service_has_one_line_for_all_its_hosts() -> None:
    jobs = f"{BASE}/jobs?api-version=2.0"
    for host in ("europewest.services.azureml.net", "USSOUTHCENTRAL.services.azureml.net"):
        other = jobs.replace("ussouthcentral.services.azureml.net", host)
        assert service_identity(other) == service_identity(jobs)
    assert service_identity(jobs.replace("/e1/", "/e2/")) != service_identity(jobs)
    for host in ("gateway.example", "127.0.0.1:1"):
        other = jobs.replace("ussouthcentral.services.azureml.net", host)
        assert service_identity(other) != service_identity(jobs)
