"""A made-up identity for the storage server: a certificate for loopback, and tokens.

Azurite takes the tokens of any identity as long as their claims are plausible, and hands out
user delegation keys by them, but over https alone.
"""

import time
from datetime import UTC, datetime, timedelta
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

CERTIFICATE, KEY = "loopback.pem", "loopback.key"
_TENANT: Final = "00000000-0000-0000-0000-000000000001"
_WHO: Final = "00000000-0000-0000-0000-000000000002"
_VALID: Final = timedelta(days=2)
_SKEW: Final = timedelta(minutes=5)
_SECONDS: Final = 3600


class LocalIdentity:
    """A credential with a made-up token, instead of `DefaultAzureCredential`."""

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """Return a token for the storage, valid for an hour."""
        del scopes
        now = int(time.time())
        claims = {
            "aud": "https://storage.azure.com",
            "iss": f"https://sts.windows.net/{_TENANT}/",
            "iat": now,
            "nbf": now - _SECONDS,
            "exp": now + _SECONDS,
            "oid": _WHO,
            "tid": _TENANT,
        }
        return AccessToken(jwt.encode(claims, "the signature is not checked" * 2), now + _SECONDS)


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
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    files = folder / CERTIFICATE, folder / KEY
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files
