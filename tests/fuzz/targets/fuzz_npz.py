"""Request bodies of sparse matrices, as SciPy saves them."""

from fuzz.target import fuzz, instrumented

with instrumented():
    from fuzz.mutations import mutate_archive
    from fuzz.request_bodies import body_target

TARGET = body_target("npz", "application/x-npz", mutate_archive)
TestOneInput = TARGET.TestOneInput

if __name__ == "__main__":
    fuzz(TARGET)
