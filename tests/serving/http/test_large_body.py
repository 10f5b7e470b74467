"""A body of known length is received piece by piece into one buffer."""

import pytest

from mlserver_forest.serving.http.large_body import LargeBody


@pytest.mark.parametrize("n_begun", [0, 1, 70_000, 999_999])
def test_pieces_of_any_size_make_the_body(n_begun):
    content = bytes(range(256)) * 4000
    content = content[:1_000_000]
    body = LargeBody(content[:n_begun], len(content))
    n_received, piece = n_begun, 1
    while not body.is_complete:
        space = body.free_space()
        n_bytes = min(len(space), piece)
        space[:n_bytes] = content[n_received : n_received + n_bytes]
        body.add(n_bytes)
        n_received += n_bytes
        piece = 3 * piece
    assert body.take() == content


def test_memory_follows_what_has_come_and_not_what_was_announced():
    body = LargeBody(b"x" * 1000, 1 << 40)
    assert len(body.free_space()) < 1 << 18


def test_no_byte_of_the_next_request_fits():
    body = LargeBody(b"x" * 99_990, 100_000)
    assert len(body.free_space()) == 10
