"""Request bodies of any format, decoded as a server does."""

from functools import partial

from mlserver_forest.formats.decoding import RequestDecoder
from mlserver_forest.formats.json import application_json
from mlserver_forest.formats.parsing import SERVING
from mlserver_forest.formats.registry import find
from mlserver_forest.formats.source import Source


def decoder(media_type):
    """The decoder of a media type: (body, schema, parameters) to the matrix."""

    def decode(body, schema, parameters):
        return RequestDecoder(schema).decode(find(media_type), body, parameters)

    return decode


def decode_document(document, schema):
    """The matrix of a parsed JSON document."""
    return RequestDecoder(schema).matrix(partial(application_json.parse_document, document), 0)


def decode_in_blocks(parse, body, schema, sizes):
    """The matrix of a JSON body that is parsed in blocks of these sizes."""
    source = Source("", body, width=schema.n_features)
    return RequestDecoder(schema).matrix(
        lambda plan: parse(source, plan, SERVING, {}, sizes), len(body)
    )
