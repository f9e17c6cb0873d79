"""Blob references as jobs and updates carry them: checked, made into URLs, returned."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import quote, urlsplit

from azure.storage.blob import generate_blob_sas

from local.studio.refusals import refusal
from local.studio.wire import members

_MEMBERS = frozenset({"ConnectionString", "BaseLocation", "RelativeLocation", "SasBlobToken"})
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_URL_SIGNS = "!#$%&'()*+,/:;=?@[]~"
_SIGNED_BEFORE = timedelta(minutes=5)
_SIGNED_FOR = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class StorageAccount:
    """The parts of a storage connection string."""

    name: str
    key: str = field(repr=False)
    endpoint: str

    @classmethod
    def parse(cls, text: str) -> "StorageAccount":
        """Read a connection string with an account key; raises `ValueError` for any other."""
        pairs = (part.partition("=") for part in text.split(";") if part.strip())
        found = {name.strip().lower(): value.strip() for name, _, value in pairs}
        name, key = found.get("accountname", ""), found.get("accountkey", "")
        if not name or not key:
            raise ValueError("a connection string needs AccountName and AccountKey")
        base64.b64decode(key, validate=True)
        scheme = found.get("defaultendpointsprotocol", "https")
        suffix = found.get("endpointsuffix", "core.windows.net")
        endpoint = found.get("blobendpoint") or f"{scheme}://{name}.blob.{suffix}"
        return cls(name, key, _checked_base(endpoint))


@dataclass(frozen=True, slots=True)
class BlobReference:
    """One blob, either by an account's key or by the caller's SAS."""

    base: str
    relative: str
    token: str = field(default="", repr=False)
    account: StorageAccount | None = None

    @property
    def relative_location(self) -> str:
        """The blob as texts name it: container and path, never a token."""
        return self.relative.lstrip("/")

    def url(self, permission: str, now: datetime) -> str:
        """Give the URL to reach the blob by, signed with `permission` where the key is known.

        With a SAS the three parts are joined and read as a URL: what a URL may not hold is
        quoted, while `#`, `?` and `%` mean what they mean in one. With a key the name is literal.
        """
        if self.account is not None:
            name = quote(self.relative_location, safe="/")
            return f"{self.base.rstrip('/')}/{name}{self._signed(self.account, permission, now)}"
        joined = f"{self.base.rstrip('/')}/{self.relative_location}{self.token}"
        return quote(_LONE_PERCENT.sub("%25", joined), safe=_URL_SIGNS).partition("#")[0]

    def answered(self, now: datetime) -> dict[str, str | None]:
        """Give the reference as the service answers it: no slash in front, with a SAS to read.

        With an account key the SAS is new each time and lives from five minutes ago for 24 hours
        (studio-classic §1.4). Without one, the caller's own is returned.
        """
        account = self.account
        return {
            "ConnectionString": None,
            "RelativeLocation": self.relative_location,
            "BaseLocation": self.base,
            "SasBlobToken": self._signed(account, "r", now) if account else self.token,
        }

    def _signed(self, account: StorageAccount, permission: str, now: datetime) -> str:
        container, _, blob = self.relative_location.partition("/")
        sas = generate_blob_sas(
            account.name,
            container,
            blob,
            account_key=account.key,
            permission=permission,
            start=now - _SIGNED_BEFORE,
            expiry=now + _SIGNED_FOR,
        )
        return f"?{sas}"


@dataclass(frozen=True, slots=True)
class Role:
    """The purpose of a reference, which decides the codes of its refusals."""

    name: str
    incomplete: str
    bad_location: str


def input_role(name: str) -> Role:
    """Give the role of a job's input."""
    return Role(name, "MissingInputBlobInformation", "InputBlobRelativeLocationInvalid")


def output_role(name: str) -> Role:
    """Give the role of a job's output, or of an endpoint's resource."""
    return Role(name, "MissingOutputOverrideSpecification", "MissingOutputOverrideSpecification")


def read_reference(value: object, role: Role) -> BlobReference:
    """Read a reference: a relative location, with a connection string or with base and SAS.

    Raises:
        RefusalError: It is neither, or a part of it is not valid.
    """
    given = members(value, _MEMBERS, f"the reference of {role.name}")
    if not all(part is None or isinstance(part, str) for part in given.values()):
        raise refusal("RequestBodyInvalid", f"the reference of {role.name} has a part of no text")
    try:
        "".join(part or "" for part in given.values()).encode()
    except UnicodeEncodeError:
        raise refusal("InvalidBlob", role.name, "a part of it is not text") from None
    relative = given.get("RelativeLocation") or ""
    if not relative.strip("/"):
        raise refusal(role.bad_location, role.name)
    container, _, blob = relative.lstrip("/").partition("/")
    if not (container and blob):
        raise refusal("ContainerSegmentInvalid", relative)
    return _reference(given, relative, role)


def _reference(given: Mapping[str, str | None], relative: str, role: Role) -> BlobReference:
    connection = given.get("ConnectionString")
    base, token = given.get("BaseLocation"), given.get("SasBlobToken")
    if connection:
        try:
            account = StorageAccount.parse(connection)
        except ValueError:
            raise refusal("InvalidBlobConnectionString", role.name) from None
        return BlobReference(account.endpoint, relative, account=account)
    if not base or not token:
        raise refusal(role.incomplete, role.name)
    try:
        _checked_base(base)
    except ValueError as error:
        raise refusal("InvalidBlob", role.name, error) from None
    return BlobReference(base, relative, token if token.startswith("?") else f"?{token}")


def _checked_base(base: str) -> str:
    parts = urlsplit(base)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("the base location must be a plain http or https URL")
    return base if base.endswith("/") else f"{base}/"
