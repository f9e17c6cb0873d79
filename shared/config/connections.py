"""The storage connections among the app settings: which one counts, and what is wrong with them.

No message repeats a value: it may be a key or a signature.
"""

import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Final
from urllib.parse import SplitResult, urlsplit

from shared.config.values import quoted
from shared.core.config.problems import Problem
from shared.core.config.setting_references import not_filled_in
from shared.core.hosts import is_loopback

CONNECTIONS: Final = ("DataStorage", "ModelsStorage", "LedgerStorage", "EventsStorage")
DEFAULT_CONNECTION: Final = "AzureWebJobsStorage"
#: Those whose blobs trigger a function, so that the host passes each event on by a queue of the
#: account; and the one whose queues do.
_TRIGGERING: Final = ("DataStorage", "ModelsStorage", "EventsStorage")
_URIS: Final = {"blobServiceUri": "blob", "serviceUri": "blob", "queueServiceUri": "queue"}
_CREDENTIAL: Final = ("credential", "clientId")
#: What a connection by identity may be made of. Only the host uses the table's address.
_PARTS: Final = (*_URIS, "accountName", "tableServiceUri", *_CREDENTIAL)
#: What the host takes and the app does not.
_OF_THE_HOST: Final = ("tenantId", "clientSecret", "managedIdentityResourceId")
_SERVICE: Final = re.compile(r"\.(blob|queue|table|file|dfs|web)\.", re.IGNORECASE)
_ACCOUNT: Final = re.compile(r"[a-z0-9]{3,24}")
_CLIENT: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_NO_CLIENT: Final = (
    "is not a client id",
    "write the client id of the user-assigned identity, which is not its name nor its object id",
)
_DEVELOPMENT: Final = "usedevelopmentstorage"
_IDENTITY: Final = (
    "the app signs URLs by an account key or an identity: write the connection string with "
    "AccountName and AccountKey, or {name}__blobServiceUri and an identity"
)
_PLAIN: Final = "http only on loopback, with AZURE_FUNCTIONS_ENVIRONMENT=Development"
_WHOLE: Final = "copy the whole connection string from the account's Access keys page"


def connection_settings() -> Iterator[str]:
    """Yield every setting that a connection may consist of."""
    for name in (*CONNECTIONS, DEFAULT_CONNECTION):
        yield name
        for part in _PARTS:
            yield f"{name}__{part}"


def connection_name(environment: Mapping[str, str], name: str) -> str | None:
    """Return the connection that `name` stands for: itself where set, otherwise the app's own."""
    for candidate in (name, DEFAULT_CONNECTION):
        forms = [candidate, f"{candidate}__blobServiceUri", f"{candidate}__serviceUri"]
        if candidate == DEFAULT_CONNECTION:
            forms.append(f"{candidate}__accountName")
        if any(environment.get(form) for form in forms):
            return candidate
    return None


def connections_of(environment: Mapping[str, str]) -> dict[str, str]:
    """Return which connection counts for each name; a name itself where none is set."""
    return {name: connection_name(environment, name) or name for name in CONNECTIONS}


def connection_problems(environment: Mapping[str, str], *, development: bool) -> Iterator[Problem]:
    """Yield what is wrong with the connections, each by the setting's name.

    Args:
        environment: the app settings.
        development: whether plain http on loopback is allowed.
    """
    misread = list(_misspelt(environment))
    yield from misread
    for name in CONNECTIONS:
        if connection_name(environment, name) is None:
            what = f"no storage connection: neither it nor {DEFAULT_CONNECTION} is set"
            advice = (
                f"set {DEFAULT_CONNECTION}, or {name} or {name}__blobServiceUri for its account"
            )
            yield Problem(name, what, advice)
    used = dict.fromkeys(connection_name(environment, name) for name in CONNECTIONS)
    for name in (*CONNECTIONS, DEFAULT_CONNECTION):
        if environment.get(name):
            yield from _of_string(name, environment[name], development=development)
        elif name in used:
            yield from _of_identity(environment, name, development=development)
        elif any(environment.get(f"{name}__{part}") for part in _PARTS):
            yield from _without_a_blob_uri(environment, name)
    yield from _missing_queues(environment)


def connection_hints(environment: Mapping[str, str]) -> Iterator[Problem]:
    """Yield the settings of connections that are set and not used."""
    for name in (*CONNECTIONS, DEFAULT_CONNECTION):
        parts = [part for part in (*_PARTS, *_OF_THE_HOST) if environment.get(f"{name}__{part}")]
        for part in parts:
            if environment.get(name):
                why = f"{name} holds a connection string, which counts before it: remove one"
            elif part in _OF_THE_HOST:
                why = f"the app knows only {name}__credential and {name}__clientId"
            elif part == "clientId" and not environment.get(f"{name}__credential"):
                why = f"set {name}__credential to managedidentity, or remove it"
            elif part == "serviceUri" and environment.get(f"{name}__blobServiceUri"):
                why = f"{name}__blobServiceUri counts before it: remove one"
            else:
                continue
            yield Problem(f"{name}__{part}", "is set and not used", why)


def _misspelt(environment: Mapping[str, str]) -> Iterator[Problem]:
    """Yield the settings that would be passed over: the app reads names as they are written."""
    connections = {name.lower(): name for name in (*CONNECTIONS, DEFAULT_CONNECTION)}
    parts = {part.lower(): part for part in (*_PARTS, *_OF_THE_HOST)}
    for given in environment:
        stem, mark, rest = re.fullmatch(r"([^:_]*)(__|:|_|)(.*)", given, re.DOTALL).groups()  # type: ignore[union-attr]
        name = connections.get(stem.lower())
        if name is None or not environment[given]:
            continue
        close = get_close_matches(rest.lower(), parts, n=1)
        part = parts.get(rest.lower()) or (parts[close[0]] if close else None)
        right = name if not mark else f"{name}__{part}" if part else None
        if right is None:
            if mark != "_":
                known = ", ".join(_PARTS)
                yield Problem(given, "is unknown, and not read", f"known after {name}__: {known}")
        elif given != right and environment.get(right) != environment[given]:
            yield Problem(given, "is not read in this spelling", f"write {right}")


def _of_string(name: str, text: str, *, development: bool) -> Iterator[Problem]:
    if (what := not_filled_in(text, anywhere=True)) is not None:
        yield Problem(name, *what)
        return
    if (what := quoted(text)) is not None:
        yield Problem(name, *what)
        return
    pairs = (member.partition("=") for member in text.split(";") if member.strip())
    members = {key.strip().lower(): value.strip() for key, _, value in pairs}
    if "://" in text.partition("=")[0]:
        advice = f"write it into {name}__blobServiceUri, for an identity"
        yield Problem(name, "holds a URL, no connection string", advice)
    elif "sharedaccesssignature" in members or "sig" in members:
        advice = _IDENTITY.format(name=name)
        yield Problem(name, "holds a shared access signature, which cannot sign", advice)
    elif members.get(_DEVELOPMENT, "").lower() == "true":
        if not development:
            advice = "it is a server on this machine: name a storage account"
            yield Problem(
                name, "UseDevelopmentStorage needs AZURE_FUNCTIONS_ENVIRONMENT=Development", advice
            )
    else:
        yield from _of_members(name, members, development=development)


def _of_members(name: str, members: Mapping[str, str], *, development: bool) -> Iterator[Problem]:
    missing = [part for part in ("AccountName", "AccountKey") if not members.get(part.lower())]
    if missing:
        what = f"is not a connection string of a storage account: {' and '.join(missing)} missing"
        yield Problem(name, what, _WHOLE)
        return
    try:
        b64decode(members["accountkey"], validate=True)
    except ValueError:
        yield Problem(name, "its AccountKey is cut off or changed", _WHOLE)
    for part in ("blob", "queue"):
        if endpoint := members.get(f"{part}endpoint"):
            for found in _of_uri(name, endpoint, part, development=development):
                what = f"its {part.capitalize()}Endpoint {found.what}"
                yield Problem(name, what, found.advice)
    loopback = is_loopback(members.get("blobendpoint", ""))
    plain = members.get("defaultendpointsprotocol", "https").lower() != "https"
    if plain and not (development and loopback):
        advice = f"write DefaultEndpointsProtocol=https ({_PLAIN})"
        yield Problem(name, "https is required", advice)


def _of_identity(
    environment: Mapping[str, str], name: str, *, development: bool
) -> Iterator[Problem]:
    hosts: dict[str, SplitResult] = {}
    for part, service in _URIS.items():
        setting = f"{name}__{part}"
        text = environment.get(setting, "")
        if not text:
            continue
        found = list(_of_uri(setting, text, service, development=development))
        yield from found
        if not found:
            hosts[part] = urlsplit(text)
    yield from _of_another(name, hosts)
    if account := environment.get(f"{name}__accountName"):
        yield from _of_account_name(f"{name}__accountName", account)
    client = environment.get(f"{name}__clientId")
    if client and not _CLIENT.fullmatch(client):
        what = not_filled_in(client, anywhere=True) or quoted(client) or _NO_CLIENT
        yield Problem(f"{name}__clientId", *what)
    kind = environment.get(f"{name}__credential", "managedidentity")
    if kind and kind.lower() != "managedidentity":
        advice = "write managedidentity, or remove it for the default credential"
        yield Problem(f"{name}__credential", "is not a credential that is known", advice)


def _of_another(name: str, hosts: Mapping[str, SplitResult]) -> Iterator[Problem]:
    """Yield a queue address that is not of the account that the blobs are in."""
    blob, queue = (
        hosts.get("blobServiceUri") or hosts.get("serviceUri"),
        hosts.get("queueServiceUri"),
    )
    if blob is None or queue is None:
        return
    where, account = f"{name}__queueServiceUri", blob.netloc.lower().partition(".")[0]
    advice = "write https://<account>.queue.core.windows.net, of the same account as the blobs"
    if (blob.netloc, blob.path.rstrip("/")) == (queue.netloc, queue.path.rstrip("/")):
        yield Problem(where, "is the address of the blobs", advice)
    elif ".blob." in blob.netloc.lower() and account != queue.netloc.lower().partition(".")[0]:
        yield Problem(where, "is of another account than the blobs", advice)


def _of_uri(name: str, text: str, service: str, *, development: bool) -> Iterator[Problem]:
    advice = f"write https://<account>.{service}.core.windows.net"
    if (what := not_filled_in(text, anywhere=True) or quoted(text)) is not None:
        yield Problem(name, *what)
        return
    if "accountkey=" in text.lower() or "accountname=" in text.lower():
        yield Problem(name, "holds a connection string", advice)
        return
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        yield Problem(name, "is not a URL", advice)
        return
    loopback = development and is_loopback(text)
    wrong = _wrong_with(parts, service, loopback=loopback)
    if wrong is not None:
        keyless = f"{advice}, without the part after it: an identity needs no signature"
        yield Problem(name, wrong, keyless if parts.query else advice)


def _wrong_with(parts: SplitResult, service: str, *, loopback: bool) -> str | None:
    """Return what is wrong with the address of a service; None: nothing that can be seen."""
    host = (parts.hostname or "").lower()
    found = _SERVICE.search(host)
    checks = {
        "holds a query, as a signature is": bool(parts.query or parts.fragment),
        "carries a user name or password": "@" in parts.netloc,
        f"https is required ({_PLAIN})": (parts.scheme != "https" and not loopback),
        f"is the address of the {found[1] if found else ''} service, not of {service}": (
            found is not None and found[1].lower() != service
        ),
        "is the secondary address, which nothing can be written to": (
            host.partition(".")[0].endswith("-secondary")
        ),
        "holds a path, and must be the address of the whole service": (
            bool(parts.path.strip("/")) and not loopback
        ),
    }
    return next((what for what, wrong in checks.items() if wrong), None)


def _of_account_name(name: str, text: str) -> Iterator[Problem]:
    if (what := not_filled_in(text, anywhere=True) or quoted(text)) is not None:
        yield Problem(name, *what)
    elif not _ACCOUNT.fullmatch(text):
        kind = (
            "a URL"
            if "//" in text or "." in text
            else "a part of a connection string"
            if "=" in text
            else "no name of a storage account"
        )
        advice = "write only the account's name: 3 to 24 lower-case letters and digits"
        yield Problem(name, f"holds {kind}", advice)


def _without_a_blob_uri(environment: Mapping[str, str], name: str) -> Iterator[Problem]:
    """Yield what is set of a connection that would be passed over, so that another one counts."""
    other = connection_name(environment, name)
    counts = f", and {other} is used instead" if other else ""
    for part in _PARTS:
        if not environment.get(f"{name}__{part}"):
            continue
        advice = (
            f"set {name}__blobServiceUri to https://<account>.blob.core.windows.net and "
            f"{name}__queueServiceUri to https://<account>.queue.core.windows.net"
        )
        yield Problem(f"{name}__{part}", f"is not enough for a connection{counts}", advice)


def _missing_queues(environment: Mapping[str, str]) -> Iterator[Problem]:
    """Yield the connections by identity whose blobs would trigger nothing.

    A connection string holds the queue's address; so does the account's name, for the host. The
    URI of the blob service does not (azure-functions §2.6).
    """
    used = dict.fromkeys(connection_name(environment, name) for name in _TRIGGERING)
    advice = (
        "write https://<account>.queue.core.windows.net, and give the app's identity Storage "
        "Blob Data Owner and Storage Queue Data Contributor on the account"
    )
    for name in used:
        forms = (name, f"{name}__queueServiceUri", f"{name}__accountName")
        if name is not None and not any(environment.get(str(form)) for form in forms):
            yield Problem(f"{name}__queueServiceUri", "not set, and a trigger needs it", advice)
