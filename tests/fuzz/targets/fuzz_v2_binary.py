"""V2's inference requests over REST with binary tensors.

The first byte chooses the schema, and the next two are the length of the JSON.
"""

import json

from fuzz.mutations import mutate
from fuzz.target import Target, fuzz, instrumented

with instrumented():
    from fuzz.request_bodies import REFUSALS, behind_first_byte, chosen
    from fuzz.v2_requests import raw, read_inputs, tensors
    from mlserver_forest.serving.v2.rest_codec import decode_infer


def samples():
    for inputs in tensors():
        contents = [raw(datatype, array) for _, datatype, array in inputs]
        document = {
            "inputs": [
                {
                    "name": name,
                    "datatype": datatype,
                    "shape": list(array.shape),
                    "parameters": {"binary_data_size": len(content)},
                }
                for (name, datatype, array), content in zip(inputs, contents, strict=True)
            ],
            "parameters": {"binary_data_output": True},
        }
        text = json.dumps(document).encode()
        yield b"\0" + len(text).to_bytes(2, "little") + text + b"".join(contents)


def mutate_parts(data, others, rng):
    """Faults in the JSON, whose length is made right again, or anywhere."""
    end = 2 + int.from_bytes(data[:2], "little")
    if rng.random() < 0.5:
        return mutate(data, others, rng)
    text = mutate(data[2:end], others, rng)[: 2**16 - 1]
    return len(text).to_bytes(2, "little") + text + data[end:]


def read(data):
    choice, body = chosen(data)
    length = str(int.from_bytes(body[:2], "little"))
    request, _ = decode_infer(body[2:], length, "application/octet-stream")
    read_inputs(request, choice)


TARGET = Target("v2_binary", samples, read, REFUSALS, behind_first_byte(mutate_parts))
TestOneInput = TARGET.TestOneInput

if __name__ == "__main__":
    fuzz(TARGET)
