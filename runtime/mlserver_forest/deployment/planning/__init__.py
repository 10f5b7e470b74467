"""From frozen options to the calls of AWS: no network, no files, no clock."""
