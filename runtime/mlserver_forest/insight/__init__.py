"""What a model tells beside its predictions: how sure it is, and whether the world has moved."""
