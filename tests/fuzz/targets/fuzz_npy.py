"""Request bodies of NumPy arrays."""

from fuzz.target import fuzz, instrumented

with instrumented():
    from fuzz.request_bodies import body_target

TARGET = body_target("npy", "application/x-npy")
TestOneInput = TARGET.TestOneInput

if __name__ == "__main__":
    fuzz(TARGET)
