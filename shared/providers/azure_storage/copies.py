"""Copies a blob that a service names into a storage account, by the service's own signature.

A service may name any blob, one of our own account too. The storage authorises a copy within
one account by the account's key, even where the signature in the source's URL is not valid. So that
signature is checked first, by a HEAD with only that; and the copy is asked for by a signature
that may do nothing but write its target. Nothing is sent to a host that a service chose.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobClient, BlobProperties, BlobServiceClient

from shared.core.blob_locations import source_of
from shared.core.blobs import CLOCK_SKEW
from shared.core.service import service
from shared.errors import TransientError
from shared.ports.storage import Access, SignedBlob
from shared.providers.azure_storage.errors import classify, is_lost, named_cause

_SERVER_ERROR: Final = 500
_NOT_COPIED: Final = ("failed", "aborted")
_PENDING: Final = "pending"
_TO_BEGIN: Final = timedelta(minutes=10)


@service
class BlobCopies:
    """Copies into one storage account.

    Args:
        account: the account.
        sign: returns the target with a signature.
        options: how requests are sent that do not carry the account's credential.
    """

    account: BlobServiceClient
    sign: Callable[[str, str, Access, timedelta], SignedBlob]
    options: Mapping[str, Any]

    def copied(self, source: str, container: str, name: str, since: datetime | None) -> bool:
        """Copy the blob at URL `source`. Safe to repeat.

        Args:
            source: the URL, with the signature that the service sent.
            container: the container of the target.
            name: the name of the target.
            since: an older target is copied anew; None: every copy counts.

        Returns:
            Whether the blob has been copied.

        Raises:
            TransientError: the copy is under way, or cannot be begun now.
            PermanentError: the storage refuses the target.
        """
        what, target = f"copy to {container}/{name}", (container, name)
        blob = self.account.get_blob_client(container, name)
        try:
            found = _properties(blob)
            if found is None or _old(found, since) or found.copy.status in _NOT_COPIED:
                if (readable := self._readable(source)) is None:
                    return False
                self._begin(readable, target, self._free(blob, found))
                found = _properties(blob)
        except HttpResponseError as exc:
            if is_lost(exc):
                raise TransientError(f"{what}: another worker copies it too") from None
            if exc.status_code and exc.status_code < _SERVER_ERROR and not named_cause(exc):
                return False  # the source's own refusal comes back as ours
            raise classify(exc, what, write=False) from None
        except AzureError as exc:
            raise classify(exc, what, write=False) from None
        if found is not None and found.copy.status == _PENDING:
            raise TransientError(f"the {what} is under way")
        return found is not None and found.copy.status == "success"

    def _free(self, blob: BlobClient, found: BlobProperties | None) -> BlobProperties | None:
        """Stop an earlier copy that is still under way: its bytes are not wanted any more."""
        if found is None or found.copy.status != _PENDING:
            return found
        blob.abort_copy(str(found.copy.id))
        return _properties(blob)

    def _readable(self, url: str) -> str | None:
        """Return the URL to copy from; None where no signature of the service opens it."""
        source = source_of(url, name_of(self.account), account_location(self.account.url))
        if source is None:
            return None
        if source.own_path is not None:
            container, _, name = source.own_path.partition("/")
            if not self._opens(container, name, source.signature):
                return None
        return source.url

    def _opens(self, container: str, name: str, signature: str) -> bool:
        with self._without_credential(container, name, signature) as holder:
            try:
                holder.get_blob_properties()
            except HttpResponseError as exc:
                if exc.status_code and exc.status_code < _SERVER_ERROR:
                    return False
                raise
        return True

    def _begin(self, source: str, target: tuple[str, str], found: BlobProperties | None) -> None:
        # Another worker may copy at this moment: over exactly what was seen, or over nothing.
        condition: dict[str, Any] = {"match_condition": MatchConditions.IfMissing}
        if found is not None:
            condition = {"etag": found.etag, "match_condition": MatchConditions.IfNotModified}
        token = self.sign(*target, Access.WRITE, _TO_BEGIN).signature
        with self._without_credential(*target, token.lstrip("?")) as holder:
            holder.start_copy_from_url(source, **condition)

    def _without_credential(self, container: str, name: str, signature: str) -> BlobClient:
        return BlobClient(
            account_location(self.account.url),
            container,
            name,
            credential=signature,
            **self.options,
        )


def account_location(url: str) -> str:
    """Return where an account is, with a slash at its end, by its client's URL without a query."""
    scheme, host, path, _, _ = urlsplit(url)
    return urlunsplit((scheme, host, f"{path.rstrip('/')}/", "", ""))


def name_of(account: BlobServiceClient) -> str:
    """Return the name of an account by its client.

    Some accounts have a zone in their address, `<account>.z01.blob.storage.azure.net`: of those
    the client knows no name.
    """
    host = (urlsplit(account.url).hostname or "").lower()
    label = host.partition(".")[0].removesuffix("-secondary")
    return label if ".blob." in host else str(account.account_name)


def _properties(blob: BlobClient) -> BlobProperties | None:
    try:
        return blob.get_blob_properties()
    except ResourceNotFoundError:
        return None


def _old(found: BlobProperties, since: datetime | None) -> bool:
    return since is not None and found.last_modified < since - CLOCK_SKEW
