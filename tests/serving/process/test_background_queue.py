"""A queue that nobody waits for: bounded, worked on in order, and finished at the end."""

import threading

from mlserver_forest.serving.process.background_queue import BackgroundQueue


def test_items_beyond_the_bound_are_refused_until_there_is_room_again():
    """What the thread is working on is in memory too, so that it counts."""
    begun, may_go_on, done = threading.Semaphore(0), threading.Semaphore(0), []

    def work(items, is_last):
        done.append((list(items), is_last))
        begun.release()
        may_go_on.acquire()

    queue = BackgroundQueue("test", work, most_bytes=10, enough_bytes=1)
    assert queue.put("a", 6)
    begun.acquire()
    assert not queue.put("too large", 5)
    assert queue.put("b", 4)
    assert not queue.put("c", 1)
    may_go_on.release()
    begun.acquire()  # "b" is being worked on, and "a" is not in memory any more.
    assert queue.put("d", 6)
    may_go_on.release(2)
    assert queue.finish(60)
    assert done[0] == (["a"], False)
    assert [item for items, _ in done for item in items] == ["a", "b", "d"]
    assert done[-1][1]


def test_a_fault_in_the_work_does_not_end_the_thread(caplog):
    done, has_failed = [], threading.Event()

    def work(items, is_last):
        done.extend(items)
        if "bad" in items:
            has_failed.set()
            raise ValueError(items)

    queue = BackgroundQueue("test", work, most_bytes=100, enough_bytes=1)
    queue.put("bad", 1)
    assert has_failed.wait(60)
    queue.put("good", 1)
    assert queue.finish(60)
    assert done == ["bad", "good"]
    assert "the thread test goes on without what it was working on" in caplog.text


def test_work_that_wants_to_go_on_is_called_without_items():
    calls, has_come_back = [], threading.Event()

    def work(items, is_last):
        calls.append(list(items))
        if len(calls) > 1:
            has_come_back.set()
            return None
        return 0.001

    queue = BackgroundQueue("test", work, most_bytes=100, enough_bytes=1)
    queue.put("a", 1)
    assert has_come_back.wait(60)
    assert calls == [["a"], []]
    assert queue.finish(60)


def test_without_an_item_there_is_no_thread():
    assert BackgroundQueue("test", lambda *_: None, most_bytes=1, enough_bytes=1).finish(0)
