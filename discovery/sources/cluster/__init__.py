"""A Kubernetes API server as a source: lists, watches, and recovery from their failures."""
