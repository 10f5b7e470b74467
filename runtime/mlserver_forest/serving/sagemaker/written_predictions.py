"""Predictions -> the headers and the blocks of a response, by the format that Accept prefers."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from mlserver_forest.formats.json import application_json
from mlserver_forest.formats.predictions import Column, Predictions
from mlserver_forest.formats.registry import load
from mlserver_forest.serving.http import media_types
from mlserver_forest.serving.http.response import Headers
from mlserver_forest.serving.sagemaker.invocation_headers import AcceptedResponse

WriteColumns = Callable[[Mapping[str, Column]], tuple[Headers, Iterable[bytes]]]


def writer(
    accepted: AcceptedResponse, predictions: Callable[[Mapping[str, Column]], Predictions]
) -> WriteColumns:
    """The function that turns a model's outputs, by V2 name, into a response.

    Args:
        accepted: what the request accepts.
        predictions: makes the outputs of the response from those of the model.
    """
    found = media_types.format_of(accepted.media_type)
    encode = load(found.write)
    headers = ((b"content-type", accepted.media_type.encode()),)
    cut = found.has_lines and not accepted.ends_with_newline

    def write(columns: Mapping[str, Column]) -> tuple[Headers, Iterable[bytes]]:
        answer = predictions(columns)
        is_plain = accepted.has_plain_values and len(answer.columns) == 1
        written = application_json.encode_values(answer) if is_plain else encode(answer)
        return headers, _without_last_newline(written) if cut else written

    return write


def _without_last_newline(blocks: Iterator[bytes]) -> Iterator[bytes]:
    last = next(blocks, b"")
    for block in blocks:
        yield last
        last = block
    yield last.removesuffix(b"\n")
