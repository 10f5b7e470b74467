"""V2's inference requests over REST, in JSON; the first byte chooses the schema."""

import json

from fuzz.mutations import mutate
from fuzz.target import Target, fuzz, instrumented

with instrumented():
    from fuzz.request_bodies import REFUSALS, behind_first_byte, chosen
    from fuzz.v2_requests import documents, read_inputs
    from mlserver_forest.serving.v2.rest_codec import decode_infer


def samples():
    return [b"\0" + json.dumps(document).encode() for document in documents()]


def read(data):
    choice, body = chosen(data)
    request, _ = decode_infer(body, None, "application/json")
    read_inputs(request, choice)


TARGET = Target("v2_json", samples, read, REFUSALS, behind_first_byte(mutate))
TestOneInput = TARGET.TestOneInput

if __name__ == "__main__":
    fuzz(TARGET)
