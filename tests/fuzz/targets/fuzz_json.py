"""Request bodies of JSON, in the forms of SageMaker and of pandas."""

from fuzz.target import fuzz, instrumented

with instrumented():
    from fuzz.request_bodies import body_target

TARGET = body_target("json", "application/json")
TestOneInput = TARGET.TestOneInput

if __name__ == "__main__":
    fuzz(TARGET)
