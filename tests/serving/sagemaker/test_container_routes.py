"""/metrics is rendered outside the event loop, once at a time, and kept if that took long."""

import asyncio
import threading
import time

from mlserver_forest.serving.sagemaker.container_routes import ContainerRoutes


class Rendered:
    """Metrics that take some time to render, and the threads that rendered them."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.threads = []

    def __call__(self):
        self.threads.append(threading.current_thread())
        time.sleep(self.seconds)
        return b"%d\n" % len(self.threads)


def scrape(metrics, n_scrapers):
    routes = ContainerRoutes(lambda: True, {}, metrics, {}).table()

    async def all_at_once():
        asked = (routes["/metrics"]["GET"](None) for _ in range(n_scrapers))
        return [response.body for response in await asyncio.gather(*asked)]

    return asyncio.run(all_at_once())


def test_metrics_that_take_long_are_rendered_once_for_all_who_ask():
    metrics = Rendered(0.1)
    assert scrape(metrics, 4) == [b"1\n"] * 4
    assert metrics.threads != [threading.main_thread()]


def test_metrics_that_take_a_moment_are_those_of_now():
    assert scrape(Rendered(0), 3) == [b"1\n", b"2\n", b"3\n"]
