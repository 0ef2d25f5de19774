"""Limits of the whole cluster: leases parts of them from a Redis or Valkey server for the workers of this node."""
