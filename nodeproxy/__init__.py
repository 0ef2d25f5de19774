"""The data plane of nodeproxy: one proxy per node, started by `nodeproxy run`.

Glossary of this package:

- **service**: a Kubernetes Service; **port**: one of its ports; **endpoint**: one address behind it.
- **mesh name**: `<service>.<namespace>.mesh`, the name by which pods call a service through the proxy of their node.
- **virtual address**: an address in the mesh range that belongs to one service, the same on every node.
- **table**: all services in force; **route**: one service port in it, with its policies and counters.
- **cluster**: the endpoints of a route, their connection pools and their balancer.
- **downstream**: the side of the clients; **upstream**: the side of the endpoints.
- **subscription**: a worker's request to discovery for the endpoints of a service.
- **unsubscribed**: a service whose endpoints are unknown because no pod of this node has called it recently.
- **snapshot**: a value that discovery publishes whole, beside the services.
- **caller**: the pod of this node, or the node itself, that has a client's address.
- **handler**: takes an exchange and returns a response; **policy**: wraps a handler, or filters what passes it.
- **exchange**: one request and its way through the mesh; **attempt**: one try of it at one endpoint.
- **hot lane**: `io`, `downstream` and `upstream`, which move all bytes; **trio lane**: `control` and `dns`, rare work.
"""
