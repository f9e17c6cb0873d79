"""Classic endpoints by program, over the stand-in in memory and over HTTP (studio-classic §3)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from local.studio import InstantTrainer
from local.studio.server import StudioServer
from shared.core.config.studio_endpoint import Create
from shared.errors import PermanentError, TransientError
from shared.ports.storage import Access
from shared.providers.http.client import Http, RequestsHttp
from shared.providers.studio.call import StudioCall
from shared.providers.studio.management import StudioManagement
from tests.fakes.world import RESOURCE, World


@dataclass
class Managed:
    """The management API of the world's scoring service, by token and by an endpoint's key."""

    world: World
    http: Http
    base: str

    def by(self, key: str) -> StudioManagement:
        service = self.world.endpoint.management_url.rpartition("/endpoints/")[0]
        return StudioManagement(StudioCall(self.http, lambda _: key, ""), self.base + service)

    @property
    def token(self) -> StudioManagement:
        return self.by(self.world.studio.workspace_token)

    @property
    def key(self) -> StudioManagement:
        return self.by(self.world.endpoint.api_key)


@pytest.fixture(params=["memory", "http"])
def managed(request: pytest.FixtureRequest) -> Iterator[Managed]:
    world = World()
    if request.param == "memory":
        yield Managed(world, world.http, "https://studio.example")
        return
    with StudioServer(world.studio, trainer=InstantTrainer(), queue_delay=None) as server:
        http = RequestsHttp()
        yield Managed(world, http, server.url)
        http.close()


def test_every_endpoint_is_listed_the_default_one_too(managed: Managed) -> None:
    assert [one.name for one in managed.token.endpoints()] == ["default", "production"]
    assert len(managed.token.services()) == 2


def test_an_endpoint_is_reported_with_what_scoring_and_updating_need(managed: Managed) -> None:
    found = managed.key.get("production")
    assert found is not None
    assert found.primary_key == managed.world.endpoint.api_key
    assert found.api_location.endswith(managed.world.endpoint.endpoint_id)
    assert list(found.resources or {}) == [RESOURCE]
    assert managed.world.endpoint.api_key not in repr(found)
    assert managed.token.get("nobody") is None


def test_an_endpoint_is_made_once_with_its_settings(managed: Managed) -> None:
    wanted = Create(Description="acme's", ThrottleLevel="High", MaxConcurrentCalls=20)
    for _ in range(2):
        managed.token.create("acme", wanted)
    assert [one.name for one in managed.token.endpoints()].count("acme") == 1
    made = managed.token.get("acme")
    assert made is not None
    assert (made.description, made.throttle_level) == ("acme's", "High")
    assert (made.max_concurrent_calls, made.prevent_update) == (20, False)


def test_a_model_is_given_and_rolled_back_by_refresh(managed: Managed) -> None:
    before = managed.world.serving()
    trained = InstantTrainer().train({"input1": b"a,b,label\n9,9,1\n"}, {}, label=None)
    managed.world.blobs.put("models", "new.ilearner", trained.model)
    signed = managed.world.blobs.sign("models", "new.ilearner", Access.READ, timedelta(hours=1))
    managed.key.patch("production", {RESOURCE: signed})
    managed.world.clock.move(timedelta(minutes=1))
    assert managed.world.serving() == trained.model
    for _ in range(2):  # the second time nothing changes: 304
        managed.token.refresh("production")
        managed.world.clock.move(timedelta(minutes=1))
    assert managed.world.serving() == before


def test_deleting_may_be_repeated(managed: Managed) -> None:
    managed.token.create("acme", Create())
    for _ in range(2):
        managed.token.delete("acme")
    assert managed.token.get("acme") is None


def test_an_endpoints_own_key_neither_lists_nor_makes_others(managed: Managed) -> None:
    attempts: list[Callable[[], object]] = [
        managed.key.endpoints,
        lambda: managed.key.create("acme", Create()),
    ]
    for forbidden in attempts:
        with pytest.raises(TransientError, match="401"):
            forbidden()


@pytest.mark.parametrize("name", ["default", "Default"])
def test_the_default_endpoint_is_left_alone_before_any_request(managed: Managed, name: str) -> None:
    sent = len(managed.world.http.sent)
    attempts: list[Callable[[], None]] = [
        lambda: managed.token.create(name, Create()),
        lambda: managed.token.patch(name, {}),
        lambda: managed.token.refresh(name),
        lambda: managed.token.delete(name),
    ]
    for forbidden in attempts:
        with pytest.raises(PermanentError, match="follows its experiment"):
            forbidden()
    assert len(managed.world.http.sent) == sent
