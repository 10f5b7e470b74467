"""Workers share their counts, which outlive a killed worker and are added up."""

import os
import signal

from hypothesis import given
from hypothesis import strategies as st

from mlserver_forest.serving.metrics.shared_counters import SharedCounters


def test_the_sums_are_over_all_regions():
    counters = SharedCounters(3)
    for number, amount in enumerate((1.0, 10.0, 100.0)):
        region = counters.of_worker(number)
        place = region.place(b"requests", 2)
        region.numbers[place] += amount
        region.numbers[place + 1] += 2 * amount
    assert counters.totals() == {b"requests": [111.0, 222.0]}


def test_what_a_killed_process_counted_stays_and_its_successor_goes_on():
    counters = SharedCounters(1)
    for _ in range(2):
        pid = os.fork()
        if not pid:
            region = counters.of_worker(0)
            region.numbers[region.place(b"a", 1)] += 1
            region.numbers[region.place(b"b" * 9, 3) + 2] += 5
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(pid, 0)
    assert counters.totals() == {b"a": [2.0], b"b" * 9: [0.0, 0.0, 10.0]}


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=40), st.integers(1, 20)), max_size=60))
def test_records_are_what_was_put_there_and_forgotten_room_is_used_again(steps):
    region = SharedCounters(1).of_worker(0)
    sizes, expected = {}, {}
    for key, size in steps:
        if key in expected and size % 2:
            region.forget(lambda found, gone=key: found == gone)
            del expected[key]
            continue
        n_numbers = sizes.setdefault(key, size)
        place = region.place(key, n_numbers)
        region.numbers[place + n_numbers - 1] += 1
        expected.setdefault(key, [0.0] * n_numbers)[-1] += 1
    assert dict(region.records()) == expected


def test_a_full_region_says_so():
    region = SharedCounters(1).of_worker(0)
    places = [region.place(b"%06d" % n, 500) for n in range(1_100)]
    assert places[0] is not None
    assert places[-1] is None
    region.forget(lambda key: key == b"000000")
    assert region.place(b"again.", 500) == places[0]
