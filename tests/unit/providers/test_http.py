"""The meaning of transport failures, on real sockets."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import requests
from requests import exceptions as failed
from urllib3.exceptions import MaxRetryError, SSLError

from shared.errors import OutcomeUnknownError, PermanentError, RelearnError, TransientError
from shared.providers.http import client as http
from shared.providers.http.client import Answer, RequestsHttp, classify
from tests.unit.samples import NOW

KEY = {"Authorization": "Bearer SECRET"}


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[RequestsHttp]:
    monkeypatch.setattr(http, "TIMEOUTS", (0.3, 0.3))
    made = RequestsHttp()
    yield made
    made.close()


@contextmanager
def peer(behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server on loopback that does `behave` with each connection, after its request."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            with suppress(OSError):
                taken, _ = listener.accept()
                with taken:
                    taken.settimeout(2)
                    taken.recv(65536)
                    behave(taken)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        stop.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def reply(text: str) -> Callable[[socket.socket], None]:
    return lambda taken: taken.sendall(text.encode())


def reset(taken: socket.socket) -> None:
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def stall(taken: socket.socket) -> None:
    with suppress(OSError):
        taken.recv(1)  # until the client gives up


def leaves(kind: type[Exception]) -> set[type[Exception]]:
    return {kind}.union(*(leaves(child) for child in kind.__subclasses__()))


EXPECTED: dict[type[RelearnError], set[type[Exception]]] = {
    TransientError: {failed.ConnectTimeout},
    PermanentError: {
        failed.URLRequired,
        failed.MissingSchema,
        failed.InvalidSchema,
        failed.InvalidURL,
        failed.InvalidProxyURL,
        failed.InvalidHeader,
        failed.UnrewindableBodyError,
    },
}


@pytest.mark.parametrize("kind", sorted(leaves(requests.RequestException), key=str))
def test_every_failure_of_requests_is_sorted_by_what_it_shows(
    kind: type[requests.RequestException],
) -> None:
    exc = kind("x", "y", 0) if issubclass(kind, failed.JSONDecodeError) else kind("SECRET")
    expected = next((e for e, kinds in EXPECTED.items() if kind in kinds), OutcomeUnknownError)
    sorted_as = classify(exc, "POST")
    assert type(sorted_as) is expected
    assert "SECRET" not in str(sorted_as)


def test_a_refused_connection_did_not_happen(client: RequestsHttp) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}/"
    with pytest.raises(TransientError):
        client.send("POST", url, KEY, b"{}")


def test_a_name_that_is_not_known_did_not_happen(client: RequestsHttp) -> None:
    with pytest.raises(TransientError):
        client.send("POST", "http://relearn.invalid/", KEY, b"{}")


def test_a_connection_that_is_never_accepted_did_not_happen(client: RequestsHttp) -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):  # fills the queue of connections nobody accepts
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(listener.getsockname())
        with pytest.raises(TransientError):
            client.send("POST", f"http://127.0.0.1:{listener.getsockname()[1]}/", KEY, b"{}")


@pytest.mark.parametrize(
    "behave",
    [
        pytest.param(lambda taken: None, id="closes"),
        pytest.param(reset, id="resets"),
        pytest.param(stall, id="stalls"),
        pytest.param(reply("HTTP/1.1 2"), id="breaks off in its first line"),
        pytest.param(reply("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal"), id="half a body"),
        pytest.param(reply("SSH-2.0-something\r\n"), id="speaks something else"),
        pytest.param(
            reply("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), id="bad chunks"
        ),
        pytest.param(
            reply("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"),
            id="bad gzip",
        ),
    ],
)
def test_once_the_request_went_out_a_lost_answer_shows_nothing(
    client: RequestsHttp, behave: Callable[[socket.socket], None]
) -> None:
    with peer(behave) as url, pytest.raises(OutcomeUnknownError) as caught:
        client.send("POST", f"{url}?sig=SECRET", KEY, b"{}")
    assert "SECRET" not in str(caught.value)


def drip(endpoint_state: str, rest: str, finished: list[bool]) -> Callable[[socket.socket], None]:
    """Send `head` at once and `rest` byte by byte, each well within the time-out of a read."""

    def behave(taken: socket.socket) -> None:
        taken.sendall(endpoint_state.encode())
        taken.settimeout(0.02)
        for byte in rest.encode():
            with suppress(TimeoutError):
                if not taken.recv(1):
                    return  # the client gave up
            taken.sendall(bytes([byte]))
        finished.append(True)

    return behave


@pytest.mark.parametrize(
    ("endpoint_state", "rest"),
    [
        pytest.param("HTTP/1.1 2", "00 OK\r\nX: " + "x" * 100 + "\r\n\r\n", id="headers"),
        pytest.param("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", "x" * 100, id="a body"),
        pytest.param("HTTP/1.1 200 OK\r\n\r\n", "x" * 100, id="a body without an end"),
        pytest.param(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "1\r\nx\r\n" * 20 + "0\r\n\r\n",
            id="chunks",
        ),
        pytest.param(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
            "x: y\r\n" * 20 + "\r\n",
            id="what follows the chunks",
        ),
    ],
)
def test_an_answer_that_drips_is_given_up_while_it_still_comes(
    client: RequestsHttp, monkeypatch: pytest.MonkeyPatch, endpoint_state: str, rest: str
) -> None:
    monkeypatch.setattr(http, "WHOLE_ANSWER", 0.2)
    finished: list[bool] = []
    with (
        peer(drip(endpoint_state, rest, finished)) as url,
        pytest.raises(OutcomeUnknownError) as caught,
    ):
        client.send("POST", f"{url}?sig=SECRET", KEY, b"{}")
    assert not finished
    assert "SECRET" not in str(caught.value)


def test_a_connection_serves_the_next_call_after_a_whole_answer(client: RequestsHttp) -> None:
    behaved = threading.Event()

    def twice(taken: socket.socket) -> None:
        for _ in range(2):
            taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
            taken.recv(65536)
        behaved.set()

    with peer(twice) as url:
        assert [client.send("GET", url, {}).body for _ in range(2)] == [b"hi"] * 2
        client.close()
    assert behaved.is_set()


def test_redirects_are_not_followed_and_no_key_travels(client: RequestsHttp) -> None:
    seen: list[bytes] = []
    with peer(lambda taken: seen.append(b"called")) as elsewhere:
        moved = f"HTTP/1.1 307 Moved\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n"
        with peer(reply(moved)) as url:
            answer = client.send("POST", url, KEY, b"{}")
    assert (answer.status, answer.ok, seen) == (307, False, [])


def test_neither_proxies_nor_netrc_of_the_environment_are_used(
    client: RequestsHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://relearn.invalid/")
    with peer(reply("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")) as url:
        assert client.send("GET", url, {}).body == b"hi"


@pytest.mark.parametrize(("extra", "fits"), [(0, True), (1, False)])
def test_answers_are_read_up_to_4_mib(client: RequestsHttp, extra: int, *, fits: bool) -> None:
    size = 4 * 1024 * 1024 + extra
    endpoint_state = f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode()

    def large(taken: socket.socket) -> None:
        with suppress(OSError):
            taken.sendall(endpoint_state + bytes(size))

    with peer(large) as url:
        if fits:
            assert len(client.send("GET", url, {}).body) == size
            return
        with pytest.raises(OutcomeUnknownError, match="4 MiB"):
            client.send("GET", url, {})


@pytest.mark.parametrize("key", ["line\nbreak", "\u200bcopied", "ключ"])
def test_a_key_that_no_header_can_hold_is_reported_and_not_repeated(
    client: RequestsHttp, key: str
) -> None:
    with (
        peer(reply("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as url,
        pytest.raises(PermanentError) as caught,
    ):
        client.send("GET", url, {"Authorization": f"Bearer {key}"})
    assert key not in str(caught.value)


def test_a_certificate_that_is_not_trusted_needs_an_operator() -> None:
    reason = SSLError(ssl.SSLCertVerificationError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed"))
    # As urllib3 and requests nest it.
    wrapped = MaxRetryError(None, "/?sig=SECRET", reason)  # type: ignore[arg-type]  # no pool here
    sorted_as = classify(failed.SSLError(wrapped), "POST")
    assert type(sorted_as) is PermanentError
    assert "SECRET" not in str(sorted_as)


def answer(**headers: str) -> Answer:
    return Answer(503, {name.replace("_", "-"): value for name, value in headers.items()}, b"")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 120 ", 120),
        ("0", 0),
        (format_datetime(NOW + timedelta(minutes=2), usegmt=True), 120),
        (format_datetime(NOW - timedelta(minutes=2), usegmt=True), 0),
        ("Sun, 01 Mar 2026 12:00:30", 30),
    ],
)
def test_both_forms_of_retry_after_are_read(value: str, seconds: int) -> None:
    assert answer(Retry_After=value).retry_after(NOW) == timedelta(seconds=seconds)
    assert answer(retry_after=value).retry_after(NOW) == timedelta(seconds=seconds)


@pytest.mark.parametrize("value", ["", "soon", "-5", "1.5", "Sun, 99 Mar 2026 12:00:30 GMT"])
def test_a_retry_after_that_says_nothing_asks_for_nothing(value: str) -> None:
    assert answer(Retry_After=value).retry_after(NOW) is None
    assert Answer(503, {}, b"").retry_after(NOW) is None


@pytest.mark.parametrize(
    "value", ["999999999", format_datetime(datetime(2099, 1, 1, tzinfo=UTC), usegmt=True)]
)
def test_no_service_can_send_us_away_for_more_than_a_day(value: str) -> None:
    asked = answer(Retry_After=value).retry_after(NOW)
    assert asked is not None
    assert asked <= timedelta(days=1)


def test_bodies_are_read_as_json_and_as_text() -> None:
    assert Answer(200, {}, b'\xef\xbb\xbf"abc"').json() == "abc"
    assert Answer(200, {}, b"{not json").json() is None
    assert Answer(200, {}, b"\xff\xfe").json() is None
    assert Answer(200, {}, b"").json() is None
    assert Answer(500, {}, b" two\n\n lines \xff").text() == "two lines \ufffd"


def test_json_nested_too_deep_to_read_is_no_json() -> None:
    assert Answer(200, {}, b"[" * 200_000).json() is None


@pytest.mark.parametrize(("status", "ok"), [(199, False), (200, True), (299, True), (304, False)])
def test_any_2xx_means_that_it_worked(status: int, *, ok: bool) -> None:
    assert Answer(status, {}, b"").ok is ok
