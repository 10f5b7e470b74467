"""One connection to the server under load, with at most one request under way."""

import errno
import math
import socket
import time

from .answers import AnswerReader

_PIECE = 1 << 18


class Broken(Exception):
    """The connection ended, or what came is no answer."""


class Connection:
    """A socket that does not block.

    Raises:
        OSError: if the server refuses it at once, or this process can open no more.
    """

    def __init__(self, port, is_fresh):
        self.is_fresh = is_fresh
        self.is_closed = False
        self.answered = 0
        self.listens_for = 0
        self.question = self.begun = None
        self.sent = math.nan
        self._unsent = memoryview(b"")
        self._socket = socket.socket()
        self._socket.setblocking(False)
        refusal = self._socket.connect_ex(("127.0.0.1", port))
        if refusal not in {0, errno.EINPROGRESS}:
            self._socket.close()
            raise OSError(refusal, "connect")
        self.number = self._socket.fileno()

    def begin(self, question, begun):
        self.question, self.begun = question, begun
        self.sent = math.nan
        self._unsent = memoryview(question.last_request if self.is_fresh else question.request)
        self._reader = AnswerReader()

    def __str__(self):
        kind = "a new connection" if self.is_fresh else f"a kept one with {self.answered} answers"
        milliseconds = 1000 * (time.monotonic() - self.sent)
        first_line = self.question.request.split(b"\r\n", 1)[0].decode()
        return f"{kind}, {milliseconds:.1f} ms after {first_line}"

    @property
    def is_sending(self):
        return len(self._unsent) > 0

    @property
    def has_sent(self):
        return not math.isnan(self.sent)

    def is_refused(self):
        return self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0

    def is_open(self):
        """Whether the server has neither closed it nor sent what nobody asked for."""
        if self.is_closed:
            return False
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def send(self):
        """As much as the kernel takes."""
        now = time.monotonic()
        try:
            taken = self._socket.send(self._unsent)
        except BlockingIOError:
            return
        except OSError as error:
            raise Broken(f"sending: {error}") from None
        if not self.has_sent:
            self.sent = now
        self._unsent = self._unsent[taken:]

    def receive(self):
        """The answer if it is complete now, else None."""
        while True:
            try:
                data = self._socket.recv(_PIECE)
            except BlockingIOError:
                return None
            except OSError as error:
                raise Broken(f"receiving: {error}") from None
            if not data:
                raise Broken("receiving: the end")
            try:
                answer = self._reader.feed(data)
            except ValueError as error:
                raise Broken(str(error)) from None
            if answer is not None:
                return answer

    def rest(self):
        self.answered += 1
        self.question = None

    def close(self):
        self.is_closed = True
        self.question = None
        self._socket.close()
