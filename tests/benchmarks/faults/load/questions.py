"""Requests, and the answers that they must get."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass
class Question:
    """One request.

    Attributes:
        request: all its bytes, for a connection that is kept.
        status: that the answer must have.
        right: the body that the answer must have; of an answer that passed ``check``, it
            is kept here, so that the next is compared with it first.
        check: whether a body is right; without it and without ``right``, any is.
    """

    request: bytes
    status: int = 200
    right: bytes | None = None
    check: Callable[[bytes], bool] | None = None

    @cached_property
    def last_request(self):
        """The same for a connection that is closed with the answer."""
        return self.request.replace(b"\r\n", b"\r\nconnection: close\r\n", 1)

    def is_answered_by(self, body):
        if self.check is None or body == self.right:
            return self.right is None or body == self.right
        if not self.check(body):
            return False
        self.right = body
        return True


def get(path, **expected):
    return Question(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode(), **expected)


def post(path, body, media_type, accept=None, **expected):
    return Question(head_of(path, len(body), media_type, accept) + body, **expected)


def head_of(path, length, media_type, accept=None):
    """Of a POST; the id makes what an error says the same each time."""
    lines = [
        f"POST {path} HTTP/1.1",
        "host: 127.0.0.1",
        f"content-type: {media_type}",
        *([f"accept: {accept}"] if accept else []),
        "x-amzn-sagemaker-inference-id: load",
        f"content-length: {length}",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


@dataclass(frozen=True)
class Json:
    """A body that is this document."""

    document: object

    def __call__(self, body):
        return json.loads(body) == self.document


@dataclass(frozen=True)
class JsonLines:
    """A body that has these documents, one a line."""

    documents: list

    def __call__(self, body):
        return [json.loads(line) for line in body.splitlines()] == self.documents


@dataclass(frozen=True)
class Npy:
    """A body that is an array of these values."""

    values: list

    def __call__(self, body):
        return np.load(io.BytesIO(body)).tolist() == self.values


@dataclass(frozen=True)
class Outputs:
    """A V2 answer whose outputs have these data."""

    data: dict

    def __call__(self, body):
        found = {output["name"]: output["data"] for output in json.loads(body)["outputs"]}
        return found == self.data


@dataclass(frozen=True)
class ErrorWith:
    """An error that says this."""

    words: str

    def __call__(self, body):
        return self.words in json.loads(body)["error"]
