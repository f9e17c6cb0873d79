"""How requests and answers of Studio name a blob (studio-classic §1.2, §1.4)."""

from typing import Final
from urllib.parse import urlsplit

from shared.core.config.setting_references import references_in
from shared.core.hosts import is_inner, is_loopback
from shared.errors import ConfigError
from shared.ports.storage import SignedBlob

_PARTS: Final = ("BaseLocation", "RelativeLocation", "SasBlobToken")


def signed_reference(blob: SignedBlob) -> dict[str, str]:
    """Return the reference to a blob that is signed for."""
    return dict(zip(_PARTS, (blob.account_url, blob.path, blob.signature), strict=True))


def keyed_reference(connection: str, path: str) -> dict[str, str]:
    """Return the reference to blob `path` (`container/name`) by a storage connection string.

    Args:
        connection: the connection string; a secret.
        path: the path of the blob.
    """
    return {"ConnectionString": connection, "RelativeLocation": path}


def require_account(connection: str, setting: str, account: str, what: str) -> None:
    """Make sure that a connection string opens the account that a blob lies in.

    Args:
        connection: the connection string; never part of a message.
        setting: the `${NAME}` that it came from.
        account: the name of the storage account of the blob.
        what: the blob, for messages.

    Raises:
        ConfigError: it opens another account, or does not say which.
    """
    named = _members(connection).get("accountname", "")
    if named.lower() == account.lower():
        return
    source = f"training.connection_string (app setting {', '.join(references_in(setting))})"
    if not named:
        raise ConfigError(f"{source} holds no AccountName=…;AccountKey=… of a storage account")
    raise ConfigError(
        f"{source} opens another storage account than {account}, where {what} is: "
        "use that account's connection string, or remove the key to send signed URLs"
    )


def read_results(reported: object) -> dict[str, SignedBlob]:
    """Return output name -> where it is; entries without a location are left out.

    Args:
        reported: `Results` of a job, as the service gave it.
    """
    listed = reported.items() if isinstance(reported, dict) else ()
    locations = {str(name): _location(entry) for name, entry in listed}
    return {name: location for name, location in locations.items() if location is not None}


def _members(connection: str) -> dict[str, str]:
    pairs = (member.partition("=") for member in connection.split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _location(entry: object) -> SignedBlob | None:
    known = entry if isinstance(entry, dict) else {}
    texts = (known.get(part) for part in _PARTS)
    base, relative, token = (text.strip() if isinstance(text, str) else "" for text in texts)
    container, _, name = relative.lstrip("/").partition("/")
    if not container or not name or not _is_account(base):
        return None
    token = token.lstrip("?")
    return SignedBlob(f"{base.rstrip('/')}/", f"{container}/{name}", f"?{token}" if token else "")


def _is_account(base: str) -> bool:
    try:
        parts, inner, loopback = urlsplit(base), is_inner(base), is_loopback(base)
    except ValueError:  # a broken IPv6 host
        return False
    outside = parts.scheme == "https" and bool(parts.hostname) and not inner
    emulator = parts.scheme == "http" and loopback
    plain = not parts.query and not parts.username and not parts.password
    return (outside or emulator) and plain
