"""Datastores of a workspace: which one covers a container, and where a URI in one leads.

Forms: azure-machine-learning-v2 §2.7. Only Blob and Data Lake Gen2 stores hold blobs.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from shared.core.blobs import BlobVersion
from shared.core.config.azureml_names import escaped_name, place_in_datastore
from shared.core.service import service
from shared.errors import PermanentError
from shared.ports.storage import Blobs
from shared.providers.azureml.call import AzureMlCall, Body, Memory, host_of, properties_of, text_of

_KINDS: Final = frozenset({"azureblob", "azuredatalakegen2"})
_OURS: Final = "relearn_{purpose}"


@dataclass(frozen=True, slots=True)
class Datastore:
    """A datastore that holds blobs."""

    name: str
    account: str
    container: str
    endpoint: str  #: what follows `blob.`, such as `core.windows.net`
    protocol: str

    def covers(self, account: str, container: str) -> bool:
        """Whether it is of this container.

        Args:
            account: the name of the storage account.
            container: the container there.
        """
        return self.account.lower() == account.lower() and self.container == container

    @property
    def base(self) -> str:
        """The URL of its account."""
        return f"{self.protocol}://{self.account}.blob.{self.endpoint}/"

    def uri(self, path: str) -> str:
        """Return the short URI of a path below its container."""
        return f"azureml://datastores/{self.name}/paths/{path}"


@service
class Datastores:
    """The datastores of one workspace.

    Args:
        call: calls the workspace.
        memory: what was read before by this process.
    """

    call: AzureMlCall
    memory: Memory

    def of_models(self, blobs: Blobs, container: str, named: str | None) -> Datastore:
        """Return the datastore of the container that outputs are written to.

        Args:
            blobs: the account.
            container: the container there.
            named: the datastore that the configuration names; None: it is found in the list.

        Raises:
            TransientError: the workspace gives no usable answer now.
            PermanentError: there is none; the message has the line that makes one.
        """
        if named is not None:
            return self._named(named, blobs.account, container, "datastore")
        found = self._covering(blobs.account, container)
        if found is None:
            what = f"no datastore of the workspace covers {blobs.account}/{container}"
            advice = f"make one: {self.create_line('models', blobs.account, container)}"
            raise PermanentError(f"{what} (MODELS_CONTAINER): {advice}", advice=advice)
        return found

    def of_data(self, blobs: Blobs, container: str, named: str | None) -> Datastore | None:
        """Return the datastore of the training data; None: jobs are given https URLs.

        Args:
            blobs: the account.
            container: the container there.
            named: the datastore that the configuration names; None: it is found in the list.

        Raises:
            TransientError: the workspace gives no usable answer now.
            PermanentError: the named one does not cover the container.
        """
        if named is not None:
            return self._named(named, blobs.account, container, "data_datastore")
        return self._covering(blobs.account, container)

    def located(self, uri: str) -> tuple[str, str, str] | None:
        """Return (account URL, container, path) of a URI; None for one that is not a blob's.

        Args:
            uri: in a datastore of the workspace, or an https URL.

        Raises TransientError, PermanentError.
        """
        place = place_in_datastore(uri)
        if place is None:
            if not host_of(uri):
                return None
            parts = urlsplit(uri)
            container, _, path = unquote(parts.path).removeprefix("/").partition("/")
            usable = parts.scheme == "https" and ".blob." in parts.netloc and container and path
            return (f"https://{parts.netloc}/", container, path) if usable else None
        store = self._get(place[0])
        return None if store is None else (store.base, store.container, place[1])

    def create_line(self, purpose: str, account: str, container: str) -> str:
        """Return the command that makes a datastore for a container.

        Args:
            purpose: `models` or `data`, a part of its name.
            account: the storage account.
            container: the container there.
        """
        here = self.call.workspace
        name = _OURS.format(purpose=purpose)
        lines = ("type: azure_blob", f"name: {name}", f"account_name: {account}")
        text = r"\n".join((*lines, f"container_name: {container}", ""))
        return (
            f"printf '{text}' > {name}.yml && az ml datastore create --file {name}.yml "
            f"--subscription {here.subscription} --resource-group {here.group} "
            f"--workspace-name {here.name}"
        )

    def _named(self, name: str, account: str, container: str, key: str) -> Datastore:
        memory_key = ("named", self.call.workspace.identity, name.lower(), account, container)
        if (known := self.memory.known(memory_key, Datastore)) is not None:
            return known
        store = self._get(name)
        if store is None:
            what = f"the workspace has no datastore {name!r} that holds blobs"
        elif store.covers(account, container):
            self.memory.keep(memory_key, store)
            return store
        else:
            what = f"datastore {name} covers {store.account}/{store.container}"
            what = f"{what}, and not {account}/{container}"
        purpose = "models" if key == "datastore" else "data"
        line = self.create_line(purpose, account, container)
        advice = f"correct training.{key}, or leave it out; this makes one: {line}"
        raise PermanentError(f"{what}: {advice}", advice=advice)

    def _get(self, name: str) -> Datastore | None:
        url = self.call.url(f"datastores/{escaped_name(name)}", self.call.versions.datastores)
        found = self.call.found(url, f"GET datastore {name}")
        return None if found is None else _read(found)

    def _covering(self, account: str, container: str) -> Datastore | None:
        known = self.memory.known(self._key(account, container), Datastore)
        return known or self._listed().get((account.lower(), container))

    def _listed(self) -> dict[tuple[str, str], Datastore]:
        """Return the datastore of each container, all from one listing."""
        url = self.call.url("datastores", self.call.versions.datastores)
        stores = [store for one in self.call.pages(url, "list datastores") if (store := _read(one))]
        found: dict[tuple[str, str], Datastore] = {}
        # Of several the first by name, so that each process and each attempt uses the same.
        for store in sorted(stores, key=lambda store: store.name):
            if found.setdefault((store.account.lower(), store.container), store) is store:
                self.memory.keep(self._key(store.account, store.container), store)
        return found

    def _key(self, account: str, container: str) -> tuple[str, ...]:
        return ("covering", self.call.workspace.identity, account.lower(), container)


def https_url(blobs: Blobs, blob: BlobVersion) -> str:
    """Return the URL of a blob, without a signature: the compute's identity reads it.

    Args:
        blobs: its account.
        blob: the blob.
    """
    return f"{blobs.account_url.rstrip('/')}/{blob.container}/{quote(blob.name)}"


def _read(resource: Body) -> Datastore | None:
    """Return a datastore; None for one of files, or of an older kind."""
    known = properties_of(resource)
    kind = str(known.get("datastoreType", "")).lower().replace("_", "")
    container = known.get("containerName") or known.get("filesystem")
    account = known.get("accountName")
    if kind not in _KINDS or not isinstance(container, str) or not isinstance(account, str):
        return None
    return Datastore(
        name=str(resource.get("name") or ""),
        account=account,
        container=container,
        endpoint=text_of(known.get("endpoint")) or "core.windows.net",
        protocol=text_of(known.get("protocol")) or "https",
    )
