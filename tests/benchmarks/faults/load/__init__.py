"""A load generator that knows what became of every request.

It runs in a process of its own, on plain sockets: ``Load(Plan(port, questions)).start()``,
later ``.stop()``, which gives ``Counts``. ``Crowd`` holds connections that do harm slowly.
"""

from .counts import Counts, Outcome
from .crowd import Crowd, Drip, Flood, Leave
from .plan import Plan
from .process import Load
from .questions import Question, get, post

__all__ = [
    "Counts",
    "Crowd",
    "Drip",
    "Flood",
    "Leave",
    "Load",
    "Outcome",
    "Plan",
    "Question",
    "get",
    "post",
]
