"""application/x-parquet."""
