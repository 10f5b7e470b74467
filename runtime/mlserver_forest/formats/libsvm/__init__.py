"""text/libsvm."""
