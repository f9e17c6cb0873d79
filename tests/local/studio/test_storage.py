"""The service reads blobs by the references that it is given."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from local.studio import BlobRefusedError, HttpBlobs, MemoryBlobs, RefusalError
from local.studio.references import BlobReference, StorageAccount, input_role, read_reference
from tests.local.studio.bench import ACCOUNT, BASE, Bench, Clock

NOW = datetime(2017, 3, 1, tzinfo=UTC)


class _BlobHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    blobs: dict[str, bytes]
    hangs_up = 0  #: the number of requests that get no answer

    def do_GET(self) -> None:
        if type(self).hangs_up:
            type(self).hangs_up -= 1
            self.close_connection = True
            return
        content = self.blobs.get(self.path)
        self._answer(404 if content is None else 200, content or b"")

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["x-ms-blob-type"] != "BlockBlob":
            self._answer(400, b"")
            return
        self.blobs[self.path] = content
        self._answer(201, b"")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        if status == 404:
            self.send_header("x-ms-error-code", "BlobNotFound")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        pass


@pytest.fixture
def storage() -> Iterator[tuple[str, dict[str, bytes]]]:
    contents: dict[str, bytes] = {}
    handler = type("Handler", (_BlobHandler,), {"blobs": contents})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", contents
        server.shutdown()
        thread.join()


@pytest.fixture
def http_blobs() -> Iterator[HttpBlobs]:
    blobs = HttpBlobs()
    yield blobs
    blobs.close()


def test_blobs_are_written_and_read_over_http(
    storage: tuple[str, dict[str, bytes]], http_blobs: HttpBlobs
) -> None:
    base, contents = storage
    http_blobs.write(f"{base}/c/a%20b.csv?sp=cw&sig=x%3D", b"content")
    assert contents == {"/c/a%20b.csv?sp=cw&sig=x%3D": b"content"}
    assert http_blobs.read(f"{base}/c/a%20b.csv?sp=cw&sig=x%3D") == b"content"


def test_a_refusal_over_http_has_the_status_and_the_storages_own_code(
    storage: tuple[str, dict[str, bytes]], http_blobs: HttpBlobs
) -> None:
    with pytest.raises(BlobRefusedError) as refused:
        http_blobs.read(f"{storage[0]}/c/none?sig=SECRET")
    assert (refused.value.status, refused.value.message) == (404, "BlobNotFound")


def test_a_connection_that_the_storage_closes_is_made_again(
    storage: tuple[str, dict[str, bytes]],
    http_blobs: HttpBlobs,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base, contents = storage
    contents["/c/b"] = b"content"
    monkeypatch.setattr(_BlobHandler, "hangs_up", 2)
    assert http_blobs.read(f"{base}/c/b") == b"content"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/c/b", "no url", "http://\u00df..x/c", "ftp://x/"]
)
def test_no_answer_is_reported_without_the_url(http_blobs: HttpBlobs, url: str) -> None:
    with pytest.raises(BlobRefusedError) as refused:
        http_blobs.read(f"{url}?sig=SECRET")
    assert refused.value.status == 0
    assert "SECRET" not in str(refused.value)


@pytest.mark.parametrize(
    ("query", "may_read", "may_create", "may_overwrite"),
    [
        ("", True, True, True),
        ("?se=2017-03-02T00:00:00Z&sp=r", True, False, False),
        ("?se=2017-03-02T00:00:00Z&sp=rcw", True, True, True),
        ("?se=2017-03-02T00%3A00%3A00Z&sp=c", False, True, False),
        ("?se=2017-03-02T00:00:00Z&sp=w", False, True, True),
        ("?se=2017-03-01T00:00:00Z&sp=rcw", False, False, False),
        ("?st=2017-03-01T00:00:01Z&se=2017-03-02T00:00:00Z&sp=rcw", False, False, False),
        ("?se=soon&sp=rcw", False, False, False),
        ("?se=2017-03-02&sp=rcw", False, False, False),
        ("?sp=rcw", False, False, False),
        ("?se=2017-03-02T00:00:00Z", False, False, False),
    ],
)
def test_blobs_in_memory_are_strict_about_the_sas(
    query: str, *, may_read: bool, may_create: bool, may_overwrite: bool
) -> None:
    blobs = MemoryBlobs(lambda: NOW)
    blobs.contents["https://x.net/c/there"] = b"old"

    def allowed(action: Any) -> bool:
        try:
            action()
        except BlobRefusedError as error:
            return error.status != 403
        return True

    assert allowed(lambda: blobs.read(f"https://x.net/c/there{query}")) is may_read
    assert allowed(lambda: blobs.write(f"https://x.net/c/new{query}", b"x")) is may_create
    assert allowed(lambda: blobs.write(f"https://x.net/c/there{query}", b"x")) is may_overwrite


@pytest.mark.parametrize(
    ("base", "allowed"),
    [
        ("https://x.net", True),
        ("http://x.net", False),
        ("http://127.0.0.1:10000", True),
        ("http://localhost", True),
        ("http://[::1]:1", True),
    ],
)
def test_a_sas_travels_over_https_or_loopback_only(base: str, *, allowed: bool) -> None:
    blobs = MemoryBlobs(lambda: NOW)
    blobs.contents[f"{base}/c/b"] = b"x"
    url = f"{base}/c/b?se=2017-03-02T00:00:00Z&sp=r"
    if allowed:
        assert blobs.read(url) == b"x"
    else:
        with pytest.raises(BlobRefusedError, match="AccountRequiresHttps"):
            blobs.read(url)


def test_a_blob_is_the_same_however_its_url_is_quoted() -> None:
    blobs = MemoryBlobs(Clock())
    blobs.write(f"{BASE}c/a%20b%27s%C3%A9.csv", b"x")
    assert blobs.contents == {f"{BASE}c/a b'sé.csv": b"x"}
    with pytest.raises(BlobRefusedError, match="404"):
        blobs.read(f"{BASE}c/other")


@pytest.mark.parametrize(
    ("base", "relative", "url"),
    [
        ("https://x.net/", "/c/a.csv", "https://x.net/c/a.csv?sp=r&sig=x%3D"),
        ("https://x.net", "c/a.csv", "https://x.net/c/a.csv?sp=r&sig=x%3D"),
        ("http://127.0.0.1:1/acct/", "c/a.csv", "http://127.0.0.1:1/acct/c/a.csv?sp=r&sig=x%3D"),
        ("https://x.net/", "c/a b.csv", "https://x.net/c/a%20b.csv?sp=r&sig=x%3D"),
        ("https://x.net/", "c/ä.csv", "https://x.net/c/%C3%A4.csv?sp=r&sig=x%3D"),
        ("https://x.net/", "c/a%20b.csv", "https://x.net/c/a%20b.csv?sp=r&sig=x%3D"),
        ("https://x.net/", "c/100%.csv", "https://x.net/c/100%25.csv?sp=r&sig=x%3D"),
        ("https://x.net/", "c/a#b.csv", "https://x.net/c/a"),
        ("https://x.net/", "c/a?b.csv", "https://x.net/c/a?b.csv?sp=r&sig=x%3D"),
    ],
)
def test_the_parts_of_a_reference_are_joined_as_a_url(base: str, relative: str, url: str) -> None:
    reference = BlobReference(base, relative, "?sp=r&sig=x%3D")
    assert reference.url("r", NOW) == url


def test_with_an_account_key_the_name_is_literal() -> None:
    account = StorageAccount.parse(ACCOUNT)
    url = BlobReference(account.endpoint, "/c/a#b%41?.csv", account=account).url("cw", NOW)
    assert url.startswith("https://acct.blob.core.windows.net/c/a%23b%2541%3F.csv?")
    assert "sp=cw" in url


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        (ACCOUNT, "https://acct.blob.core.windows.net/"),
        (
            f"BlobEndpoint=http://127.0.0.1:10000/acct;TableEndpoint=http://x/;{ACCOUNT};",
            "http://127.0.0.1:10000/acct/",
        ),
        (
            f"{ACCOUNT};EndpointSuffix=core.chinacloudapi.cn",
            "https://acct.blob.core.chinacloudapi.cn/",
        ),
    ],
)
def test_connection_strings_of_both_lengths_are_read(text: str, endpoint: str) -> None:
    account = StorageAccount.parse(text)
    assert (account.name, account.endpoint) == ("acct", endpoint)
    assert account.key not in repr(account)


@pytest.mark.parametrize(
    "text", ["", "AccountName=a", f"{ACCOUNT};AccountKey=<key>", f"{ACCOUNT};BlobEndpoint=file:///"]
)
def test_a_connection_string_that_cannot_sign_is_not_read(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its text is nobody's promise
        StorageAccount.parse(text)


def test_no_repr_shows_a_secret() -> None:
    bench = Bench()
    endpoint = bench.publish_scoring()
    reference = read_reference(bench.reference("c/a.csv"), input_role("input1"))
    bench.submit(bench.publish_training())
    (_, endpoints), *_ = bench.studio.services()
    for thing in (reference, endpoint, endpoints[0], bench.studio.jobs[0]):
        assert "U0VDUkVU" not in repr(thing)
        assert endpoint.api_key not in repr(thing)


def test_a_name_that_is_no_text_is_refused() -> None:
    value = {"BaseLocation": BASE, "RelativeLocation": "c/\ud800.csv", "SasBlobToken": "?x"}
    good = {**value, "RelativeLocation": "c/a.csv"}
    assert read_reference(good, input_role("input1")).relative_location == "c/a.csv"
    for part in (*value, "ConnectionString"):
        with pytest.raises(RefusalError, match="InvalidBlob"):
            read_reference({**good, part: "c/\ud800"}, input_role("input1"))
