"""The factory makes the service of a workspace, and one process shares its cached data."""

from collections.abc import Mapping

import pytest

from shared.errors import PermanentError
from shared.ports.training import JobStatus
from shared.providers.azureml.tokens import Tokens
from shared.providers.factory import ConfiguredProviders
from shared.providers.http.client import Answer
from tests.unit.batches import batch
from tests.unit.providers.azureml.service import SETTINGS, Bench, says


class Slow:
    """A client that only writes may use."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.methods: list[str] = []

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        self.methods.append(method)
        return self.bench.workspace.send(method, url, headers, body)


def test_writes_go_by_the_client_that_waits_and_reads_by_the_other() -> None:
    bench = Bench()
    slow = Slow(bench)
    providers = ConfiguredProviders(
        bench.workspace,
        SETTINGS,
        bench.blobs,
        bench.blobs,
        "models",
        tokens=Tokens(bench.identity),
        slow=slow,
    )
    service = providers.training(bench.training)
    handle = service.prepare(bench.request())
    service.ensure_started(handle, bench.request())
    service.cancel(handle)
    assert slow.methods == ["PUT", "POST"]
    assert service.state(handle).status is JobStatus.RUNNING
    before = len(bench.workspace.sent)
    providers.training(bench.training).prepare(bench.request(attempt=2))
    assert len(bench.workspace.sent) == before


def test_studio_refuses_a_request_that_is_not_for_it() -> None:
    studio, script = batch(says("x"))
    with pytest.raises(PermanentError, match="configured for another training service"):
        studio.prepare(Bench().request())
    assert script.sent == []
