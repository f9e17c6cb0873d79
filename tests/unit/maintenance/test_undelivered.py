"""The poll looks at poison queues and dead letters now and then, and raises alerts."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.errors import PermanentError, TransientError
from shared.ledger.progress import PoisonQueue, Undelivered
from shared.maintenance.undelivered import UndeliveredEvents
from shared.ports.storage import Page
from tests.fakes.queues import FakeQueues
from tests.fakes.world import World

MINUTE = timedelta(minutes=1)
STORAGE, WORKSPACE = "relearn-storage-events-poison", "relearn-workspace-events-poison"
BLOBS, LETTERS = "webjobs-blobtrigger-poison", "relearn-dead-letters"


@pytest.fixture
def world() -> World:
    made = World()
    made.blobs.missing.add(LETTERS)
    return made


def look(world: World, after: timedelta = 5 * MINUTE) -> Undelivered:
    world.clock.move(after)
    world.app.undelivered.look()
    stored = world.context.ledger.undelivered.read()
    assert stored is not None
    return stored.record


def letter(world: World, number: int = 0) -> None:
    world.blobs.missing.discard(LETTERS)
    world.blobs.put(LETTERS, f"SUBSCRIPTION/2026/11/27/9/{number}.json", b"[]")


def alerts(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [getattr(one, "event_id", "") for one in caplog.records if hasattr(one, "event_id")]


def test_nothing_is_wrong_where_there_are_no_queues_and_no_container(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    found = look(world)
    assert (found.poison, found.dead_letters) == ((), None)
    assert not caplog.records


def test_empty_queues_are_shown_and_raise_no_alert(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.queues.put(STORAGE, 0)
    world.blobs.missing.discard(LETTERS)
    found = look(world)
    assert found.poison == (PoisonQueue(account="account", name=STORAGE, messages=0),)
    assert found.dead_letters == 0
    assert not caplog.records


@pytest.mark.parametrize("queue", [STORAGE, WORKSPACE, BLOBS])
def test_messages_that_were_given_up_raise_an_alert_that_says_what_to_do(
    world: World, caplog: pytest.LogCaptureFixture, queue: str
) -> None:
    world.queues.put(queue, 2)
    look(world)
    assert alerts(caplog) == ["RL1011"]
    assert f"queue {queue} of account account holds 2 messages" in caplog.text
    assert "The search has found the data" in caplog.text
    assert f"az storage message clear --queue-name {queue} --account-name account" in caplog.text


def test_events_that_were_not_delivered_raise_an_alert_that_says_what_to_do(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    letter(world)
    assert look(world).dead_letters == 1
    assert alerts(caplog) == ["RL1012"]
    assert f"container {LETTERS} of account account holds 1 blob of events" in caplog.text
    assert "deadLetterReason" in caplog.text


def test_an_alert_comes_again_for_more_messages_or_after_a_day(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.queues.put(STORAGE)
    letter(world)
    look(world)
    assert alerts(caplog) == ["RL1011", "RL1012"]
    for _ in range(3):
        look(world)
    assert len(alerts(caplog)) == 2
    world.queues.put(STORAGE)
    look(world)
    assert alerts(caplog)[2:] == ["RL1011"]
    letter(world, 1)
    look(world)
    assert alerts(caplog)[3:] == ["RL1012"]
    look(world, timedelta(days=1))
    assert alerts(caplog)[4:] == ["RL1011", "RL1012"]


def test_a_queue_that_was_emptied_and_filled_again_raises_an_alert(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.queues.put(STORAGE)
    look(world)
    world.queues.messages.clear()
    look(world)
    world.queues.put(STORAGE)
    look(world)
    assert alerts(caplog) == ["RL1011", "RL1011"]


def test_it_is_looked_at_most_every_five_minutes_by_all_processes_together(world: World) -> None:
    look(world)
    asked = list(world.queues.asked)
    assert asked == [STORAGE, WORKSPACE, BLOBS]
    other = UndeliveredEvents(world.context)
    for _ in range(4):
        world.clock.move(MINUTE)
        world.app.undelivered.look()
        other.look()
    assert world.queues.asked == asked
    world.clock.move(MINUTE)
    other.look()
    world.app.undelivered.look()
    assert world.queues.asked == 2 * asked


def test_the_blob_queues_of_other_accounts_are_looked_at_too(world: World) -> None:
    elsewhere = FakeQueues(account="models")
    elsewhere.put(BLOBS)
    events = replace(world.context.events, blob_queues=(world.queues, elsewhere))
    context = replace(world.context, events=events)
    UndeliveredEvents(context).look()
    stored = context.ledger.undelivered.read()
    assert stored is not None
    assert stored.record.poison == (PoisonQueue(account="models", name=BLOBS, messages=1),)
    assert elsewhere.asked == [BLOBS]


def test_a_queue_that_may_not_be_read_hides_no_other(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.queues.failure = PermanentError("access denied")
    letter(world)
    look(world)
    look(world)
    assert alerts(caplog) == ["RL1012"]
    said = [one for one in caplog.messages if "is not looked at: access denied" in one]
    assert len(said) == 3  # once for each queue, not each time


def test_a_storage_that_does_not_answer_fails_no_poll(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: str) -> None:
        raise TransientError("the storage account is busy")

    monkeypatch.setattr(world.documents, "read", refuse)
    world.app.undelivered.look()
    assert "cannot be checked now: the storage account is busy" in caplog.text


@pytest.mark.parametrize("failure", [TransientError("busy"), PermanentError("access denied")])
def test_dead_letters_that_cannot_be_listed_hide_no_poison_queue(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    failure: Exception,
) -> None:
    def refuse(_: str) -> bool:
        raise failure

    letter(world)
    look(world)
    world.queues.put(STORAGE)
    with monkeypatch.context() as patched:
        patched.setattr(world.blobs, "exists", refuse)
        assert look(world).dead_letters == 1
        look(world)
    look(world)
    assert alerts(caplog) == ["RL1012", "RL1011"]
    assert caplog.text.count(f"container {LETTERS} of dead letters is not looked at") == 1


def test_a_queue_that_cannot_be_counted_at_times_raises_no_second_alert(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.queues.put(STORAGE)
    for failure in (None, TransientError("busy"), None, TransientError("busy"), None):
        world.queues.failure = failure
        assert look(world).poison[0].messages == 1
    assert alerts(caplog) == ["RL1011"]


def test_a_clock_that_was_hours_ahead_delays_no_look(world: World) -> None:
    look(world)
    asked = len(world.queues.asked)
    look(world, timedelta(hours=-5))
    assert len(world.queues.asked) == 2 * asked


def test_more_dead_letters_than_are_counted_raise_one_alert(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    letter(world)
    [one] = world.blobs.page(LETTERS, None).items
    monkeypatch.setattr(world.blobs, "page", lambda *_: Page((one,) * 5000, "more"))
    for _ in range(3):
        look(world)
    assert alerts(caplog) == ["RL1012"]
    assert "holds at least 5000 blobs" in caplog.text


def test_a_record_that_is_not_understood_is_left_alone_and_hides_nothing(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.documents.create("undelivered", b"{}")
    world.queues.put(STORAGE)
    for _ in range(3):
        world.app.undelivered.look()
        world.clock.move(5 * MINUTE)
    assert world.documents.rows["undelivered"].body == b"{}"
    assert caplog.text.count("undelivered is not understood") == 1
    assert alerts(caplog) == ["RL1011"]  # a release that cannot read it is not blind
