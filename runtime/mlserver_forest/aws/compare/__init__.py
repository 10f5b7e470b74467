"""``forest compare``: latency, errors and answers of an endpoint's variants."""
