"""The sockets on which a container listens."""

from mlserver_forest.doctor.listening_sockets import listening_in


def test_listening_sockets_are_read_from_the_kernels_table():
    """Connections are none, nor is the name server that Docker puts into a container."""
    table = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid
   0: 00000000:4E20 00000000:0 0A 00000000:00000000 00:00000000 00000000     0        0 701 1
   1: 0B00007F:A0B1 00000000:0 0A 00000000:00000000 00:00000000 00000000     0        0 702 1
   2: 0100007F:4E20 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 703 1
   3: 0100007F:1F40 00000000:0 0A 00000000:00000000 00:00000000 00000000     0        0 704 1
  sl  local_address remote_address st tx_queue
   0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0 0A 0 0 0 0 0 705 1
   1: 0000000000000000FFFF00000100007F:1F91 00000000000000000000000000000000:0 0A 0 0 0 0 0 706 1
   2: 00000000000000000000000000000000:1F92 00000000000000000000000000000000:0 0A 0 0 0 0 0 707 1
"""
    found = listening_in(table)
    assert {inode: (str(one), one.is_loopback) for inode, one in found.items()} == {
        "701": ("0.0.0.0:20000", False),
        "704": ("127.0.0.1:8000", True),
        "705": ("[::1]:8080", True),
        "706": ("127.0.0.1:8081", True),
        "707": ("[::]:8082", False),
    }
