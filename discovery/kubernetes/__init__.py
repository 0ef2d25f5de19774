"""Kubernetes objects: their types, the API server's validation, and YAML and JSON documents."""
