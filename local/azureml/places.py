"""Finds data: datastores, the storage behind them, and the URIs of places in it.

See azure-machine-learning-v2 §2.7: a datastore gives account and container; a job names places
by `azureml://datastores/…` or by the URL of a blob.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob import (
    AccountSasPermissions,
    BlobServiceClient,
    ExponentialRetry,
    ResourceTypes,
    generate_account_sas,
)

from local.azureml.answers import (
    GROUP,
    SUBSCRIPTION,
    WORKSPACE,
    Answer,
    Body,
    missing,
    page_of,
    resource,
)
from local.azureml.switches import Switches
from local.azurite import make_container

DEFAULT: Final = "workspaceblobstore"
ARTIFACTS: Final = "workspaceartifactstore"
ARTIFACTS_CONTAINER: Final = "azureml"
_IN_DATASTORE: Final = re.compile(
    r"(?:azureml:/*|/)"
    r"(?:subscriptions/[^/]+/resourcegroups/[^/]+/(?:providers/[^/]+/)?workspaces/[^/]+/)?"
    r"datastores/(?P<store>[^/]+)/(?:paths/)?(?P<path>.*)",
    re.IGNORECASE,
)
_LOCAL_HOST: Final = re.compile(r"(?:127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?")


class NoSuchPlaceError(Exception):
    """There is nothing at a place, or no such place; the message says which."""


class Files(Protocol):
    """The blobs of one storage account."""

    account: str
    endpoint: str  #: what follows `{account}.blob.`
    protocol: str

    def read(self, container: str, path: str) -> bytes:
        """Return a blob's bytes; raises `NoSuchPlaceError`."""
        ...

    def write(self, container: str, path: str, content: bytes) -> None:
        """Create or overwrite a blob; raises `NoSuchPlaceError`."""
        ...

    def names(self, container: str, prefix: str) -> list[str]:
        """Return the names that begin with `prefix`; raises `NoSuchPlaceError`."""
        ...

    def sas(self) -> str:
        """Return a signature for the whole account."""
        ...


@dataclass
class MemoryFiles:
    """Blobs in a dictionary, by container and name."""

    account: str = "relearndata"
    endpoint: str = "core.windows.net"
    protocol: str = "https"
    contents: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def read(self, container: str, path: str) -> bytes:
        """Return a blob's bytes; raises `NoSuchPlaceError`."""
        try:
            return self.contents[container, path]
        except KeyError:
            raise NoSuchPlaceError(f"{container}/{path} does not exist") from None

    def write(self, container: str, path: str, content: bytes) -> None:
        """Keep the bytes."""
        self.contents[container, path] = content

    def names(self, container: str, prefix: str) -> list[str]:
        """Return the names that begin with `prefix`."""
        return sorted(n for c, n in self.contents if c == container and n.startswith(prefix))

    def sas(self) -> str:
        """Return a text of the form of a signature."""
        return "?sv=2022-11-02&ss=bf&srt=co&sp=rcuwdl&se=2026-03-02&sig=made-up"


class AccountFiles:
    """The blobs behind a connection string.

    Args:
        connection: with the account's key.
        trusted: a file of certificates to trust instead of the usual ones.
    """

    def __init__(self, connection: str, trusted: Path | None = None) -> None:
        said = dict(part.split("=", 1) for part in connection.split(";") if "=" in part)
        self._key = said["AccountKey"]
        verify = str(trusted) if trusted else True
        # A storage server that is gone does not hold up its end for minutes.
        retries = ExponentialRetry(1, 1, retry_total=2, random_jitter_range=1)
        self._client = BlobServiceClient.from_connection_string(
            connection, connection_verify=verify, retry_policy=retries
        )
        self.account = str(self._client.account_name)
        url = urlsplit(said.get("BlobEndpoint") or self._client.url)
        self.protocol = url.scheme
        local = _LOCAL_HOST.fullmatch(url.netloc)
        # Azurite also serves an account by its host name, below localhost.
        self.endpoint = f"localhost:{url.port}" if local else url.netloc.partition(".blob.")[2]

    def read(self, container: str, path: str) -> bytes:
        """Return a blob's bytes; raises `NoSuchPlaceError`."""
        blob = self._client.get_blob_client(container, path)
        try:
            return blob.download_blob().readall()
        except ResourceNotFoundError:
            raise NoSuchPlaceError(f"{container}/{path} does not exist") from None
        except AzureError as error:
            raise NoSuchPlaceError(f"{container}/{path}: {type(error).__name__}") from None

    def write(self, container: str, path: str, content: bytes) -> None:
        """Create or overwrite a blob; raises `NoSuchPlaceError`."""
        try:
            self._client.get_blob_client(container, path).upload_blob(content, overwrite=True)
        except AzureError as error:
            raise NoSuchPlaceError(f"{container}/{path}: {type(error).__name__}") from None

    def names(self, container: str, prefix: str) -> list[str]:
        """Return the names that begin with `prefix`; raises `NoSuchPlaceError`."""
        listed = self._client.get_container_client(container)
        try:
            return list(listed.list_blob_names(name_starts_with=prefix))
        except AzureError as error:
            raise NoSuchPlaceError(f"{container}: {type(error).__name__}") from None

    def make_container(self, container: str) -> None:
        """Make a container that is not there yet."""
        client = self._client.get_container_client(container)
        make_container(client)

    def sas(self) -> str:
        """Return a signature for the whole account, for an hour: write and delete too."""
        return "?" + generate_account_sas(
            self.account,
            self._key,
            ResourceTypes(container=True, object=True),
            AccountSasPermissions(
                read=True, create=True, update=True, write=True, delete=True, list=True
            ),
            datetime.now(UTC) + timedelta(hours=1),
        )

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()


@dataclass(frozen=True)
class Datastore:
    """A name for a container."""

    name: str
    container: str
    kind: str = "AzureBlob"
    account: str | None = None  #: another account than that of the files


@dataclass
class Datastores:
    """The datastores of the workspace, and the files that they lead to.

    While none was added, every other name leads to the container of that name.
    """

    files: Files
    switches: Switches = field(default_factory=Switches)
    all: dict[str, Datastore] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Add what every workspace has, a share of files first."""
        self.add(Datastore("workspacefilestore", "azureml-filestore-1", "AzureFile"))
        self.add(Datastore(DEFAULT, "azureml-blobstore-1"))
        self.add(Datastore(ARTIFACTS, ARTIFACTS_CONTAINER))
        self._usual = len(self.all)

    def add(self, datastore: Datastore) -> None:
        """Register a datastore."""
        self.all[datastore.name] = datastore

    def get(self, name: str) -> Answer:
        """Return a datastore, or 404."""
        if (datastore := self.all.get(name)) is None:
            return missing(f"Could not find datastore: {name}", "DatastoreNotFound")
        return Answer(200, self._shown(datastore))

    def page(self, query: Mapping[str, str]) -> Answer:
        """Return the datastores; `isDefault=true` asks for the default one."""
        wanted = query.get("isDefault")
        found = [
            self._shown(one)
            for one in self.all.values()
            if wanted is None or (one.name == DEFAULT) is (wanted.lower() == "true")
        ]
        return page_of(found, "datastores", query, self.switches.datastores_a_page)

    def secrets(self, name: str, body: Mapping[str, object]) -> Answer:
        """Hand out a signature; only where an expirable one is asked for."""
        if name not in self.all:
            return self.get(name)
        if not body.get("expirableSecret"):
            return Answer(200, {"secretsType": "AccountKey", "key": "not-handed-out"})
        return Answer(200, {"secretsType": "Sas", "sasToken": self.files.sas()})

    def place(self, uri: str) -> tuple[str, str]:
        """Return container and path of a URI; raises `NoSuchPlaceError`."""
        if (found := _IN_DATASTORE.match(uri)) is not None:
            store = self.all.get(found["store"])
            if store is None and len(self.all) == self._usual:
                store = Datastore(found["store"], found["store"])
            if store is None:
                raise NoSuchPlaceError(f"there is no datastore {found['store']}")
            if store.account not in (None, self.files.account):
                raise NoSuchPlaceError(f"account {store.account} cannot be reached")
            return store.container, found["path"]
        parts = urlsplit(uri)
        if parts.scheme not in ("http", "https"):
            raise NoSuchPlaceError(f"{uri} is not a place in a datastore and no URL of a blob")
        path = unquote(parts.path).lstrip("/")
        if _LOCAL_HOST.fullmatch(parts.netloc):
            account, _, path = path.partition("/")
        else:
            account = parts.netloc.partition(".")[0]
        if account != self.files.account:
            raise NoSuchPlaceError(f"account {account} cannot be reached")
        container, _, path = path.partition("/")
        return container, path

    def found(self, uri: str) -> list[tuple[str, str]]:
        """Return what is at a URI: the blob itself, or what is below it, as container and path."""
        container, path = self.place(uri)
        names = self.files.names(container, path)
        below = path if not path or path.endswith("/") else f"{path}/"
        return [(container, name) for name in names if name == path or name.startswith(below)]

    def download(self, uri: str, folder: Path) -> list[Path]:
        """Write what is at a URI into a folder, and return the files.

        Args:
            uri: of a blob, or of a prefix.
            folder: that gets the blob, or what is below the prefix.

        Returns:
            The files; none where there is nothing.

        Raises:
            NoSuchPlaceError: there is no such place.
        """
        _, path = self.place(uri)
        files = []
        for container, name in self.found(uri):
            inner = name[len(path) :].lstrip("/") if name != path else PurePosixPath(name).name
            file = folder / inner
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(self.files.read(container, name))
            files.append(file)
        return files

    def _shown(self, one: Datastore) -> Body:
        properties: Body = {
            "description": None,
            "tags": None,
            "properties": None,
            "isDefault": one.name == DEFAULT,
            "credentials": {"credentialsType": "AccountKey"},
            "subscriptionId": SUBSCRIPTION,
            "resourceGroup": GROUP,
            "datastoreType": one.kind,
            "accountName": one.account or self.files.account,
            "endpoint": self.files.endpoint,
            "protocol": self.files.protocol,
            "serviceDataAccessAuthIdentity": "WorkspaceSystemAssignedIdentity",
        }
        name = "fileShareName" if one.kind == "AzureFile" else "containerName"
        if one.kind == "AzureDataLakeGen2":
            name = "filesystem"
        return resource(f"{WORKSPACE}/datastores/{one.name}", properties | {name: one.container})
