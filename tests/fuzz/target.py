"""A fuzz target: valid inputs of one decoder, how they get faults, and how they are read."""

import random
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fuzz.mutations import mutate, noise

TESTS = Path(__file__).parents[1]
CORPUS = TESTS / "fuzz" / "corpus"
_LONGEST_MESSAGE = 2000


@dataclass(frozen=True)
class Target:
    """One decoder.

    Attributes:
        name: the name of its module, without ``fuzz_``.
        make_samples: makes valid inputs, with the libraries that write them.
        read: reads an input, and checks what it returns.
        refusals: the errors that say what is wrong with an input; any other is a fault.
        mutate: (input, all samples, a random generator) -> an input with faults.
        is_isolated: whether the product calls the decoder in a process of its own, where a crash of
            the library that reads is a refusal too.
    """

    name: str
    make_samples: Callable[[], Sequence[bytes]]
    read: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...]
    mutate: Callable = mutate
    is_isolated: bool = False

    @cached_property
    def samples(self):
        return list(self.make_samples())

    @cached_property
    def saved(self):
        """Inputs that were faults once, in the order of their names."""
        return [path.read_bytes() for path in sorted((CORPUS / self.name).glob("*"))]

    def input(self, number):
        """The input of a number, which is always the same: saved ones, samples, mutations."""
        whole = [*self.saved, *self.samples]
        if number < len(whole):
            return whole[number]
        rng = random.Random(f"{self.name} {number}")  # noqa: S311  # It has to be seeded.
        if rng.random() < 0.03:
            return noise(rng)
        return bytes(self.mutate(rng.choice(self.samples), self.samples, rng))

    def is_accepted(self, data):
        """Whether an input is read, or refused as it should be; a fault is raised."""
        try:
            self.read(data)
        except self.refusals as error:
            if len(str(error)) > _LONGEST_MESSAGE:
                message = f"a message of {len(str(error))} characters: {str(error)[:200]}"
                raise AssertionError(message) from error
            return False
        return True

    def TestOneInput(self, data):  # noqa: N802  # libFuzzer's name
        """The function that a fuzzer calls."""
        self.is_accepted(data)


def instrumented():
    """A context in which a target imports what it tests, so that a fuzzer sees its branches."""
    if Path(sys.argv[0]).parent.name != "targets":
        return nullcontext()
    import atheris

    return atheris.instrument_imports(include=["mlserver_forest"], exclude=_compiled_modules())


def _compiled_modules():
    """The modules that Numba compiles from their bytecode, which must not be instrumented."""
    package = TESTS.parent / "runtime" / "mlserver_forest"
    return [
        ".".join(path.relative_to(package.parent).with_suffix("").parts)
        for path in package.rglob("*.py")
        if "mlserver_forest.compilation import" in path.read_text()
    ]


def fuzz(target):
    """Run a target in libFuzzer, whose options are the command's arguments."""
    import atheris

    for sample in target.samples:  # The first ones may import what they need, and compile it.
        target.is_accepted(sample)
    atheris.Setup(sys.argv, target.TestOneInput)
    atheris.Fuzz()
