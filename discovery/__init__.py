"""The control side: reads Kubernetes objects, builds the mesh from them, publishes it to the workers.

A source yields changes of single objects; `services.catalogue` applies them and rebuilds the affected services;
`workers.publish` sends the differences. A source is a folder of YAML (`sources.folder`) or an API server
(`sources.cluster`). Once per cluster, `cluster_dns` maintains the mesh's part in the cluster's own DNS.
"""
