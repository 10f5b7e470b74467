"""Tensors of the V2 (Open Inference) protocol."""
