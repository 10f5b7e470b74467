"""Boosting on all hosts."""

BOOSTERS: tuple[str, ...] = ()
