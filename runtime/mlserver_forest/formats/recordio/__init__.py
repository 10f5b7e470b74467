"""application/x-recordio-protobuf."""
