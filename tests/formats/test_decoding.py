"""Each decoder on mutated bodies, as ``python -m tests.benchmarks decoders`` does with more."""

import pytest

from benchmarks import decoders
from benchmarks.decoder_samples import SAMPLES


@pytest.mark.parametrize("name", SAMPLES)
def test_a_mutated_body_is_read_or_refused(name):
    report = decoders.watch(name, 300)
    assert report.faults == []
    assert report.accepted > 10
    assert report.refused > 10
    assert report.inputs == 300
