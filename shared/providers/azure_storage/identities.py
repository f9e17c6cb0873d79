"""The identity that opens a storage account: whether it gives a token, and who it is."""

import base64
import json
import re
from collections.abc import Mapping
from typing import Final

from azure.core.exceptions import AzureError

from shared.core.findings import Finding, ok, wrong
from shared.providers.azure_storage.accounts import credential_of

_SCOPE: Final = "https://storage.azure.com/.default"
_ID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
#: What a token says of its bearer, and what operators look for in role assignments.
_CLAIMS: Final = {"oid": "object id", "appid": "client id", "tid": "tenant"}
_ADVICE: Final = (
    "assign a managed identity to the app, and for a user-assigned one set {name}__credential to "
    "managedidentity and {name}__clientId to its client id; on your own machine sign in with a "
    "developer tool, such as az login"
)


def identity_found(environment: Mapping[str, str], connection: str) -> Finding:
    """Return whether the identity of a connection gives a token, and whose it is.

    Args:
        environment: the app settings.
        connection: what the settings of the connection begin with.
    """
    try:
        token = credential_of(environment, connection).get_token(_SCOPE).token
    except (AzureError, ValueError) as exc:
        # Its text lists everything that was tried, over many lines.
        kind = type(exc).__name__
        return wrong(
            f"no identity gives a token for storage ({kind})", _ADVICE.format(name=connection)
        )
    who = ", ".join(f"{words} {claim}" for words, claim in _claims(token).items())
    return ok(f"the identity gives a token for storage{f': {who}' if who else ''}")


def _claims(token: str) -> dict[str, str]:
    """Return who a token is for; only what has the form of an id."""
    try:
        body = token.split(".")[1]
        decoded = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (ValueError, IndexError):
        return {}
    if not isinstance(decoded, dict):
        return {}
    found = {words: str(decoded.get(claim, "")) for claim, words in _CLAIMS.items()}
    return {words: value for words, value in found.items() if _ID.fullmatch(value)}
