"""A made-up identity for the storage server: a certificate for loopback, and tokens.

Azurite takes the tokens of any identity as long as their claims are plausible, and hands out
user delegation keys for them, but only over https.
"""

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Final

import jwt
from azure.core.credentials import AccessToken
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from jwt.types import Options

CERTIFICATE, KEY = "loopback.pem", "loopback.key"
_TENANT: Final = "00000000-0000-0000-0000-000000000001"
_WHO: Final = "00000000-0000-0000-0000-000000000002"
_VALID: Final = timedelta(days=2)
_SKEW: Final = timedelta(minutes=5)
_SECONDS: Final = 3600
_MINUTE: Final = 60
_SIGNED_WITH: Final = "the storage does not check it" * 2


class LocalIdentity:
    """A credential with a made-up token, instead of `DefaultAzureCredential`."""

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """Return a token for the storage, valid for an hour."""
        del scopes
        return AccessToken(make_token("https://storage.azure.com"), int(time.time()) + _SECONDS)


def make_token(audience: str) -> str:
    """Return a token for a resource, valid for almost an hour."""
    return _token(audience, int(time.time()) // _MINUTE * _MINUTE)


@lru_cache(maxsize=64)
def _token(audience: str, now: int) -> str:
    claims = {
        "aud": audience,
        "iss": f"https://sts.windows.net/{_TENANT}/",
        "iat": now,
        "nbf": now - _SECONDS,
        "exp": now + _SECONDS,
        "oid": _WHO,
        "tid": _TENANT,
    }
    return jwt.encode(claims, _SIGNED_WITH)


def audience_of(token: str) -> str | None:
    """Return the resource that a token is for; None if it is none of ours, or is not valid now."""
    claims = _claims(token)
    if claims is None or not claims["nbf"] <= time.time() < claims["exp"]:
        return None
    return str(claims.get("aud"))


@lru_cache(maxsize=256)  # a client sends the same token with each request
def _claims(token: str) -> dict[str, Any] | None:
    """Return what a token of ours says, whenever it is valid."""
    options: Options = {
        "verify_aud": False,
        "verify_exp": False,
        "verify_nbf": False,
        "require": ["exp", "nbf"],
    }
    try:
        return jwt.decode(token, _SIGNED_WITH, ["HS256"], options=options)
    except jwt.InvalidTokenError:
        return None


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for loopback that signs itself, and its key; return the two files."""
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + _VALID)
        .add_extension(
            x509.SubjectAlternativeName(
                [
                    x509.IPAddress(IPv4Address("127.0.0.1")),
                    x509.DNSName("localhost"),
                    x509.DNSName("*.blob.localhost"),
                ]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    files = folder / CERTIFICATE, folder / KEY
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files
