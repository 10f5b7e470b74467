"""The request's way: media types, payloads, the data plane, and back."""
