"""A wrong storage connection is reported at the start, by the setting's name."""

import pytest

from shared.config.connections import connection_hints, connection_problems

KEY = "AccountName=mine;AccountKey=a2V5;EndpointSuffix=core.windows.net"
CLIENT = "11111111-2222-3333-4444-555555555555"
STRING = f"DefaultEndpointsProtocol=https;{KEY}"
SAS = "sv=2024-11-04&ss=b&srt=sco&sp=rwl&se=2030-01-01&sig=SECRETsecret%3D"
BLOB, QUEUE = "https://mine.blob.core.windows.net", "https://mine.queue.core.windows.net"
IDENTITY = {
    "AzureWebJobsStorage": "",
    "AzureWebJobsStorage__blobServiceUri": BLOB,
    "AzureWebJobsStorage__queueServiceUri": QUEUE,
}


def reported(changes: dict[str, str], *, development: bool = False) -> list[str]:
    environment = {"AzureWebJobsStorage": STRING, **changes}
    return [str(one) for one in connection_problems(environment, development=development)]


@pytest.mark.parametrize(
    "good",
    [
        {},
        {"DataStorage": f"{STRING};"},
        {"DataStorage": f"{KEY};DefaultEndpointsProtocol=https;BlobEndpoint={BLOB}/"},
        {"DataStorage__blobServiceUri": BLOB, "DataStorage__queueServiceUri": f"{QUEUE}/"},
        {"LedgerStorage__blobServiceUri": "https://mine.blob.core.chinacloudapi.cn"},
        {"LedgerStorage__serviceUri": "https://data.example.com"},
        {"AzureWebJobsStorage": "", "AzureWebJobsStorage__accountName": "mine"},
        {**IDENTITY, "AzureWebJobsStorage__credential": "managedidentity"},
    ],
)
def test_a_connection_that_can_sign_has_no_problem(good: dict[str, str]) -> None:
    assert reported(good) == []
    assert not list(connection_hints({"AzureWebJobsStorage": STRING, **good}))


@pytest.mark.parametrize(
    "name", ["DataStorage", "ModelsStorage", "LedgerStorage", "AzureWebJobsStorage"]
)
@pytest.mark.parametrize(
    "text",
    [
        f"BlobEndpoint={BLOB}/;SharedAccessSignature={SAS}",
        f"BlobEndpoint={BLOB};QueueEndpoint={QUEUE};sharedaccesssignature = {SAS}",
        f"AccountName=mine;SharedAccessSignature={SAS}",
        f"{STRING};SharedAccessSignature={SAS}",
        f"{STRING};BlobEndpoint={BLOB}/?{SAS}",
        f"{BLOB}/?{SAS}",
        BLOB,
    ],
)
def test_a_connection_string_with_a_signature_is_refused_by_name(name: str, text: str) -> None:
    (said,) = reported({name: text})
    assert said.startswith(f"{name}: ")
    assert "SECRET" not in said
    assert "2030" not in said


@pytest.mark.parametrize("part", ["blobServiceUri", "serviceUri", "queueServiceUri"])
@pytest.mark.parametrize("end", [f"?{SAS}", f"/?{SAS}", f"/data?{SAS}", f"#{SAS}", "?"])
def test_a_service_uri_with_a_signature_is_refused_by_name(part: str, end: str) -> None:
    uris = {
        "LedgerStorage__blobServiceUri": BLOB,
        "LedgerStorage__queueServiceUri": QUEUE,
        f"LedgerStorage__{part}": (QUEUE if part.startswith("queue") else BLOB) + end,
    }
    said = reported(uris)
    if end == "?":  # nothing follows: nothing is lost by it
        assert said == []
        return
    (text,) = said
    assert text.startswith(f"LedgerStorage__{part}: holds a query")
    assert "SECRET" not in text


@pytest.mark.parametrize(
    ("changes", "setting", "message"),
    [
        ({"blobServiceUri": "mine.blob.core.windows.net"}, "blobServiceUri", "is not a URL"),
        ({"blobServiceUri": f'"{BLOB}"'}, "blobServiceUri", "is in quotes"),
        ({"blobServiceUri": f" {BLOB}"}, "blobServiceUri", "blanks around"),
        ({"blobServiceUri": "http://mine.blob.core.windows.net"}, "blobServiceUri", "https is"),
        ({"blobServiceUri": BLOB.replace("blob", "dfs")}, "blobServiceUri", "the dfs service"),
        ({"blobServiceUri": QUEUE}, "blobServiceUri", "the queue service"),
        ({"blobServiceUri": f"{BLOB}/training-data"}, "blobServiceUri", "holds a path"),
        ({"blobServiceUri": STRING}, "blobServiceUri", "holds a connection string"),
        (
            {"blobServiceUri": "https://mine-secondary.blob.core.windows.net"},
            "blobServiceUri",
            "secondary",
        ),
        (
            {"blobServiceUri": "https://<account>.blob.core.windows.net"},
            "blobServiceUri",
            "placeholder",
        ),
        ({"queueServiceUri": BLOB}, "queueServiceUri", "the blob service"),
        (
            {
                "blobServiceUri": "https://d.example.com",
                "queueServiceUri": "https://d.example.com/",
            },
            "queueServiceUri",
            "is the address of the blobs",
        ),
        ({"queueServiceUri": QUEUE.replace("mine", "other")}, "queueServiceUri", "another account"),
        ({"queueServiceUri": ""}, "queueServiceUri", "a trigger needs it"),
        ({"credential": "ManagedIdentityCredential"}, "credential", "write managedidentity"),
        ({"accountName": BLOB}, "accountName", "a URL"),
        ({"accountName": "mine.blob.core.windows.net"}, "accountName", "a URL"),
        ({"accountName": "AccountName=mine"}, "accountName", "part of a connection string"),
        ({"accountName": "'mine'"}, "accountName", "is in quotes"),
        ({"accountName": "Mine"}, "accountName", "3 to 24 lower-case"),
        (
            {"blobServiceUri": "@Microsoft.KeyVault(SecretUri=https://v/s)"},
            "blobServiceUri",
            "Key Vault",
        ),
    ],
)
def test_what_is_wrong_with_an_identity_is_named_with_its_advice(
    changes: dict[str, str], setting: str, message: str
) -> None:
    given = {f"AzureWebJobsStorage__{part}": value for part, value in changes.items()}
    (said,) = reported({**IDENTITY, **given})
    assert said.startswith(f"AzureWebJobsStorage__{setting}: ")
    assert message in said


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"DataStorage": f'"{STRING}"'}, "DataStorage: is in quotes"),
        ({"DataStorage": "x"}, "DataStorage: is not a connection string"),
        ({"DataStorage": "AccountName=mine"}, "AccountKey missing"),
        ({"DataStorage": STRING.replace("a2V5", "a2V5x")}, "AccountKey is cut off"),
        ({"DataStorage": STRING.replace("https", "http")}, "https is required"),
        ({"DataStorage": "UseDevelopmentStorage=true"}, "AZURE_FUNCTIONS_ENVIRONMENT=Development"),
        ({"DataStorage": "AccountName=<name>;AccountKey=<key>"}, "placeholder"),
        ({"DataStorage": "@Microsoft.KeyVault(VaultName=v;SecretName=s)"}, "Key Vault"),
        ({"DataStorage__accountName": "other"}, "AzureWebJobsStorage is used instead"),
        ({"DataStorage__queueServiceUri": QUEUE}, "AzureWebJobsStorage is used instead"),
        ({"datastorage": STRING}, "datastorage: is not read in this spelling: write DataStorage"),
        ({"DATASTORAGE__BLOBSERVICEURI": BLOB}, "write DataStorage__blobServiceUri"),
        ({"DataStorage:blobServiceUri": BLOB}, "write DataStorage__blobServiceUri"),
        ({"DataStorage_blobServiceUri": BLOB}, "write DataStorage__blobServiceUri"),
        ({"DataStorage__blobServiceUrl": BLOB}, "write DataStorage__blobServiceUri"),
        ({"ModelsStorage__accountname": "other"}, "write ModelsStorage__accountName"),
        ({"LedgerStorage__connectionString": STRING}, "is unknown, and not read"),
    ],
)
def test_a_setting_that_would_be_passed_over_is_named(
    changes: dict[str, str], message: str
) -> None:
    (said,) = reported(changes)
    assert message in said
    assert "a2V5" not in said


def test_plain_http_is_for_loopback_in_development_alone() -> None:
    local = (
        "DefaultEndpointsProtocol=http;AccountName=d;AccountKey=a2V5;"
        "BlobEndpoint={0}/d;QueueEndpoint={0}/d"
    )
    here = {"DataStorage": local.format("http://127.0.0.1:10000")}
    assert reported(here, development=True) == []
    assert "https is required" in reported(here)[0]
    there = {"DataStorage": local.format("http://storage.example.com")}
    assert "https is required" in reported(there, development=True)[0]
    uris = {"blobServiceUri": "http://127.0.0.1:1/d", "queueServiceUri": "http://127.0.0.1:2/d"}
    assert reported({f"DataStorage__{k}": v for k, v in uris.items()}, development=True) == []


@pytest.mark.parametrize(
    ("client", "says"),
    [
        ("my-identity", "is not a client id"),
        (f'"{CLIENT}"', "is in quotes"),
        ("@Microsoft.KeyVault(SecretUri=https://v/s)", "Key Vault reference is not resolved"),
    ],
)
def test_a_client_id_that_is_none_is_named(client: str, says: str) -> None:
    (said,) = reported({**IDENTITY, "AzureWebJobsStorage__clientId": client})
    assert said.startswith("AzureWebJobsStorage__clientId: ")
    assert says in said


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        (
            {"DataStorage": STRING, "DataStorage__blobServiceUri": BLOB},
            "DataStorage__blobServiceUri",
        ),
        ({**IDENTITY, "AzureWebJobsStorage__clientId": CLIENT}, "AzureWebJobsStorage__clientId"),
        ({**IDENTITY, "AzureWebJobsStorage__tenantId": "1"}, "AzureWebJobsStorage__tenantId"),
        ({**IDENTITY, "AzureWebJobsStorage__serviceUri": BLOB}, "AzureWebJobsStorage__serviceUri"),
    ],
)
def test_a_setting_that_is_not_used_is_reported(changes: dict[str, str], setting: str) -> None:
    assert reported(changes) == []
    (hint,) = connection_hints({"AzureWebJobsStorage": STRING, **changes})
    assert hint.where == setting
    assert hint.what == "is set and not used"
