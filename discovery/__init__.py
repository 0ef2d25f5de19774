"""The control side: reads Kubernetes objects, builds the mesh from them, publishes it to the workers.

A source feeds changes of single objects; `catalogue` keeps them and re-derives the services they touch; `publish`
sends the differences. A folder of YAML (`files`) is one source, an API server (`cluster`) another. Beside that,
once per cluster, `cluster_dns` keeps the mesh's part in the cluster's own DNS.
"""
