"""Operations of the storage service: those that a signed URL may allow, and all others."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_PUBLIC: Final = {"x-ms-blob-public-access": "container"}


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the storage service on a blob, a container, or the account."""

    name: str
    method: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


_BLOCK: Final = {"x-ms-blob-type": "BlockBlob"}
READS: Final = (Operation("read", "GET"), Operation("read properties", "HEAD"))
#: `create` and `write` of one blob are these; who may overwrite the blob may do them all.
WRITES: Final = (Operation("write", "PUT", headers=_BLOCK, body=b"new"),)
PART_OF_WRITING: Final = (
    Operation("stage a block", "PUT", "comp=block&blockid=YQ==", body=b"x"),
    Operation("set metadata", "PUT", "comp=metadata", {"x-ms-meta-a": "b"}),
    Operation("set properties", "PUT", "comp=properties", {"x-ms-blob-content-type": "text/html"}),
    Operation("take a lease", "PUT", "comp=lease", {"x-ms-lease-action": "acquire", **_BLOCK}),
    Operation("snapshot", "PUT", "comp=snapshot"),
)
NEVER: Final = (
    Operation("delete", "DELETE"),
    Operation("delete snapshots", "DELETE", headers={"x-ms-delete-snapshots": "include"}),
    Operation("read tags", "GET", "comp=tags"),
    Operation("set tags", "PUT", "comp=tags", body=b"<Tags><TagSet></TagSet></Tags>"),
)
OF_CONTAINER: Final = (
    Operation("list", "GET", "restype=container&comp=list"),
    Operation("read its properties", "GET", "restype=container"),
    Operation("read its policies", "GET", "restype=container&comp=acl"),
    Operation("set its policies", "PUT", "restype=container&comp=acl", _PUBLIC),
    Operation("set its metadata", "PUT", "restype=container&comp=metadata", {"x-ms-meta-a": "b"}),
    Operation("make it", "PUT", "restype=container"),
    Operation("delete it", "DELETE", "restype=container"),
)
OF_ACCOUNT: Final = (
    Operation("list containers", "GET", "comp=list"),
    Operation("read service properties", "GET", "restype=service&comp=properties"),
)
