"""From Kubernetes objects to the services of the mesh."""
