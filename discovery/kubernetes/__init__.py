"""Kubernetes objects: their shape, what an API server would refuse of them, and the documents they come in."""
