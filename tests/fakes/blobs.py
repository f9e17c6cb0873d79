"""The `Blobs` port in memory, over the blobs that the stand-in's jobs read and write."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Self
from urllib.parse import parse_qsl, quote, urlencode

from azure.storage.blob import generate_blob_sas

from local.studio.storage import BlobRefusedError, MemoryBlobs, blob_key
from shared.core.blob_locations import source_of
from shared.core.blobs import BlobVersion
from shared.core.counting import sized
from shared.errors import PermanentError, TransientError
from shared.ports.storage import Access, Page, SignedBlob
from tests.fakes.clock import FakeClock
from tests.fakes.documents import page_of
from tests.fakes.numbers import Numbers

ACCOUNT = "https://account.blob.core.windows.net/"
ACCOUNT_KEY = (
    "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJCrze8SNFZ4kKvN7+I0VniQq83vEjRWeJCrze8SNFZ4kA=="
)


@dataclass
class Facts:
    etag: str
    created: datetime
    modified: datetime
    bare: bool = False  #: it came in blocks: the storage keeps no MD5 of it

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return replace(self)  # nothing that it holds ever changes


@dataclass
class FakeBlobs:
    clock: FakeClock
    facts: dict[str, Facts] = field(default_factory=dict)
    versions: Numbers = field(default_factory=Numbers)
    head_calls: int = 0
    checked: list[str] = field(default_factory=list)  #: blobs that the app checked
    pages: int = 0
    reads: list[str] = field(default_factory=list)  #: contents that the app asked for
    missing: set[str] = field(default_factory=set)  #: containers that nobody made
    folders: set[str] = field(default_factory=set)  #: blobs that stand for directories
    copies: set[str] = field(default_factory=set)  #: what was copied here by `adopt`
    signed: list[tuple[str, Access]] = field(default_factory=list)  #: what was signed for
    deleted: dict[str, tuple[bytes, Facts]] = field(default_factory=dict)  #: softly

    account: str = "account"
    account_url: str = ACCOUNT

    def __post_init__(self) -> None:
        self.store = WatchedBlobs(self)

    def put(self, container: str, name: str, content: bytes) -> BlobVersion:
        self.store.write(_url(container, name), content)
        found = self.head(container, name)
        assert found is not None
        return found

    def put_blocks(self, container: str, name: str, content: bytes) -> BlobVersion:
        """Upload in blocks: without an MD5, and what was there keeps its creation time."""
        before = self.facts.get(_key(container, name))
        self.put(container, name, content)
        facts = self.facts[_key(container, name)]
        facts.bare = True
        facts.created = before.created if before else facts.created
        found = self._version(_key(container, name))
        assert found is not None
        return found

    def make_directory(self, container: str, name: str) -> None:
        """Show a directory as an account with a hierarchical namespace does."""
        self.put(container, name, b"")
        self.folders.add(_key(container, name))

    def update_metadata(self, container: str, name: str) -> None:
        facts = self.facts[_key(container, name)]
        facts.etag, facts.modified = f"0x{next(self.versions)}", self.clock.now()

    def appear(self, container: str, name: str, content: bytes, modified: datetime) -> BlobVersion:
        """Have a blob with an old time: its folder was renamed, or a copy kept its times."""
        self.put(container, name, content)
        facts = self.facts[_key(container, name)]
        facts.created = facts.modified = modified.replace(microsecond=0)
        found = self._version(_key(container, name))
        assert found is not None
        return found

    def delete_softly(self, container: str, name: str) -> None:
        key = _key(container, name)
        self.deleted[key] = self.store.contents[key], self.facts[key]
        self.remove(container, name)

    def undelete(self, container: str, name: str) -> None:
        """Have a deleted blob back as it was: with its ETag and its times."""
        key = _key(container, name)
        content, facts = self.deleted.pop(key)
        self.store.contents[key], self.facts[key] = content, facts

    def remove(self, container: str, name: str) -> None:
        del self.store.contents[_key(container, name)]
        del self.facts[_key(container, name)]

    def written(self, key: str) -> None:
        now = self.clock.now()
        self.copies.discard(key)
        self.folders.discard(key)
        self.facts[key] = Facts(f"0x{next(self.versions)}", now, now)

    def head(self, container: str, name: str) -> BlobVersion | None:
        self.head_calls += 1
        self.checked.append(f"{container}/{name}")
        return self._version(_key(container, name))

    def listing(self, container: str, prefix: str) -> Iterator[BlobVersion]:
        start = _key(container, prefix)
        for key in sorted(key for key in self.store.contents if key.startswith(start)):
            if (found := self._version(key)) is not None:
                yield found

    def page(self, container: str, cursor: str | None, prefix: str = "") -> Page[BlobVersion]:
        self.pages += 1
        if container in self.missing:
            raise TransientError(f"container {container} does not exist now")
        return page_of(list(self.listing(container, prefix)), 5000, cursor, lambda one: one.name)

    def read(self, container: str, name: str, limit: int) -> bytes | None:
        self.reads.append(f"{container}/{name}")
        content = self.store.contents.get(_key(container, name))
        if _key(container, name) in self.folders:
            return None
        if content is not None and len(content) > limit:
            raise PermanentError(f"{container}/{name} holds more than {sized(limit)}")
        return content

    def write(self, container: str, name: str, content: bytes) -> BlobVersion:
        return self.put(container, name, content)

    def exists(self, container: str) -> bool:
        return container not in self.missing

    def sign(self, container: str, name: str, access: Access, valid: timedelta) -> SignedBlob:
        now = self.clock.now()
        start, end = now - timedelta(minutes=5), now + valid
        permission = "r" if access is Access.READ else "cw"
        stamps = {"st": start.isoformat(), "se": end.isoformat(), "sp": permission}
        self.signed.append((f"{container}/{name}", access))
        query = urlencode({**stamps, "sig": _signature(f"{container}/{name}", stamps)})
        return SignedBlob(ACCOUNT, f"{container}/{name}", f"?{query}")

    def adopt(
        self, source: str, container: str, name: str, since: datetime | None = None
    ) -> BlobVersion | None:
        key = _key(container, name)
        there = self._version(key)
        if there is None or (since is not None and there.is_older_than(since)):
            opened = source_of(source, self.account, ACCOUNT)
            if opened is None:
                return None
            try:
                content = self.store.read(opened.url)
            except BlobRefusedError:
                return None
            self.put(container, name, content)
            self.copies.add(key)
        return self.head(container, name) if key in self.copies else None

    def _version(self, key: str) -> BlobVersion | None:
        content = self.store.contents.get(key)
        if content is None or key in self.folders:
            return None
        container, _, name = key.removeprefix(ACCOUNT).partition("/")
        facts = self.facts[key]
        return BlobVersion(
            container=container,
            name=name,
            etag=facts.etag,
            size=len(content),
            created=facts.created,
            modified=facts.modified,
            content_md5=None if facts.bare else _md5(content),
        )


class WatchedBlobs(MemoryBlobs):
    """The bytes; `FakeBlobs` learns of each write, so that ETags change."""

    def __init__(self, owner: FakeBlobs) -> None:
        super().__init__(owner.clock.now)
        self._owner = owner

    def write(self, url: str, content: bytes) -> None:
        super().write(url, content)
        self._owner.written(blob_key(url))

    def _check_sas(self, key: str, sas: Mapping[str, str], any_of: str) -> None:
        super()._check_sas(key, sas, any_of)
        if key.startswith(ACCOUNT) and not _is_signed(key.removeprefix(ACCOUNT), sas):
            raise BlobRefusedError(403, "AuthenticationFailed")


def _md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content).digest()).decode()  # noqa: S324 -- as storage does


def _is_signed(path: str, asked: Mapping[str, str]) -> bool:
    """Whether the account made this signature, or the holder of its key."""
    stamps = {name: asked.get(name, "") for name in ("st", "se", "sp")}
    if "sv" not in asked:
        return asked.get("sig") == _signature(path, stamps)
    container, _, name = path.partition("/")
    again = generate_blob_sas(
        "account",
        container,
        name,
        account_key=ACCOUNT_KEY,
        permission=stamps["sp"],
        start=stamps["st"],
        expiry=stamps["se"],
        protocol=asked.get("spr"),
    )
    return asked.get("sig") == dict(parse_qsl(again)).get("sig")


def _signature(path: str, stamps: Mapping[str, str]) -> str:
    """Return what only the account itself can make: it is for this blob, use and time."""
    signed = "\n".join((ACCOUNT_KEY, path, *stamps.values()))
    return base64.b64encode(hashlib.sha256(signed.encode()).digest()).decode()


def _key(container: str, name: str) -> str:
    return f"{ACCOUNT}{container}/{name}"


def _url(container: str, name: str) -> str:
    return f"{ACCOUNT}{container}/{quote(name)}"
