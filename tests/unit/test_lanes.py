import threading
from collections import Counter

import pytest

from shared.lanes import FAILURES, MOST_AT_ONCE, MOST_PER_LANE, Lanes


class Gate:
    """Work that counts how much of it goes on at once, and lets a full house pass together."""

    def __init__(self, most: int) -> None:
        self._lock = threading.Lock()
        self._full = threading.Event()
        self._most = most
        self.now, self.peak = Counter[str](), Counter[str]()

    def work(self, item: str) -> bool:
        lane = item[0]
        with self._lock:
            for name in (lane, "all"):
                self.now[name] += 1
                self.peak[name] = max(self.peak[name], self.now[name])
            if self.now["all"] >= self._most:
                self._full.set()
        self._full.wait(timeout=5)
        with self._lock:
            for name in (lane, "all"):
                self.now[name] -= 1
        return True


def names(lane: str, count: int) -> list[str]:
    return [f"{lane}{number}" for number in range(count)]


def lane_of(item: str) -> str:
    return item[0]


def test_sixteen_at_once_and_eight_for_each_service() -> None:
    gate = Gate(MOST_AT_ONCE)
    items = names("a", 40) + names("b", 40)
    lanes = Lanes(items, lane_of, gate.work, lambda: True)
    assert lanes.run() == []
    assert lanes.done == 80
    assert gate.peak == {"a": MOST_PER_LANE, "b": MOST_PER_LANE, "all": MOST_AT_ONCE}
    assert (MOST_AT_ONCE, MOST_PER_LANE) == (16, 8)


def test_one_service_alone_gets_eight() -> None:
    gate = Gate(MOST_PER_LANE)
    assert Lanes(names("a", 40), lane_of, gate.work, lambda: True).run() == []
    assert gate.peak["all"] == MOST_PER_LANE


def test_a_failing_service_is_left_alone_and_the_others_go_on() -> None:
    tried: list[str] = []

    def work(item: str) -> bool:
        tried.append(item)
        return item[0] != "a"

    lanes = Lanes(names("a", 100) + names("b", 100), lane_of, work, lambda: True)
    left = lanes.run()
    failed = [item for item in tried if item[0] == "a"]
    assert FAILURES <= len(failed) < FAILURES + MOST_PER_LANE  # some were under way already
    assert left == names("a", 100)[len(failed) :]
    assert len([item for item in tried if item[0] == "b"]) == 100


def test_failures_count_only_while_they_run_on() -> None:
    items = names("a", 1) + [f"a!{n}" for n in range(FAILURES - 1)]

    def work(item: str) -> bool:
        return "!" not in item

    assert Lanes(items[1:] + items[:1], lane_of, work, lambda: True).run() == []


def test_work_that_is_stopped_is_given_back() -> None:
    done: list[str] = []

    def work(item: str) -> bool:
        done.append(item)
        return True

    left = Lanes(names("a", 50), lane_of, work, lambda: len(done) < 5).run()
    assert sorted(done + left) == sorted(names("a", 50))
    assert len(left) >= 50 - 5 - MOST_AT_ONCE


def test_what_a_worker_did_not_expect_is_not_lost() -> None:
    def work(item: str) -> bool:
        if item == "a3":
            raise KeyError(item)
        return True

    lanes = Lanes(names("a", 20), lane_of, work, lambda: True)
    with pytest.raises(KeyError, match="a3"):
        lanes.run()
    assert lanes.done == 20


def test_nothing_to_do_is_done_at_once() -> None:
    before = threading.active_count()
    lanes = Lanes(list[str](), lane_of, lambda _: True, lambda: True)
    assert (lanes.run(), lanes.done) == ([], 0)
    assert threading.active_count() == before
