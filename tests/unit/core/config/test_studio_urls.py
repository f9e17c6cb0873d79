""""""

from collections.abc import Callable

import pytest

from shared.core.config.studio_urls import (
    filled_url,
    is_web_service,
    jobs_url,
    score_url,
    update_url,
    web_service_url,
)
from tests.unit.samples import BASE, UPDATE

JOBS = f"{BASE}/jobs?api-version=2.0"


SCORE = f"{BASE}/execute?api-version=2.0"


NEW = "https://ussouthcentral.services.azureml.net/subscriptions/00f0/services/5eb0"


ARM = (
    "https://management.azure.com/subscriptions/00f0/resourceGroups/rg/providers/"
    "Microsoft.MachineLearning/webServices/census?api-version=2016-05-01-preview"
)


@pytest.mark.parametrize(
    "pasted",
    [
        f"{BASE}/jobs?api-version=2.0",
        f"{BASE}/jobs",
        f"{BASE}/jobs/",
        f"{BASE}",
        f"{BASE}/",
        f"{BASE}/jobs.",
        f"{BASE}/jobs?api-version=2.0.",
        f"  {BASE}/jobs?api-version=2.0\n",
        f"{BASE}/ jobs",
        f"{BASE}/jobs?api-version=2.0#help",
    ],
)
def test_a_batch_url_is_corrected(pasted: str) -> None:
    assert jobs_url(pasted) == JOBS
    assert jobs_url(JOBS) == JOBS


@pytest.mark.parametrize(
    "pasted", [SCORE, f"{BASE}/execute", f"{BASE}/execute.", f" {BASE}/execute/ ", BASE]
)
def test_a_scoring_url_is_corrected(pasted: str) -> None:
    assert score_url(pasted) == SCORE


def test_the_other_parameters_of_a_scoring_url_are_kept() -> None:
    for query in ("api-version=2.0&details=true", "api-version=2.0&format=swagger"):
        assert score_url(f"{BASE}/execute?{query}") == f"{BASE}/execute?{query}"
    corrected = score_url(f"{BASE}/execute?details=true")
    assert corrected == f"{BASE}/execute?api-version=2.0&details=true"


def test_the_urls_of_new_services_are_taken_too() -> None:
    assert jobs_url(f"{NEW}/jobs") == f"{NEW}/jobs?api-version=2.0"
    assert score_url(f"{NEW}/execute") == f"{NEW}/execute?api-version=2.0"


@pytest.mark.parametrize("pasted", [UPDATE, f"{UPDATE}/", f"{UPDATE}.", f" {UPDATE}\t"])
def test_an_update_url_is_corrected(pasted: str) -> None:
    assert update_url(pasted) == UPDATE


@pytest.mark.parametrize("region", ["", "europewest.", "asiasoutheast."])
def test_management_hosts_of_every_region_are_taken(region: str) -> None:
    url = UPDATE.replace("https://", f"https://{region}")
    assert update_url(url) == url


@pytest.mark.parametrize(
    ("pasted", "message"),
    [
        (SCORE, r"request-response.*/jobs"),
        (UPDATE, "not a batch execution URL"),
        (ARM, "not a batch execution URL"),
        (f"{BASE}/jobs/123", "the address of one job"),
        (
            "https://studio.azureml.net/apihelp/workspaces/w/webservices/s/endpoints/e/jobs",
            "help page",
        ),
    ],
)
def test_what_is_no_batch_url_is_refused_by_what_it_is(pasted: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        jobs_url(pasted)


@pytest.mark.parametrize(
    ("pasted", "message"), [(JOBS, r"batch execution URL.*/execute"), (UPDATE, "not a scoring URL")]
)
def test_what_is_no_scoring_url_is_refused_by_what_it_is(pasted: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        score_url(pasted)


@pytest.mark.parametrize(
    ("pasted", "message"),
    [
        (SCORE, "management URL"),
        (JOBS, "management URL"),
        (ARM, "kind: webservice"),
        (ARM.lower(), "kind: webservice"),
        (BASE, "not an update URL"),
        (UPDATE.replace("webservices", "services"), "not an update URL"),
        (f"{UPDATE}/refresh", "not an update URL"),
        (UPDATE.rpartition("/")[0], "not an update URL"),
    ],
)
def test_what_is_no_update_url_is_refused_by_what_it_is(pasted: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        update_url(pasted)


@pytest.mark.parametrize("name", ["default", "Default", "DEFAULT", "default.", "default/"])
def test_the_default_endpoint_is_refused_however_it_is_written(name: str) -> None:
    with pytest.raises(ValueError, match="default endpoint"):
        update_url(UPDATE.replace("production", name))


@pytest.mark.parametrize(
    "pasted", ["", "census", "ftp://host/x", "https://", "//host/x", "https://[::1/x"]
)
@pytest.mark.parametrize("read", [jobs_url, score_url, update_url])
def test_what_is_no_url_is_refused(read: object, pasted: str) -> None:
    assert callable(read)
    with pytest.raises(ValueError, match="not a URL"):
        read(pasted)


@pytest.mark.parametrize("port", [":0", ":99999", ":x"])
def test_an_impossible_port_is_refused(port: str) -> None:
    with pytest.raises(ValueError, match="not a URL"):
        jobs_url(f"https://host{port}/workspaces/w/services/e/jobs")


@pytest.mark.parametrize("login", ["user:SECRET@", "SECRET@", ":SECRET@"])
def test_a_password_in_a_url_is_refused_and_not_repeated(login: str) -> None:
    with pytest.raises(ValueError, match="must not carry") as caught:
        jobs_url(JOBS.replace("https://", f"https://{login}"))
    assert "SECRET" not in str(caught.value)


def test_a_resource_manager_url_keeps_its_version_or_gets_the_newest() -> None:
    plain = ARM.partition("?")[0]
    assert web_service_url(ARM) == ARM
    newest = f"{plain}?api-version=2017-01-01"
    assert web_service_url(plain) == web_service_url(f"{plain}/") == newest
    assert web_service_url(f"{plain}?API-Version=2017-01-01") == newest
    with pytest.raises(ValueError, match="2017-01-01 or 2016-05-01-preview"):
        web_service_url(f"{plain}?api-version=2015-01-01")
    assert is_web_service(ARM)
    assert is_web_service(f"{plain}/")
    assert not is_web_service(f"{plain}/x")
    assert not is_web_service(UPDATE)


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("sig=SECRET", "sig"),
        ("SECRET", "of this URL"),
        ("SECRET&details=true", "of this URL"),
        ("details=maybe", "details"),
        ("details=true&details=true", "details"),
        ("details=true&DETAILS=true", "details"),
        ("format=" + "x" * 21, "format"),
        ("format=", "format"),
        ("api-version=", "api-version"),
        ("api-version=2.0-x", "api-version"),
        ("s%20ecret=1", "of this URL"),
        ("a" * 32 + "=1", "of this URL"),
    ],
)
@pytest.mark.parametrize("read", [jobs_url, score_url])
def test_a_parameter_that_is_not_documented_is_refused_and_its_value_never_shown(
    read: Callable[[str], str], query: str, shown: str
) -> None:
    with pytest.raises(ValueError, match=f"the query parameter {shown} is not one of") as caught:
        read(f"{BASE}?{query}")
    assert "SECRET" not in str(caught.value)


def test_documented_parameters_are_kept_in_any_letter_case() -> None:
    query = "API-VERSION=2.0&Details=TRUE&FORMAT=" + "x" * 20
    assert jobs_url(f"{BASE}/jobs?{query}") == f"{BASE}/jobs?{query}"
    assert update_url(f"{UPDATE}?details=false") == UPDATE
    with pytest.raises(ValueError, match="query parameter other"):
        update_url(f"{UPDATE}?other=1")


def test_a_token_may_choose_a_scoring_url_and_never_the_training_service() -> None:
    assert score_url(f"{BASE}x{{name}}") == f"{BASE}x{{name}}/execute?api-version=2.0"
    with pytest.raises(ValueError, match="cannot choose the training service"):
        jobs_url(f"{BASE}x{{name}}")


def test_a_token_fills_its_part_of_a_url_and_leaves_the_others_as_they_are() -> None:
    template = "https://host/workspaces/a%20b/Census%2C2/endpoints/{customer}/of/{group}?x=1"
    filled = filled_url(template, {"customer": "c1", "group": "A & B"})
    assert filled == "https://host/workspaces/a%20b/Census%2C2/endpoints/c1/of/A%20%26%20B?x=1"


@pytest.mark.parametrize("name", ["A1", "a-b", "x" * 25, "", "ä"])
def test_a_token_names_an_endpoint_only_by_a_name_that_one_can_have(name: str) -> None:
    with pytest.raises(ValueError, match="cannot name an endpoint"):
        filled_url("https://host/endpoints/{customer}", {"customer": name})
    assert filled_url("https://host/endpoints/{customer}", {"customer": "x" * 24})


@pytest.mark.parametrize("value", [".", "..", "a\nb", "\0"])
def test_a_token_leads_nowhere_else(value: str) -> None:
    with pytest.raises(ValueError, match="cannot be part of a URL"):
        filled_url("https://host/services/{customer}", {"customer": value})
