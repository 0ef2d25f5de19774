"""A Kubernetes API server as a source: lists, watches, and what to do when either fails."""
