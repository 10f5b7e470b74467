"""The compiled loops: they check no index, so ``engine/validation.py`` refuses what is not sound.

Start with ``sum_kernel.py``; ``walk.py`` and ``quick_scorer.py`` are the two ways down a tree.
"""
