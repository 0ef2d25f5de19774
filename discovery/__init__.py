"""The control side: reads Kubernetes objects, builds the mesh from them, publishes it to the workers."""
