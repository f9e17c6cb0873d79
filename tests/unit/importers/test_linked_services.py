"""Linked services become URLs that a pipelines file takes, and settings for their keys."""

import pytest

from shared.core.config.studio_urls import is_web_service, jobs_url, update_url, web_service_url
from shared.importers.data_factory.account import ImportOutcome, Line
from shared.importers.data_factory.drafts import Service
from shared.importers.data_factory.linked_services import (
    report,
    report_uses,
    report_vault_uses,
    service,
    storage,
    workspace,
)
from shared.importers.data_factory.secrets import Secrets
from shared.importers.data_factory.service_urls import read_jobs_url, read_update_url
from tests.unit.importers.factory import JOBS, UPDATE, WEB_SERVICE, Factory

_SERVICE = JOBS.partition("/jobs")[0]


@pytest.mark.parametrize(
    ("written", "differs"),
    [
        (JOBS, ""),
        (f" {_SERVICE}/jobs/ ", ""),
        (f"{JOBS}. ", ""),
        (_SERVICE, ""),
        (f"{_SERVICE}/execute?api-version=2.0&details=true", "request-response"),
        (JOBS.replace("aaa", "aa\ta", 1), "tab"),
        (f"{_SERVICE}/score", "left out"),
        (f"{_SERVICE}/jobs?api-version=2.0&code=abc", "query"),
        (JOBS.replace("https", "http"), "https"),
    ],
)
def test_a_batch_url_is_corrected(written: str, differs: str) -> None:
    read = read_jobs_url(written, "training")
    assert read.url == JOBS
    assert differs in read.differs
    assert bool(differs) == bool(read.differs)


@pytest.mark.parametrize(
    "written",
    [
        "https://ussouthcentral.services.azureml.net/workspaces/xxx/services/--training x--/jobs",
        "https://<region>.services.azureml.net/workspaces/<workspace>/services/{id}/jobs",
        "",
        "<Specify the batch scoring URL>",
        "https://[batch execution endpoint]/jobs",
        "[parameters('endpoint')]",
        "@{linkedService().endpoint}",
    ],
)
def test_an_example_stands_in_place_of_what_is_not_known(written: str) -> None:
    read = read_jobs_url(written, "training")
    assert jobs_url(read.url) == read.url
    assert "place" in read.differs
    assert read.to_do


@pytest.mark.parametrize(
    "written",
    [
        "http://abc.eastus.azurecontainer.io/score",
        "https://studio.azureml.net/apihelp/workspaces/a/webservices/b/endpoints/c/jobs",
        "https://portal.azure.com/#blade/x",
        "myService",
    ],
)
def test_what_is_no_batch_url_is_said(written: str) -> None:
    read = read_jobs_url(written, "training")
    assert read.url == ""
    assert "mlEndpoint" in read.differs
    assert "import again" in read.to_do


def test_the_update_url_tells_classic_from_new() -> None:
    documented = WEB_SERVICE.replace("11111111-2222-3333-4444-555555555555", "{subscriptionId}")
    for written in (WEB_SERVICE, f"{WEB_SERVICE}. ", documented, WEB_SERVICE.partition("?")[0]):
        read = read_update_url(written, "scoring", principal=True)
        assert read.kind == "webservice"
        assert web_service_url(read.url) == read.url
    for written in (UPDATE, f" {UPDATE}/", f"{UPDATE}?api-version=2.0"):
        read = read_update_url(written, "scoring", principal=False)
        assert (read.kind, update_url(read.url)) == ("classic", UPDATE)


def test_the_kind_of_an_unknown_update_url_follows_from_the_principal() -> None:
    new = read_update_url("[parameters('u')]", "scoring", principal=True)
    old = read_update_url("[parameters('u')]", "scoring", principal=False)
    assert is_web_service(new.url)
    assert update_url(old.url) == old.url


@pytest.mark.parametrize(
    ("written", "what"),
    [
        (UPDATE.replace("endpoint2", "default"), "default endpoint"),
        (JOBS.replace("/jobs", "/execute"), "scoring or batch execution URL"),
    ],
)
def test_what_cannot_be_updated_is_said(written: str, what: str) -> None:
    read = read_update_url(written, "scoring", principal=False)
    assert read.url == ""
    assert what in read.differs
    assert read.to_do


def test_a_service_is_read_and_every_key_is_accounted_for() -> None:
    factory = Factory()
    scoring = factory.service(
        "Scoring Endpoint",
        mlEndpoint=JOBS,
        apiKey={"type": "SecureString", "value": "secret-of-the-endpoint"},
        updateResourceEndpoint=WEB_SERVICE,
        servicePrincipalId="11111111-0000-0000-0000-000000000000",
        servicePrincipalKey={"type": "SecureString", "value": "**********"},
        tenant="mycompany.com",
    )
    secrets = Secrets()
    report(factory.definitions, secrets)
    assert service(scoring, secrets) == Service(
        "Scoring Endpoint", JOBS, "${SCORING_ENDPOINT_API_KEY}", WEB_SERVICE, "webservice"
    )
    assert len(factory.lines("linked service")) == 1
    assert "secret-of-the-endpoint" not in factory.said()
    assert list(secrets.wanted) == ["SCORING_ENDPOINT_API_KEY"]
    by_name = {one.name: one for one in factory.lines("key")}
    assert "rotate" in by_name["apiKey"].to_do
    assert "AZURE_CLIENT_ID" in by_name["tenant"].to_do
    assert not any("has nothing for this key" in one.text for one in factory.lines())


def test_a_service_without_a_key_asks_for_it_where_the_file_needs_it() -> None:
    def said(*used: str) -> tuple[Line, Line]:
        factory, secrets = Factory(), Secrets()
        one = factory.service("training", mlEndpoint=JOBS, encryptedCredential="ew0KICAi")
        report(factory.definitions, secrets)
        named = {place: name for name in used for place in secrets.places[name]}
        report_uses(factory.definitions, {one.place: ["churn: training.service"]}, named)
        key, whole = factory.lines()
        return whole, key

    whole, key = said("TRAINING_API_KEY")
    assert whole.outcome is ImportOutcome.APPROXIMATED
    assert "TRAINING_API_KEY" in whole.to_do
    assert "TRAINING_API_KEY" in key.to_do
    whole, _ = said()
    assert (whole.outcome, whole.to_do) == (ImportOutcome.MAPPED, "")


def test_parameters_of_a_linked_service_are_put_in() -> None:
    factory = Factory()
    shared = factory.service("any", mlEndpoint="@{linkedService().endpoint}", apiKey="**********")
    shared.properties.value["parameters"] = {"Endpoint": {"type": "String", "defaultValue": JOBS}}
    other = JOBS.replace("b" * 32, "d" * 32)
    first = service(shared, Secrets())
    second = service(shared, Secrets(), {"endpoint": other})
    assert first is not None
    assert second is not None
    assert (first.jobs_url, second.jobs_url) == (JOBS, other)


def test_a_service_whose_parameters_its_references_give_is_said_as_they_give_them() -> None:
    factory, secrets = Factory(), Secrets()
    shared = factory.service(
        "any", mlEndpoint="@{linkedService().endpoint}", apiKey="@{linkedService().key}"
    )
    report(factory.definitions, secrets)
    assert (factory.account.lines, secrets.wanted) == ({}, {})
    other = JOBS.replace("b" * 32, "d" * 32)
    for url in (JOBS, other, JOBS):
        service(shared, secrets, {"endpoint": url, "key": "planted1"})
    report(factory.definitions, secrets, last=True)
    assert list(secrets.wanted) == ["ANY_API_KEY", "ANY_API_KEY_2"]
    assert other in secrets.wanted["ANY_API_KEY_2"]
    said = {one.name: one for one in factory.lines()}
    assert said["any"].outcome is ImportOutcome.MAPPED
    assert "app setting ANY_API_KEY, " in said["apiKey"].text
    assert "app setting ANY_API_KEY_2, " in said["apiKey"].text
    assert "mlEndpoint" not in said


def test_a_service_that_nothing_refers_to_is_said_at_last() -> None:
    factory, secrets = Factory(), Secrets()
    factory.service("any", mlEndpoint="@{linkedService().endpoint}", apiKey="**********")
    report(factory.definitions, secrets)
    report(factory.definitions, secrets, last=True)
    assert [one.name for one in factory.lines("linked service")] == ["any"]


@pytest.mark.parametrize("used", [True, False])
def test_rights_on_a_vault_are_asked_for_where_a_setting_refers_to_it(*, used: bool) -> None:
    factory, secrets = Factory(), Secrets()
    address = {"baseUrl": "https://mine.vault.azure.net/"}
    factory.add("linkedService", "Vault", type="AzureKeyVault", typeProperties=address)
    store = {"referenceName": "vault", "type": "LinkedServiceReference"}
    key = {"type": "AzureKeyVaultSecret", "store": store, "secretName": "k"}
    factory.service("training", mlEndpoint=JOBS, apiKey=key)
    report(factory.definitions, secrets)
    assert secrets.from_vaults == {"TRAINING_API_KEY": "vault"}
    report_vault_uses(factory.definitions, ["vault"] if used else [])
    (line,) = (one for one in factory.lines("linked service") if one.name == "Vault")
    assert ("Key Vault Secrets User" in line.to_do) is used
    assert line.asks is used


@pytest.mark.parametrize(
    ("address", "secret", "reference"),
    [
        ("https://mine.vault.azure.net/", "k", "https://mine.vault.azure.net/secrets/k"),
        ("[parameters('vault')]", "k", "<address of vault>/secrets/k"),
        (
            "https://@{linkedService().x}.net/",
            "@{a}",
            "<address of vault>/secrets/<name of the secr",
        ),
    ],
)
def test_a_secret_of_a_vault_has_its_address_where_that_is_known(
    address: str, secret: str, reference: str
) -> None:
    factory, store = Factory(), {"referenceName": "vault", "type": "LinkedServiceReference"}
    factory.add("linkedService", "Vault", type="AzureKeyVault", typeProperties={"baseUrl": address})
    key = {"type": "AzureKeyVaultSecret", "store": store, "secretName": secret}
    factory.service("training", mlEndpoint=JOBS, apiKey=key)
    report(factory.definitions, Secrets())
    (line,) = (one for one in factory.lines("key") if one.name == "apiKey")
    assert f"SecretUri={reference}" in line.to_do


@pytest.mark.parametrize(
    ("values", "account"),
    [
        ({"connectionString": "AccountName=churn;AccountKey=abc"}, "churn"),
        ({"connectionString": {"type": "SecureString", "value": "AccountName=churn"}}, "churn"),
        ({"connectionString": "**********"}, "<account of data>"),
        ({"serviceEndpoint": "https://churn.blob.core.windows.net/"}, "churn"),
        ({"sasUri": {"type": "SecureString", "value": "https://churn.blob.x.net/?sig=a"}}, "churn"),
        ({"serviceEndpoint": "https://[broken/"}, "<account of data>"),
        ({"connectionString": "AccountName=<accountname>;AccountKey=<key>"}, "<account of data>"),
    ],
)
def test_the_account_of_a_storage_is_named(values: dict[str, object], account: str) -> None:
    definition = Factory().add("linkedService", "data", type="AzureStorage", typeProperties=values)
    assert storage(definition) == account


def test_keys_in_clear_text_are_to_be_rotated_wherever_they_stand() -> None:
    factory = Factory()
    key = "AccountName=churn;AccountKey=dGhpcyBpcyBub3QgYSBrZXk="
    sql = "Server=tcp:x;User ID=me;Password=hunter22"
    factory.add("linkedService", "a", type="AzureStorage", typeProperties={"connectionString": key})
    factory.add(
        "linkedService", "b", type="AzureSqlDatabase", typeProperties={"connectionString": sql}
    )
    report(factory.definitions, Secrets())
    lines = factory.lines("linked service")
    assert ["rotate" in one.to_do for one in lines] == [True, True]
    assert "hunter22" not in factory.said()
    assert "dGhpcyBp" not in factory.said()


def test_a_workspace_is_named_by_its_id() -> None:
    found = Factory().add(
        "linkedService",
        "aml",
        type="AzureMLService",
        typeProperties={"subscriptionId": "1", "resourceGroupName": "ml", "mlWorkspaceName": "ws"},
    )
    named = "providers/Microsoft.MachineLearningServices/workspaces/ws"
    assert workspace(found) == f"/subscriptions/1/resourceGroups/ml/{named}"
