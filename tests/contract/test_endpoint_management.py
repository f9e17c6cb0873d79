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
class Place:
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
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    world = World()
    if request.param == "memory":
        yield Place(world, world.http, "https://studio.example")
        return
    with StudioServer(world.studio, trainer=InstantTrainer(), queue_delay=None) as server:
        http = RequestsHttp()
        yield Place(world, http, server.url)
        http.close()


def test_every_endpoint_is_listed_the_default_one_too(place: Place) -> None:
    assert [one.name for one in place.token.endpoints()] == ["default", "production"]
    assert len(place.token.services()) == 2


def test_an_endpoint_is_told_with_what_scoring_and_updating_need(place: Place) -> None:
    found = place.key.get("production")
    assert found is not None
    assert found.primary_key == place.world.endpoint.api_key
    assert found.api_location.endswith(place.world.endpoint.endpoint_id)
    assert list(found.resources or {}) == [RESOURCE]
    assert place.world.endpoint.api_key not in repr(found)
    assert place.token.get("nobody") is None


def test_an_endpoint_is_made_once_with_its_settings(place: Place) -> None:
    wanted = Create(Description="acme's", ThrottleLevel="High", MaxConcurrentCalls=20)
    for _ in range(2):
        place.token.create("acme", wanted)
    assert [one.name for one in place.token.endpoints()].count("acme") == 1
    made = place.token.get("acme")
    assert made is not None
    assert (made.description, made.throttle_level) == ("acme's", "High")
    assert (made.max_concurrent_calls, made.prevent_update) == (20, False)


def test_a_model_is_given_and_taken_back_by_refresh(place: Place) -> None:
    before = place.world.serving()
    trained = InstantTrainer().train({"input1": b"a,b,label\n9,9,1\n"}, {}, label=None)
    place.world.blobs.put("models", "new.ilearner", trained.model)
    signed = place.world.blobs.sign("models", "new.ilearner", Access.READ, timedelta(hours=1))
    place.key.patch("production", {RESOURCE: signed})
    place.world.clock.move(timedelta(minutes=1))
    assert place.world.serving() == trained.model
    for _ in range(2):  # the second time nothing changes: 304
        place.token.refresh("production")
        place.world.clock.move(timedelta(minutes=1))
    assert place.world.serving() == before


def test_deleting_may_be_repeated(place: Place) -> None:
    place.token.create("acme", Create())
    for _ in range(2):
        place.token.delete("acme")
    assert place.token.get("acme") is None


def test_an_endpoints_own_key_neither_lists_nor_makes_others(place: Place) -> None:
    attempts: list[Callable[[], object]] = [
        place.key.endpoints,
        lambda: place.key.create("acme", Create()),
    ]
    for forbidden in attempts:
        with pytest.raises(TransientError, match="401"):
            forbidden()


@pytest.mark.parametrize("name", ["default", "Default"])
def test_the_default_endpoint_is_left_alone_before_any_request(place: Place, name: str) -> None:
    sent = len(place.world.http.sent)
    attempts: list[Callable[[], None]] = [
        lambda: place.token.create(name, Create()),
        lambda: place.token.patch(name, {}),
        lambda: place.token.refresh(name),
        lambda: place.token.delete(name),
    ]
    for forbidden in attempts:
        with pytest.raises(PermanentError, match="follows its experiment"):
            forbidden()
    assert len(place.world.http.sent) == sent
