"""NumPy arrays: application/x-npy, and application/x-npz for sparse matrices."""
