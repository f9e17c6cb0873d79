"""Each form of a pasted URL is distinguished; only one with a single meaning is corrected."""

from collections.abc import Callable

import pytest

from shared.core.config.studio_urls import jobs_url, score_url, update_url, web_service_url
from tests.unit.samples import BASE, UPDATE

JOBS, SCORE = f"{BASE}/jobs?api-version=2.0", f"{BASE}/execute?api-version=2.0"
ID = "/subscriptions/00f0/resourceGroups/rg/providers/Microsoft.MachineLearning/webServices/census"
ARM = f"https://management.azure.com{ID}?api-version=2017-01-01"
HELP = "https://studio.azureml.net/apihelp/workspaces/w/webservices/s/endpoints/e"
HOST = BASE.partition("/workspaces")[0]


@pytest.mark.parametrize(
    ("pasted", "corrected"),
    [
        (f"{BASE}/jobs?api-version=2.0&amp;details=true", f"{JOBS}&details=true"),
        (f"POST {BASE}/jobs", JOBS),
        (f"POST  {BASE}/jobs?api-version=2.0", JOBS),
        (f'"{BASE}/jobs"', JOBS),
        (f"<{BASE}/jobs>", JOBS),
        (f"{BASE}/jobs,", JOBS),
        (f"{BASE}/jobs ?api-version=2.0", JOBS),
        (f"'{BASE}/jobs'", JOBS),
        (f"`{BASE}/jobs`", JOBS),
        (f'" {BASE}/jobs "', JOBS),
        (f"{BASE}/jobs;", JOBS),
        (JOBS.replace(".net/", ".net:443/"), JOBS),
        (JOBS.replace(".net/", ".net:80/"), JOBS.replace(".net/", ".net:80/")),
        (JOBS.replace("https:", "http:").replace(".net/", ".net:80/"), JOBS.replace("s:", ":", 1)),
        (f"PUT {BASE}/jobs", JOBS),
        (f"patch {BASE}/jobs", JOBS),
        (f"DELETE {BASE}/jobs", JOBS),
        (f"GET {BASE}/jobs", JOBS),
        (f"{BASE}/jobs ? api-version = 2.0 & details = true", f"{JOBS}&details=true"),
        (JOBS.replace("/e1/", "/e_1/"), JOBS.replace("/e1/", "/e_1/")),
    ],
)
def test_a_url_with_one_possible_meaning_is_corrected(pasted: str, corrected: str) -> None:
    assert jobs_url(pasted) == corrected


@pytest.mark.parametrize(
    "pasted", [ID, f" {ID}/", f"{ID}?api-version=2017-01-01", ID.lower(), f"GET {ID}", ARM]
)
def test_a_resource_id_without_its_host_is_taken(pasted: str) -> None:
    assert web_service_url(pasted).lower() == ARM.lower()


@pytest.mark.parametrize(
    ("read", "pasted", "message"),
    [
        (jobs_url, f"{HOST}/odata/workspaces/w/services/e/jobs", "OData"),
        (jobs_url, f"{HOST}/any/prefix/workspaces/w/services/e/jobs", "not a batch"),
        (jobs_url, f"{HELP}/jobs", "this is the address of a help page"),
        (
            jobs_url,
            "https://studio.azureml.net/Home/ViewWorkspace/w",
            "a web page, not of a service",
        ),
        (
            jobs_url,
            "https://services.azureml.net/workspaces/w/webservices/s",
            "a web page, not of a service",
        ),
        (jobs_url, f"{BASE}/jobs/0a1b/start?api-version=2.0", "one job: end it at /jobs"),
        (jobs_url, f"{BASE}/jobs/0a1b", "one job: end it at /jobs"),
        (jobs_url, f"{BASE}/jobs?api-version=1.0", "write api-version=2.0"),
        (jobs_url, f"{BASE}/swagger.json", "another address of the service"),
        (jobs_url, f"{BASE}/help", "another address of the service"),
        (jobs_url, f"{BASE}/jobs_", "not a batch"),
        (jobs_url, f"'{BASE}/jobs`", "not a URL"),
        (jobs_url, f"{BASE}/jobs?api-version=2.0_", "the query parameter api-version"),
        (jobs_url, "https://studio.azureml.net:8443/x", "a web page, not of a service"),
        (jobs_url, "https://europe.studio.azureml.net/x", "a web page, not of a service"),
        (jobs_url, "https://gallery.azureml.net/x", "a web page, not of a service"),
        (jobs_url, "https://docs.microsoft.com/x", "a web page, not of a service"),
        (jobs_url, "https://learn.microsoft.com/x", "a web page, not of a service"),
        (jobs_url, "https://portal.azure.cn/x", "a web page, not of a service"),
        (jobs_url, BASE.replace("/e1", "/e1=2"), "not contain = or & or ;"),
        (jobs_url, BASE.replace("/e1", "/e1%253B2"), "not contain = or & or ;"),
        (jobs_url, BASE.replace("/e1", "/e1%262"), "not contain = or & or ;"),
        (jobs_url, JOBS.replace("ussouthcentral", "{region}"), "only be in the path"),
        (jobs_url, f"{JOBS}&details={{name}}", "only be in the path"),
        (jobs_url, BASE.replace("https", "ftp"), "not a URL"),
        (score_url, f"{HOST}/odata/workspaces/w/services/e/execute", "OData"),
        (score_url, f"{HELP}/score", "this is the address of a help page"),
        (score_url, f"{BASE}/jobs/0a1b/start", "one job"),
        (score_url, f"{BASE}/score", "another address of the service"),
        (score_url, f"{BASE}/execute?api-version=1.0&details=true", "write api-version=2.0"),
        (update_url, f"{HELP}/update", "this is the address of a help page"),
        (update_url, UPDATE.replace("/workspaces", "/odata/workspaces"), "OData"),
        (update_url, UPDATE.replace("/workspaces", "/x/workspaces"), "not an update URL"),
        (update_url, ID, "kind: webservice"),
        (
            web_service_url,
            f"https://portal.azure.com/#@me/resource{ID}",
            "a web page, not of a service",
        ),
        (web_service_url, ARM.replace("/rg/", "/my rg/"), "contains a blank"),
        (web_service_url, ID.replace("/rg/", "/my rg/"), "contains a blank"),
        (web_service_url, ID.replace("/webServices/census", ""), "not a URL"),
        (jobs_url, BASE.replace("/services/", "/serv ices/"), "contains a blank"),
        (update_url, UPDATE.replace("production", "pro\nduction"), "contains a blank"),
    ],
)
def test_each_other_form_is_refused_by_what_it_is(
    read: Callable[[str], str], pasted: str, message: str
) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 -- its text is checked
        read(pasted)
    assert message in str(caught.value)
