"""A folder of Kubernetes YAML as a source."""
