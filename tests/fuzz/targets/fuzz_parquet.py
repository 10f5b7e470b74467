"""Request bodies of Parquet."""

from fuzz.target import fuzz, instrumented

with instrumented():
    from fuzz.request_bodies import body_target

TARGET = body_target("parquet", "application/x-parquet")
TestOneInput = TARGET.TestOneInput

if __name__ == "__main__":
    fuzz(TARGET)
