"""The commands that speak to AWS; each module imports what is heavy when it is called."""
