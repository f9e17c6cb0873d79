"""Services that may take longer than usual for an answer."""

import socket
import time

import pytest

from shared.errors import OutcomeUnknownError
from shared.providers.http import client as http
from shared.providers.http.client import RequestsHttp, patient
from tests.unit.providers.test_http import peer
from tests.unit.scripted import Script


def late(taken: socket.socket) -> None:
    time.sleep(0.3)
    taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")


def test_a_slow_service_is_waited_for_where_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "TIMEOUTS", (0.3, 0.1))
    monkeypatch.setattr(http, "WHOLE_ANSWER", 0.1)
    usual, patient = RequestsHttp(), RequestsHttp(5.0)
    with peer(late) as url:
        assert patient.send("PUT", url, {}, b"{}").body == b"hi"
    with peer(late) as url, pytest.raises(OutcomeUnknownError):
        usual.send("PUT", url, {}, b"{}")
    usual.close()
    patient.close()


def test_only_a_client_of_ours_is_made_patient() -> None:
    script = Script([])
    assert patient(script) is script
    usual = RequestsHttp()
    longer = patient(usual)
    assert isinstance(longer, RequestsHttp)
    assert longer is not usual
    longer.close()
    usual.close()
