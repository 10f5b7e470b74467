"""A load generator in a process of its own, reached by a pipe."""

import contextlib
import gc
import multiprocessing

from .generator import Generator

_PROCESSES = multiprocessing.get_context("spawn")
_START_SECONDS = 60


def _generate(plan, pipe):
    gc.disable()  # Nothing here is part of a cycle, and a pause would look like the server's.
    pipe.send("started")
    generator = Generator(plan, pipe)
    pipe.send(generator.run())


class Load:
    """A plan under way. As a context, it is surely over at the end."""

    def __init__(self, plan):
        self._plan = plan
        self._pipe, theirs = _PROCESSES.Pipe()
        self._process = _PROCESSES.Process(target=_generate, args=(plan, theirs), daemon=True)
        self._theirs = theirs

    def start(self):
        """Returns when the first requests are being sent."""
        self._process.start()
        self._theirs.close()
        if not self._pipe.poll(_START_SECONDS):
            raise TimeoutError("the load generator did not start")
        self._pipe.recv()
        return self

    def wait(self):
        """The counts, when the plan's seconds are over."""
        if not self._pipe.poll(self._plan.seconds + self._plan.timeout + _START_SECONDS):
            raise TimeoutError("the load generator did not end")
        counts = self._pipe.recv()
        self._process.join()
        return counts

    def stop(self):
        """Send no more, wait for the answers of what was sent, and give the counts."""
        with contextlib.suppress(BrokenPipeError):  # It has ended; its counts are in the pipe.
            self._pipe.send("stop")
        return self.wait()

    def run(self):
        """From start to end."""
        with self:
            return self.wait()

    def __enter__(self):
        return self.start()

    def __exit__(self, *error):
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._pipe.close()
