"""Request bodies of JSON lines."""

from fuzz.target import fuzz, instrumented

with instrumented():
    from fuzz.request_bodies import body_target

TARGET = body_target("jsonlines", "application/jsonlines")
TestOneInput = TARGET.TestOneInput

if __name__ == "__main__":
    fuzz(TARGET)
