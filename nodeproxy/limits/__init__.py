"""Limits of a whole node: buckets and leases in memory that its processes share."""
