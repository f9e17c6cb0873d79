import threading
from collections import Counter
from typing import Any

import pytest

from shared.execution.bulkheads import FAILURES, MOST_AT_ONCE, MOST_PER_BULKHEAD, Bulkheads


class Gate:
    """Work that counts how much of it continues at once, and lets a full house pass together."""

    def __init__(self, most: int) -> None:
        self._lock = threading.Lock()
        self._full = threading.Event()
        self._most = most
        self.now, self.peak = Counter[str](), Counter[str]()

    def work(self, item: str) -> bool:
        bulkhead = item[0]
        if item[1:] == "0":
            return True  # a bulkhead begins with one item, and gets more once that went well
        with self._lock:
            for name in (bulkhead, "all"):
                self.now[name] += 1
                self.peak[name] = max(self.peak[name], self.now[name])
            if self.now["all"] >= self._most:
                self._full.set()
        self._full.wait(timeout=5)
        with self._lock:
            for name in (bulkhead, "all"):
                self.now[name] -= 1
        return True


def names(bulkhead: str, count: int) -> list[str]:
    return [f"{bulkhead}{number}" for number in range(count)]


def bulkhead_of(item: str) -> str:
    return item[0]


def test_sixteen_at_once_and_eight_for_each_service() -> None:
    gate = Gate(MOST_AT_ONCE)
    items = names("a", 40) + names("b", 40)
    bulkheads = Bulkheads(items, bulkhead_of, gate.work, lambda: True)
    assert bulkheads.run() == []
    assert bulkheads.done == 80
    assert gate.peak == {"a": MOST_PER_BULKHEAD, "b": MOST_PER_BULKHEAD, "all": MOST_AT_ONCE}
    assert (MOST_AT_ONCE, MOST_PER_BULKHEAD) == (16, 8)


def test_one_service_alone_gets_eight() -> None:
    gate = Gate(MOST_PER_BULKHEAD)
    assert Bulkheads(names("a", 40), bulkhead_of, gate.work, lambda: True).run() == []
    assert gate.peak["all"] == MOST_PER_BULKHEAD


def test_a_failing_service_is_left_alone_and_the_others_continue() -> None:
    tries: list[str] = []

    def work(item: str) -> bool:
        tries.append(item)
        return item[0] != "a"

    bulkheads = Bulkheads(names("a", 100) + names("b", 100), bulkhead_of, work, lambda: True)
    left = bulkheads.run()
    failed = [item for item in tries if item[0] == "a"]
    assert FAILURES <= len(failed) < FAILURES + MOST_PER_BULKHEAD  # some were under way already
    assert left == names("a", 100)[len(failed) :]
    assert len([item for item in tries if item[0] == "b"]) == 100


def test_a_success_between_failures_has_them_counted_again() -> None:
    failing = [f"a!{n}" for n in range(FAILURES - 1)]
    items = [*failing, "a0", *failing, "a1", *failing]

    def work(item: str) -> bool:
        return "!" not in item

    assert Bulkheads(items, bulkhead_of, work, lambda: True, most=1).run() == []
    assert Bulkheads(failing * 2, bulkhead_of, work, lambda: True, most=1).run() == failing[1:]


@pytest.mark.parametrize("hung", [1, 3, 10, 30])
def test_hosts_that_hang_do_not_keep_a_healthy_one_waiting(hung: int) -> None:
    """What hangs continues only once the healthy host is done: so it was not waited for."""
    healthy, left = threading.Event(), Counter({"h": 100})
    starved: list[str] = []

    def work(item: str) -> bool:
        bulkhead = item.partition("-")[0]
        if bulkhead == "h":
            left["h"] -= 1
            if not left["h"]:
                healthy.set()
            return True
        if not healthy.wait(timeout=10):
            starved.append(item)
        return False

    items = [f"{at}-{number}" for at in range(hung) for number in range(100)]
    items += [f"h-{number}" for number in range(100)]
    bulkheads = Bulkheads(items, lambda item: item.partition("-")[0], work, lambda: True)
    begun = len(items) - len(bulkheads.run())
    assert starved == []
    assert begun == 100 + hung * FAILURES  # each of them one at a time, and then no more


def served(items: list[str], hung: Counter[str], **more: Any) -> list[str]:
    """Do items named `host/service/number` in one thread; a hung one takes 20 of 150 seconds."""
    seconds, done = [0], list[str]()

    def work(item: str) -> bool:
        service = item.rpartition("/")[0]
        well = service not in hung and item.partition("/")[0] not in hung
        seconds[0] += 0 if well else 20
        done.append(item)
        return well

    Bulkheads(
        items,
        lambda item: item.rpartition("/")[0],
        work,
        lambda: seconds[0] < 150,
        most=1,
        group_of=lambda bulkhead: bulkhead.partition("/")[0],
        **more,
    ).run()
    return done


@pytest.mark.parametrize("hung", [1, 3, 6])
def test_one_thread_serves_the_healthy_host_first_however_many_hang(hung: int) -> None:
    items = [f"{at}/s/{number}" for at in range(hung) for number in range(100)]
    items += [f"h/s/{number}" for number in range(100)]
    done = served(items, Counter(str(at) for at in range(hung)))
    assert len([item for item in done if item.startswith("h/")]) == 100
    assert len(done[: done.index("h/s/99")]) <= 99 + hung


def test_one_service_that_hangs_leaves_the_others_of_its_host_alone() -> None:
    items = [f"h/bad/{n}" for n in range(100)] + [f"h/good/{n}" for n in range(100)]
    done = served(items, Counter(["h/bad"]))
    assert len([item for item in done if item.startswith("h/good/")]) == 100
    assert len([item for item in done if item.startswith("h/bad/")]) == FAILURES


def test_a_host_whose_services_all_hang_is_left_after_a_few_of_them() -> None:
    items = [f"h/customer{n}/0" for n in range(100)] + [f"i/s/{n}" for n in range(10)]
    done = served(items, Counter(["h"]))
    assert len([item for item in done if item.startswith("h/")]) == FAILURES
    assert len([item for item in done if item.startswith("i/")]) == 10


def test_a_task_that_failed_the_last_time_comes_last() -> None:
    items = [f"{at}/s/{number}" for at in range(10) for number in range(3)] + ["h/s/0", "h/s/1"]
    hung = Counter(str(at) for at in range(10))
    assert "h/s/0" not in served(items, hung)[:5]
    assert served(items, hung, suspect=lambda item: item[0] != "h")[:2] == ["h/s/0", "h/s/1"]


def test_what_fails_may_be_given_a_part_of_the_time() -> None:
    items = [f"a/s/{n}" for n in range(10)]
    asked = [True, True, True, False]  # once before each item
    done = served(items, Counter(["a"]), spend=lambda: asked.pop(0) if asked else False)
    assert 1 <= len(done) < FAILURES


def test_a_host_gets_no_more_than_eight_at_once_over_all_its_services() -> None:
    gate = Gate(MOST_PER_BULKHEAD)
    items = [f"a{service}-{n}" for service in range(4) for n in range(20)]

    def work(item: str) -> bool:
        return item.endswith("-0") or gate.work(item)

    bulkheads = Bulkheads(items, lambda item: item[:2], work, lambda: True, group_of=bulkhead_of)
    assert bulkheads.run() == []
    assert gate.peak["a"] == MOST_PER_BULKHEAD


def test_many_bulkheads_cost_no_more_than_many_items() -> None:
    """Each customer's endpoint may be a bulkhead: choosing the next must not check them all."""
    checked = [0]

    class Name(str):
        __slots__ = ()

        def __hash__(self) -> int:
            checked[0] += 1
            return super().__hash__()

    def cost(size: int) -> int:
        checked[0] = 0
        items = [Name(f"h/{n}/0") for n in range(size)]
        Bulkheads(items, lambda i: i, lambda _: True, lambda: True, 1, group_of=lambda _: "h").run()
        return checked[0]

    assert cost(1000) <= 11 * cost(100)


def test_work_that_is_stopped_is_requeued() -> None:
    done: list[str] = []

    def work(item: str) -> bool:
        done.append(item)
        return True

    left = Bulkheads(names("a", 50), bulkhead_of, work, lambda: len(done) < 5).run()
    assert sorted(done + left) == sorted(names("a", 50))
    assert len(left) >= 50 - 5 - MOST_AT_ONCE


def test_an_unexpected_error_of_a_worker_is_not_lost() -> None:
    def work(item: str) -> bool:
        if item == "a3":
            raise KeyError(item)
        return True

    bulkheads = Bulkheads(names("a", 20), bulkhead_of, work, lambda: True)
    with pytest.raises(KeyError, match="a3"):
        bulkheads.run()
    assert bulkheads.done == 20


def test_nothing_to_do_is_done_at_once() -> None:
    before = threading.active_count()
    bulkheads = Bulkheads(list[str](), bulkhead_of, lambda _: True, lambda: True)
    assert (bulkheads.run(), bulkheads.done) == ([], 0)
    assert threading.active_count() == before
