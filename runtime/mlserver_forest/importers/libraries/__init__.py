"""How each training library describes its trees: one module a library."""
