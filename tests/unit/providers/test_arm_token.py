"""A Resource Manager token: for the right cloud, from one credential, or one line why not."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import azure.identity
import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import AzureError, ClientAuthenticationError, ServiceRequestError
from azure.identity import CredentialUnavailableError, ManagedIdentityCredential

from local.studio import InstantTrainer, Studio
from local.studio.server import StudioServer
from local.studio.storage import MemoryBlobs
from shared.errors import PermanentError, TransientError
from shared.providers.studio.call import ArmToken
from tests.fakes.wire import FixedCredential

URL = "https://management.azure.com/subscriptions/s?api-version=2017-01-01"
DUMP = "DefaultAzureCredential failed to retrieve a token\n\tEnvironmentCredential: c2VjcmV0\n" * 20


class Refusing:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        raise self.error


@pytest.mark.parametrize(
    ("url", "scope"),
    [
        (URL, "https://management.azure.com/.default"),
        ("https://MANAGEMENT.Azure.com:443/x", "https://management.azure.com/.default"),
        ("https://management.chinacloudapi.cn/x", "https://management.chinacloudapi.cn/.default"),
        (
            "https://management.usgovcloudapi.net/x",
            "https://management.usgovcloudapi.net/.default",
        ),
        ("http://127.0.0.1:8080/subscriptions/s", "https://management.azure.com/.default"),
        ("http://localhost/subscriptions/s", "https://management.azure.com/.default"),
        ("http://[::1]:8080/subscriptions/s", "https://management.azure.com/.default"),
    ],
)
def test_the_token_is_for_the_cloud_of_the_service(url: str, scope: str) -> None:
    credential = FixedCredential("t0ken")
    assert ArmToken(credential)(url) == "t0ken"
    assert credential.scopes == [scope]


def test_the_token_is_asked_for_again_each_time_because_the_credential_keeps_it() -> None:
    credential = FixedCredential("first")
    token = ArmToken(credential)
    assert token(URL) == "first"
    credential.token = "second"
    assert token(URL) == "second"


@pytest.mark.parametrize(
    "error",
    [
        ClientAuthenticationError(DUMP),
        CredentialUnavailableError(DUMP),
        ServiceRequestError(DUMP),
        AzureError(DUMP),
        ValueError(DUMP),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_token_is_a_transient_error_with_advice_and_without_what_the_library_says(
    error: Exception,
) -> None:
    with pytest.raises(TransientError) as caught:
        ArmToken(Refusing(error))(URL)
    said = str(caught.value)
    assert "assign a managed identity to the app" in said
    assert "AZURE_CLIENT_SECRET" in said
    assert "c2VjcmV0" not in said
    assert "DefaultAzureCredential" not in said
    assert "\n" not in said
    assert len(said) < 400
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "wrong",
    [{"AZURE_TENANT_ID": "not a tenant!"}, {"AZURE_AUTHORITY_HOST": "http://insecure.example"}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_settings_that_no_credential_can_be_made_of_are_an_error_with_advice_too(
    wrong: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "c2VjcmV0"}
    for name, value in {**given, **wrong}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(TransientError, match="AZURE_TENANT_ID") as caught:
        ArmToken()(URL)
    assert "c2VjcmV0" not in str(caught.value)


def test_the_credential_is_made_on_first_use_and_once_however_many_ask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[FixedCredential] = []
    together = threading.Barrier(8)

    def make() -> FixedCredential:
        made.append(FixedCredential("t0ken"))
        return made[-1]

    monkeypatch.setattr(azure.identity, "DefaultAzureCredential", make)
    token = ArmToken()
    assert not made
    got: list[str] = []

    def ask() -> None:
        together.wait(5)
        got.append(token(URL))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert got == ["t0ken"] * 8
    assert len(made) == 1
    assert len(made[0].scopes) == 8


def test_a_credential_that_could_not_be_made_is_made_at_the_next_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = iter([ClientAuthenticationError("not yet"), FixedCredential("t0ken")])

    def make() -> object:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(azure.identity, "DefaultAzureCredential", make)
    token = ArmToken()
    with pytest.raises(TransientError):
        token(URL)
    assert token(URL) == "t0ken"


def test_no_token_is_shown_by_its_keeper() -> None:
    token = ArmToken(Refusing(ClientAuthenticationError("c2VjcmV0")))
    assert "c2VjcmV0" not in repr(token)


@pytest.fixture
def studio() -> Iterator[Studio]:
    def clock() -> datetime:
        return datetime.now(UTC)

    one = Studio(
        storage=MemoryBlobs(clock), trainer=InstantTrainer(), clock=clock, new_id=lambda: "1"
    )
    server = StudioServer(one, trainer=InstantTrainer(), queue_delay=None)
    server.start()
    yield one
    server.stop()


@pytest.fixture
def app_service(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> Studio:
    """Make this process look like an app with an identity, as App Service does."""
    for name in ("MSI_ENDPOINT", "MSI_SECRET", "IDENTITY_SERVER_THUMBPRINT", "AZURE_CLIENT_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{studio.base_url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", studio.identity_secret)
    return studio


def test_the_apps_own_identity_gives_the_token_that_resource_manager_takes(
    app_service: Studio,
) -> None:
    with ManagedIdentityCredential() as credential:
        assert ArmToken(credential)(f"{app_service.base_url}/subscriptions/s") == (
            app_service.arm_token
        )
        reported = credential.get_token("https://management.azure.com/.default")
    assert reported.expires_on > (datetime.now(UTC) + timedelta(minutes=30)).timestamp()


def test_an_identity_that_is_not_this_apps_gives_none(
    app_service: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_HEADER", "another")
    with ManagedIdentityCredential() as credential, pytest.raises(TransientError) as caught:
        ArmToken(credential)(URL)
    assert app_service.arm_token not in str(caught.value)
    assert "assign a managed identity" in str(caught.value)
    assert not isinstance(caught.value, PermanentError)


@pytest.mark.parametrize(
    "url", ["https://management.azure.com.example/x", "https://elsewhere/x", "https://10.0.0.1/x"]
)
def test_a_token_does_not_travel_to_a_host_that_is_no_resource_manager(url: str) -> None:
    with pytest.raises(PermanentError, match="not a Resource Manager host"):
        ArmToken(FixedCredential("token"))(url)
