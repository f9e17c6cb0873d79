"""Each wrong setting and right of a storage account, and doctor's line about it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from socket import gaierror
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError
from azure.identity import CredentialUnavailableError
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import NameResolutionError

from local.identity import make_token
from shared.config.checked_storage import checked_storage
from shared.config.settings import read_settings
from shared.core.findings import CheckOutcome, Finding
from shared.providers.azure_storage import accounts, checks, identities, queues
from shared.providers.azure_storage.checks import StorageChecks
from tests.fakes.storage_answers import StorageAnswers
from tests.fakes.wire import FixedCredential

KEY = "S0VZLU9GLVRIRS1BQ0NPVU5U"
CONTAINERS = {
    "TRAINING_DATA_CONTAINER": "data",
    "MODELS_CONTAINER": "models",
    "LEDGER_CONTAINER": "ledger",
}
BY_KEY = {
    **CONTAINERS,
    "AzureWebJobsStorage": f"DefaultEndpointsProtocol=https;AccountName=mine;AccountKey={KEY}",
}
BY_IDENTITY = {
    **CONTAINERS,
    "AzureWebJobsStorage__accountName": "mine",
    "AzureWebJobsStorage__credential": "managedidentity",
    "AzureWebJobsStorage__clientId": "11111111-2222-3333-4444-555555555555",
}


class Host:
    """The clock of the host; the storage has the right time."""

    ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Account:
    """The checks over an account that answers by a rule."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers, self.host = StorageAnswers(), Host()
        monkeypatch.setattr(checks, "_OPTIONS", {"retry_total": 0})
        monkeypatch.setattr(queues, "STORAGE_REPEATS", 0)
        for kind in ("blob", "queue"):
            sends = f"azure.storage.{kind}._shared.base_client.RequestsTransport"
            monkeypatch.setattr(sends, lambda **_: self.answers.transport())
        credential = FixedCredential(make_token("https://storage.azure.com"))
        for module in (accounts, identities, queues):
            monkeypatch.setattr(module, "credential_of", lambda *_: credential)

    def found(self, environment: Mapping[str, str] = BY_IDENTITY) -> dict[str, Finding]:
        settings = read_settings(environment, Path("/nowhere"))
        storage = checked_storage(environment, settings)
        made = StorageChecks(environment, storage, self.host, lambda: "x", development=False)()
        return {one.name.partition(":")[0]: one.run() for one in made}

    def wrong(self, environment: Mapping[str, str] = BY_IDENTITY) -> dict[str, Finding]:
        """Return what is wrong, and make sure that nothing is left behind and no secret shown."""
        found = self.found(environment)
        assert not self.answers.blobs
        assert not [one for one in found.values() if KEY in f"{one.text}{one.advice}"]
        return {name: one for name, one in found.items() if one.outcome is CheckOutcome.WRONG}


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    return Account(monkeypatch)


DATA, MODELS = "TRAINING_DATA_CONTAINER data", "MODELS_CONTAINER models"
LEDGER, DEAD = "LEDGER_CONTAINER ledger", "DEAD_LETTER_CONTAINER relearn-dead-letters"
QUEUES = {
    "STORAGE_EVENTS_QUEUE relearn-storage-events",
    "WORKSPACE_EVENTS_QUEUE relearn-workspace-events",
}
SIGNED, CLOCK = "AzureWebJobsStorage mine", "this host and mine"
CONTAINERS_ALL = {DATA, MODELS, LEDGER, DEAD}


def test_a_sound_account_is_ok_in_every_line_and_the_order_is_fixed(account: Account) -> None:
    found = account.found()
    assert list(found) == [
        "AzureWebJobsStorage",
        CLOCK,
        *(DATA, MODELS, LEDGER, DEAD, SIGNED),
        *sorted(QUEUES),
    ]
    assert {one.outcome for one in found.values()} == {CheckOutcome.OK}
    assert "object id 00000000-0000-0000-0000-000000000002" in found["AzureWebJobsStorage"].text
    assert not account.answers.blobs


def test_nothing_is_tried_by_a_connection_that_the_settings_call_wrong(account: Account) -> None:
    found = account.found({**BY_KEY, "AzureWebJobsStorage": f"AccountName=a;AccountKey={KEY}x"})
    assert {one.text for one in found.values()} == {"correct the setting AzureWebJobsStorage first"}


def test_training_data_and_dead_letters_are_never_written(account: Account) -> None:
    account.found()
    changes = [one for one in account.answers.sent if not one.startswith(("GET", "HEAD", "POST"))]
    assert {one.split()[2].split("/")[1] for one in changes} == {"models", "ledger"}
    assert all("/.relearn/scratch/" in one for one in changes)


def test_the_container_of_the_pipelines_file_is_only_read(account: Account) -> None:
    account.answers.rule = lambda _what, path: (
        "AuthorizationPermissionMismatch" if path.startswith("/config") else None
    )
    found = account.wrong({**BY_IDENTITY, "PIPELINES_FILE": "blob:config/pipelines.yaml"})
    assert list(found) == ["PIPELINES_FILE config"]
    assert not [one for one in account.answers.sent if "/config" in one and "PUT" in one]


def test_by_key_no_identity_and_no_delegation_is_asked_for(account: Account) -> None:
    found = account.found(BY_KEY)
    assert "AzureWebJobsStorage" not in found
    assert SIGNED not in found
    assert not [one for one in account.answers.sent if "userdelegationkey" in one]


#: What is wrong on purpose: code -> by which right, what is said, and words of the advice.
REFUSED = [
    (
        "AuthorizationPermissionMismatch",
        BY_IDENTITY,
        "the identity has no role that allows it",
        "the role Storage Blob Data Owner on the storage account mine",
    ),
    (
        "AuthorizationFailure",
        BY_IDENTITY,
        "the network rules of the account refuse this caller",
        "in the networking rules of mine",
    ),
    (
        "AuthorizationFailure",
        BY_KEY,
        "the network rules of the account refuse this caller",
        "in the networking rules of mine",
    ),
    (
        "AuthenticationFailed",
        BY_KEY,
        "the account does not accept the key",
        "copy the connection string of mine into the setting AzureWebJobsStorage again",
    ),
    (
        "KeyBasedAuthenticationNotPermitted",
        BY_KEY,
        "the account allows no access by its key",
        (
            "remove the setting AzureWebJobsStorage, and set AzureWebJobsStorage__blobServiceUri "
            "to https://mine.blob.core.windows.net"
        ),
    ),
    (
        "InvalidAuthenticationInfo",
        BY_IDENTITY,
        "the account does not take the token of the identity",
        "use an identity of the tenant that mine is in",
    ),
    ("AccountIsDisabled", BY_KEY, "the account is disabled", "enable the storage account mine"),
]


@pytest.mark.parametrize(("code", "environment", "says", "advice"), REFUSED)
def test_each_refusal_is_named_with_its_advice(
    account: Account, code: str, environment: Mapping[str, str], says: str, advice: str
) -> None:
    account.answers.rule = lambda _what, _path: code
    found = account.wrong(environment)
    assert set(found) - {SIGNED} == CONTAINERS_ALL | QUEUES
    assert f"write: {says} ({code}, " in found[MODELS].text
    assert advice in found[MODELS].advice
    # A clock is told also by an answer that refuses.
    assert CLOCK not in found


@pytest.mark.parametrize(
    ("step", "refused"),
    [("list", "GET list"), ("write", "PUT blob"), ("read", "GET blob"), ("delete", "DELETE blob")],
)
def test_a_role_that_lacks_one_right_is_reported_by_the_step(
    account: Account, step: str, refused: str
) -> None:
    def rule(what: str, path: str) -> str | None:
        mine = what == refused and path.startswith("/ledger")
        return "AuthorizationPermissionMismatch" if mine else None

    account.answers.rule = rule
    found = account.found()
    wrong = {name: one for name, one in found.items() if one.outcome is CheckOutcome.WRONG}
    assert list(wrong) == [LEDGER]
    assert wrong[LEDGER].text.startswith(f"{step}: the identity has no role")
    if step != "delete":
        assert not account.answers.blobs


def test_a_queue_role_and_the_right_to_sign_are_distinguished(account: Account) -> None:
    def rule(what: str, _path: str) -> str | None:
        asked = what in ("GET metadata", "POST userdelegationkey")
        return "AuthorizationPermissionMismatch" if asked else None

    account.answers.rule = rule
    found = account.wrong()
    assert set(found) == {SIGNED, *QUEUES}
    assert "Storage Blob Delegator" in found[SIGNED].advice
    assert all("Storage Queue Data Contributor" in found[one].advice for one in QUEUES)


def test_what_is_missing_is_wrong_or_may_be_made_later(account: Account) -> None:
    account.answers.rule = lambda what, _path: (
        "QueueNotFound" if what == "GET metadata" else "ContainerNotFound"
    )
    found = account.found(BY_KEY)
    told = {name: (one.outcome, one.text) for name, one in found.items() if name != CLOCK}
    assert told[DATA] == (CheckOutcome.WRONG, "container data does not exist")
    assert told[MODELS] == (CheckOutcome.WRONG, "container models does not exist")
    assert told[LEDGER][0] is told[DEAD][0] is CheckOutcome.NOT_CHECKED
    assert {told[one][0] for one in QUEUES} == {CheckOutcome.WRONG}
    assert "create it in account mine, or correct MODELS_CONTAINER" in found[MODELS].advice
    disabled = {f"AzureWebJobs.{name}.Disabled": "true" for name in FUNCTIONS}
    found = account.found({**BY_KEY, **disabled})
    assert {found[one].outcome for one in QUEUES} == {CheckOutcome.NOT_CHECKED}


FUNCTIONS = ("on_storage_events", "on_workspace_events")


@pytest.mark.parametrize(("minutes", "how"), [(20, "ahead of"), (-20, "behind")])
def test_a_clock_that_is_wrong_is_reported_even_where_it_gets_everything_refused(
    account: Account, minutes: int, how: str
) -> None:
    account.host.ahead = timedelta(minutes=minutes)
    says = f"the clock of this host is 20 min {how} the storage's"
    assert account.wrong(BY_KEY)[CLOCK].text == says
    account.answers.rule = lambda _what, _path: "AuthenticationFailed"
    found = account.wrong(BY_KEY)
    assert found[CLOCK].text == says
    assert says in found[MODELS].text
    assert "set the clock of this host" in found[MODELS].advice


def test_an_account_that_does_not_exist_is_reported_by_its_name(account: Account) -> None:
    host = HTTPSConnection("mine.blob.core.windows.net")
    inner = NameResolutionError(host.host, host, gaierror("Name or service not known"))
    account.answers.rule = lambda _what, _path: ServiceRequestError(inner, error=inner)
    found = account.wrong(BY_KEY)
    assert "no host is known by the name of account mine" in found[DATA].text
    assert "name of the account in the setting AzureWebJobsStorage" in found[DATA].advice
    assert "no host is known" in found[CLOCK].text


def test_an_account_that_cannot_be_reached_is_distinguished_from_one_that_does_not_exist(
    account: Account,
) -> None:
    account.answers.rule = lambda _what, _path: ServiceRequestError("refused")
    assert "the account cannot be reached" in account.wrong(BY_KEY)[DATA].text


def test_no_secret_that_an_answer_repeats_is_shown(account: Account) -> None:
    account.answers.echo = f" AccountKey={KEY} sig={KEY} {KEY}"
    for code in ("AuthenticationFailed", "AuthorizationFailure", "InvalidAuthenticationInfo"):
        account.answers.rule = partial(_always, code)
        assert account.wrong(BY_KEY)


def _always(code: str, _what: str, _path: str) -> str:
    return code


def test_a_connection_that_is_wrong_leaves_the_others_checked(account: Account) -> None:
    found = account.found({**BY_KEY, "DataStorage": "nonsense", "LEDGER_CONTAINER": ""})
    assert found[DATA].outcome is CheckOutcome.NOT_CHECKED
    assert found[DATA].text == "correct the setting DataStorage first"
    assert found["LEDGER_CONTAINER"].text == "correct the setting LEDGER_CONTAINER first"
    assert found[MODELS].outcome is CheckOutcome.OK


def test_a_scratch_blob_of_a_killed_process_is_deleted(account: Account) -> None:
    old = "/ledger/.relearn/scratch/old"
    account.answers.blobs = {old: b"doctor", "/models/runs/a": b"model"}
    account.answers.listed = {old: datetime.now(UTC) - timedelta(hours=2)}
    account.found()
    assert set(account.answers.blobs) == {"/models/runs/a"}


def test_an_identity_without_a_token_is_reported(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Nobody:
        def get_token(self, *_: Any, **__: Any) -> Any:
            raise CredentialUnavailableError(message="SECRET was tried")

    monkeypatch.setattr(identities, "credential_of", lambda *_: Nobody())
    found = account.wrong()["AzureWebJobsStorage"]
    assert "no identity gives a token for storage" in found.text
    assert "AzureWebJobsStorage__clientId" in found.advice
    assert "SECRET" not in found.text
