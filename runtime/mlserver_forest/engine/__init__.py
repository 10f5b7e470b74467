"""The engine: packed trees and the compiled loops that walk them."""

from mlserver_forest.engine.forest import Forest

__all__ = ["Forest"]
