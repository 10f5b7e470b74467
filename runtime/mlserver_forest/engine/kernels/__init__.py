"""The compiled loops. They check no index, so ``engine/validation.py`` refuses unsafe arrays.

Start with ``sum_kernel.py``; ``walk.py`` and ``byte_blends.py`` are the two ways down a tree.
"""
