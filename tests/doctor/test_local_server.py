"""Servers that are processes of this machine."""

from mlserver_forest.doctor.local_server import listening_in


def test_listening_sockets_are_read_from_the_kernels_table():
    """Connections are none, nor is the name server that Docker puts into a container."""
    table = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid
   0: 00000000:4E20 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 701 1
   1: 0B00007F:A0B1 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 702 1
   2: 0100007F:4E20 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 703 1
"""
    assert listening_in(table) == {"701": 20000}
