"""Request bodies of RecordIO-protobuf."""

from fuzz.mutations import mutate
from fuzz.target import fuzz, instrumented

with instrumented():
    from fuzz.request_bodies import body_target
    from fuzz.request_samples import framed


def mutate_records(body, samples, rng):
    """Faults in the first record, whose length is made right again, or anywhere."""
    if rng.random() < 0.5:
        return mutate(body, samples, rng)
    length = int.from_bytes(body[4:8], "little")
    payload = mutate(body[8 : 8 + length], samples, rng)
    return framed(payload) + body[8 + length + -length % 4 :]


TARGET = body_target("recordio", "application/x-recordio-protobuf", mutate_records)
TestOneInput = TARGET.TestOneInput

if __name__ == "__main__":
    fuzz(TARGET)
