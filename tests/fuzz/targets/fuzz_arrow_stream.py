"""Request bodies of Arrow's stream format."""

from fuzz.target import fuzz, instrumented

with instrumented():
    from fuzz.request_bodies import body_target

TARGET = body_target("arrow_stream", "application/vnd.apache.arrow.stream")
TestOneInput = TARGET.TestOneInput

if __name__ == "__main__":
    fuzz(TARGET)
