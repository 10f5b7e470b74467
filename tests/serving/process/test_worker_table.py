"""The state that workers share with one another."""

import math

from mlserver_forest.serving.process import worker_table
from mlserver_forest.serving.process.worker_table import WorkerTable


def test_a_worker_that_shows_no_life_leaves_its_share_to_the_others(monkeypatch):
    table = WorkerTable(3)
    stopped, alive = table.take(), table.take()
    stopped.count_connections(0)
    alive.count_connections(7)
    assert table.fewest_connections() == 0
    monkeypatch.setattr(
        worker_table, "_SILENT_SECONDS", -1.0
    )  # All workers were silent for too long.
    assert table.fewest_connections() == math.inf
    monkeypatch.undo()
    stopped._numbers[stopped._row + worker_table._BEAT] -= 2  # two seconds ago
    assert table.fewest_connections() == 7
    stopped.notify()
    assert table.fewest_connections() == 0
