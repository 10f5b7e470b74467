"""A gRPC client of HTTP/2 frames, which sends what it likes when it likes (RFC 9113, 4 and 6)."""

import socket
import struct
from collections import defaultdict

MODEL_INFER = "/inference.GRPCInferenceService/ModelInfer"
MODEL_STREAM_INFER = "/inference.GRPCInferenceService/ModelStreamInfer"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_ACK = _END_STREAM = 1
_END_HEADERS = 4
_INITIAL_WINDOW_SIZE = 4
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_FRAME_BYTES, _FIRST_WINDOW = 16_384, 65_535


class RawGRPC:
    """One connection.

    Attributes:
        ended: the streams that the server has ended.
        n_received: the bytes of messages that have come.
    """

    def __init__(self, port):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._socket.sendall(_PREFACE + _frame(_SETTINGS))
        self._received = b""
        self._initial = self._window = _FIRST_WINDOW
        self._windows = defaultdict(int)  # Beyond the initial one.
        self._next = 1
        self.ended = set()
        self.n_received = 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._socket.close()

    def call(self, method):
        """Begin a call; the number of its stream."""
        stream, self._next = self._next, self._next + 2
        fields = {
            ":method": "POST", ":scheme": "http", ":path": method, ":authority": "x",
            "te": "trailers", "content-type": "application/grpc",
        }  # fmt: skip
        block = b"".join(
            b"\0%c%b%c%b" % (len(name), name.encode(), len(value), value.encode())
            for name, value in fields.items()
        )
        self._socket.sendall(_frame(_HEADERS, block, _END_HEADERS, stream))
        return stream

    def send(self, stream, data):
        """Send as much as the server allows now; the number of bytes."""
        self.receive()
        room = max(0, min(self._window, self._initial + self._windows[stream]))
        part = memoryview(data)[:room]
        self._window -= len(part)
        self._windows[stream] -= len(part)
        for start in range(0, len(part), _FRAME_BYTES):
            piece = bytes(part[start : start + _FRAME_BYTES])
            self._socket.sendall(_frame(_DATA, piece, 0, stream))
        return len(part)

    def receive(self, seconds=0.001):
        """Read the frames that have arrived, and wait for so long if there are none."""
        self._socket.settimeout(seconds)
        try:
            data = self._socket.recv(1 << 20)
        except TimeoutError:
            return
        finally:
            self._socket.settimeout(10)
        if not data:
            raise ConnectionResetError("the server has closed the connection")
        self._received += data
        while len(self._received) >= 9:
            n_bytes = int.from_bytes(self._received[:3], "big")
            if len(self._received) < 9 + n_bytes:
                return
            kind, flags, stream = struct.unpack(">BBI", self._received[3:9])
            payload = self._received[9 : 9 + n_bytes]
            self._received = self._received[9 + n_bytes :]
            self._handle(kind, flags, stream, payload)

    def _handle(self, kind, flags, stream, payload):
        if kind == _DATA:
            self._count(stream, len(payload))
        if kind == _SETTINGS and not flags & _ACK:
            for name, value in struct.iter_unpack(">HI", payload):
                if name == _INITIAL_WINDOW_SIZE:
                    self._initial = value
            self._socket.sendall(_frame(_SETTINGS, flags=_ACK))
        elif kind == _PING and not flags & _ACK:
            self._socket.sendall(_frame(_PING, payload, _ACK))
        elif kind == _WINDOW_UPDATE:
            (more,) = struct.unpack(">I", payload)
            self._window += 0 if stream else more
            self._windows[stream] += more  # That of stream 0 is not used.
        elif kind == _RST_STREAM or (kind in (_DATA, _HEADERS) and flags & _END_STREAM):
            self.ended.add(stream)
        elif kind == _GOAWAY:
            raise ConnectionResetError("the server said GOAWAY")

    def _count(self, stream, n_bytes):
        """Count bytes of messages, and allow the server as many again."""
        self.n_received += n_bytes
        more = struct.pack(">I", max(n_bytes, 1))
        for window in (0, stream):
            self._socket.sendall(_frame(_WINDOW_UPDATE, more, 0, window))


def prefixed(n_bytes):
    """What stands before a message of so many bytes: it is not compressed, and its length."""
    return struct.pack(">BI", 0, n_bytes)


def _frame(kind, payload=b"", flags=0, stream=0):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload
