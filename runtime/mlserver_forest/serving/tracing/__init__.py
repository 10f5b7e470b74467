"""Which request is being answered: its id, its trace, and the spans that a collector gets."""
