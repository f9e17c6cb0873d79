"""The order in which one thread runs tasks, and how much is tried before a host answers."""

import threading
from typing import Any

import pytest

from shared.execution.bulkheads import (
    FAILURES,
    MOST_PER_BULKHEAD,
    PROBES,
    Bulkheads,
    _Group,
    _Kind,
    host_of,
    service_of,
)


def order(
    items: list[str], failing: str = "", left: list[str] | None = None, **more: Any
) -> list[str]:
    """Return items named `host/service/number` as one thread does them; `left` gets the rest."""
    done: list[str] = []
    bad = failing.split()

    def work(item: str) -> bool:
        done.append(item)
        return not any(item.startswith(name) for name in bad)

    bulkheads = Bulkheads(
        items,
        lambda item: item.rpartition("/")[0],
        work,
        more.pop("may_continue", lambda: True),
        1,
        group_of=lambda bulkhead: bulkhead.partition("/")[0],
        **more,
    )
    rest = bulkheads.run()
    assert bulkheads.done == len(done)
    assert sorted(done + rest) == sorted(items)
    if left is not None:
        left += rest
    return done


def many(*services: str, count: int = 3) -> list[str]:
    return [f"{service}/{number}" for service in services for number in range(count)]


def test_a_service_and_its_host_are_known_however_a_url_is_written() -> None:
    assert service_of("https://A.example/Jobs?api-version=2.0") == "https://a.example/jobs"
    assert host_of("https://A.example:443/jobs") == "a.example"
    assert host_of("Watch") == "watch"
    assert host_of("https://[bad") == "https://[bad"
    assert (PROBES, FAILURES, MOST_PER_BULKHEAD) == (32, 5, 8)


def test_one_item_at_a_time_is_done_by_the_calling_thread() -> None:
    threads: set[int] = set()

    def work(_: str) -> bool:
        threads.add(threading.get_ident())
        return True

    Bulkheads(many("a/s", "b/s"), lambda item: item[0], work, lambda: True, 1).run()
    assert threads == {threading.get_ident()}


def test_hosts_are_served_in_turn() -> None:
    assert order(many("a/s", "b/s")) == ["a/s/0", "b/s/0", "a/s/1", "b/s/1", "a/s/2", "b/s/2"]


def test_services_of_one_host_are_served_in_turn_and_new_ones_are_first() -> None:
    done = order(many("a/s", "a/t", count=5))
    assert done == [f"a/{service}/{number}" for number in range(5) for service in "st"]


def test_the_tasks_of_a_failing_service_come_last() -> None:
    done = order(many("a/s", "b/s"), failing="a/s")
    assert done == ["a/s/0", "b/s/0", "b/s/1", "b/s/2", "a/s/1", "a/s/2"]


def test_a_service_is_left_after_five_failures_in_a_row_and_its_rest_requeued() -> None:
    left: list[str] = []
    done = order(many("a/s", count=7), failing="a/s", left=left)
    assert done == many("a/s", count=5)
    assert left == ["a/s/5", "a/s/6"]


def test_failures_are_counted_again_after_one_that_went_well() -> None:
    failing = "a/s/0 a/s/1 a/s/2 a/s/3 a/s/5 a/s/6 a/s/7 a/s/8"
    assert order(many("a/s", count=10), failing) == many("a/s", count=10)


def test_a_host_is_left_after_five_of_its_services_failed() -> None:
    left: list[str] = []
    names = [f"a/s{number}" for number in range(8)]
    done = order(many(*names, count=1), failing="a", left=left)
    assert done == many(*names[:5], count=1)
    assert left == many(*names[5:], count=1)


def test_a_service_that_works_clears_its_host_of_the_failures_before() -> None:
    names = [f"a/s{number}" for number in range(10)]
    failing = " ".join(name for name in names if name not in ("a/s4", "a/s9"))
    assert order(many(*names, count=1), failing) == many(*names, count=1)


def test_a_host_counts_as_failing_from_two_services_on() -> None:
    """Its other services come after all of a host that works."""
    works = many("b/s", count=4)
    one = order([*many("a/s0", "a/s1", "a/s2", count=1), *works], failing="a/s0/")
    assert one.index("a/s2/0") < one.index("b/s/2")
    two = order([*many("a/s0", "a/s1", "a/s2", count=1), *works], failing="a/s0/ a/s1/")
    assert two == ["a/s0/0", "b/s/0", "a/s1/0", "b/s/1", "b/s/2", "b/s/3", "a/s2/0"]


def test_what_failed_the_last_time_is_behind_the_rest_of_its_own_service() -> None:
    done = order(many("a/s"), suspect=lambda item: item == "a/s/0")
    assert done == ["a/s/1", "a/s/2", "a/s/0"]


def test_a_service_with_something_suspect_waits_for_the_other_hosts() -> None:
    items = [*many("a/s", count=2), *many("b/s", count=2)]
    done = order(items, suspect=lambda item: item == "a/s/1")
    assert done == ["b/s/0", "b/s/1", "a/s/0", "a/s/1"]


def test_what_fails_is_left_where_it_may_spend_nothing_and_the_rest_is_done() -> None:
    left: list[str] = []
    done = order(many("a/s", "b/s"), failing="a/s", left=left, spend=lambda: False)
    assert done == ["a/s/0", "b/s/0", "b/s/1", "b/s/2"]
    assert left == ["a/s/1", "a/s/2"]


def test_nothing_is_begun_once_it_is_to_stop() -> None:
    asked = [True, True, False]
    left: list[str] = []
    assert order(many("a/s"), left=left, may_continue=lambda: asked.pop(0)) == ["a/s/0", "a/s/1"]
    assert left == ["a/s/2"]


def peak(items: list[str], most: int) -> int:
    """Do the first item at once, and return how many of the others are done side by side."""
    lock, now, highest = threading.Lock(), [0], [0]
    full, more = threading.Event(), threading.Event()

    def work(item: str) -> bool:
        if item == items[0]:
            return True
        with lock:
            now[0] += 1
            highest[0] = max(highest[0], now[0])
            if now[0] >= most:
                full.set()
            if now[0] > most:
                more.set()
        full.wait(timeout=5)
        more.wait(timeout=0.1)  # should there be one too many
        with lock:
            now[0] -= 1
        return True

    bulkheads = Bulkheads(
        items, lambda item: item, work, lambda: True, group_of=lambda bulkhead: bulkhead[0]
    )
    assert bulkheads.run() == []
    return highest[0]


@pytest.mark.parametrize(("services", "most"), [(9, 4), (3, 3)])
def test_a_host_that_answers_is_tried_with_four_new_services_at_once(
    services: int, most: int
) -> None:
    assert peak([f"a{number}" for number in range(services + 1)], most) == most


def test_a_host_that_has_not_answered_is_asked_one_thing() -> None:
    started: list[str] = []
    answered = threading.Event()

    def work(item: str) -> bool:
        started.append(item)
        if item == "b/s/0":
            answered.wait(timeout=0.1)
            assert started.count("a/s/0") + started.count("a/t/0") == 1
            answered.set()
        return answered.wait(timeout=5)

    items = ["a/s/0", "a/t/0", "b/s/0"]
    bulkheads = Bulkheads(
        items, lambda item: item, work, lambda: True, group_of=lambda bulkhead: bulkhead[0]
    )
    assert bulkheads.run() == []


def test_a_waiting_thread_is_woken_when_an_item_is_done_and_asks_each_second_whether_to_stop() -> (
    None
):
    waiting, woken, spans = threading.Event(), list[bool](), list[float | None]()

    def work(_: str) -> bool:
        waiting.wait(timeout=5)
        return True

    bulkheads = Bulkheads(["a/0", "a/1"], lambda _: "a", work, lambda: True, 2)
    wait = bulkheads._moved.wait

    def noted(timeout: float | None = None) -> bool:
        waiting.set()
        spans.append(timeout)
        woken.append(wait(timeout))
        return woken[-1]

    bulkheads._moved.wait = noted  # type: ignore[method-assign]
    assert bulkheads.run() == []
    assert spans
    assert set(spans) == {1}
    assert all(woken)


def test_a_host_whose_services_begin_to_fail_is_asked_one_thing_at_a_time_again() -> None:
    group = _Group()
    for bulkhead in "abcde":
        group.add(bulkhead, suspect=False)

    def done(*, well: bool) -> None:
        kind = group.offer(room=True)
        assert kind is not None
        bulkhead = group.take(kind)
        group.taken(bulkhead, kind, left=False)
        group.done(bulkhead, kind, well=well, left=False)

    def both() -> bool:
        """Whether another item is offered while one is being worked on."""
        group.taken("z", _Kind.NEW, left=False)
        offered = group.offer(room=True)
        group.busy -= 1
        group._trials -= 1
        return offered is not None

    assert not both()
    done(well=True)
    assert both()
    done(well=False)
    assert (both(), group.fails) == (True, False)
    done(well=False)
    assert (both(), group.fails) == (False, True)
    done(well=True)
    assert (both(), group.fails) == (True, False)


def test_a_service_is_served_as_what_it_is_by_now() -> None:
    group = _Group()
    group.add("a", suspect=True)
    group._put("b", _Kind.FAILING)
    group._put("a", _Kind.WORKING)  # its next item went well meanwhile
    assert group.offer(room=True) is _Kind.WORKING
    assert group.offer(room=False) is _Kind.FAILING
    assert group.take(_Kind.FAILING) == "b"
