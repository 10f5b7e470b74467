"""Targets for request bodies: the first byte chooses the schema and the parameters."""

import numpy as np

from fuzz.mutations import mutate
from fuzz.request_samples import SAMPLES, SCHEMAS
from fuzz.target import Target
from mlserver_forest.errors import InvalidInput, PayloadTooLarge
from mlserver_forest.formats.decoding import RequestDecoder
from mlserver_forest.formats.registry import find

REFUSALS = (InvalidInput, PayloadTooLarge)
_PARAMETERS = {
    "text/csv": [{}, {}, {"header": "present"}, {"header": "absent", "label_size": "0"}],
    "text/libsvm": [{}, {"index_base": "0"}, {"index_base": "1"}],
}


def body_target(name, media_type, mutate_body=mutate):
    """The target for bodies of a media type."""
    parameters = _PARAMETERS.get(media_type, [{}])
    form = find(media_type)

    def read(data):
        choice, body = chosen(data)
        schema = SCHEMAS[choice % len(SCHEMAS)]
        choice //= len(SCHEMAS)
        body = bytearray(body) if choice >= 16 else body
        check(
            RequestDecoder(schema).decode(form, body, parameters[choice % len(parameters)]), schema
        )

    return Target(
        name,
        lambda: [b"\0" + body for body in SAMPLES[media_type]()],
        read,
        REFUSALS,
        behind_first_byte(mutate_body),
    )


def behind_first_byte(mutate_body):
    """Mutations of what follows the first byte, which is chosen freely."""

    def mutate_input(data, samples, rng):
        bodies = _Bodies(samples)
        return bytes([rng.randrange(256)]) + bytes(mutate_body(data[1:], bodies, rng))

    return mutate_input


class _Bodies:
    """The samples without their first bytes; a list of them would be made for each input."""

    def __init__(self, samples):
        self._samples = samples

    def __len__(self):
        return len(self._samples)

    def __getitem__(self, number):
        return self._samples[number][1:]


def chosen(data):
    """The first byte as a number, and the rest."""
    return (data[0], data[1:]) if data else (0, data)


def check(x, schema):
    """Properties that the model relies on."""
    assert isinstance(x, np.ndarray)
    assert x.ndim == 2
    assert len(x) > 0
    assert x.dtype == schema.dtype
    assert x.flags.c_contiguous
    assert not schema.feature_names or x.shape[1] == schema.n_features
    assert not np.isinf(x).any()
    assert schema.takes_missing or not np.isnan(x).any()
