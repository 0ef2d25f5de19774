"""The data plane of nodeproxy: one proxy per node, started by `nodeproxy run`.

Glossary, as the words are used in this package:

- **service**: a Kubernetes Service; **port**: one of its ports; **endpoint**: one ready address behind it.
- **mesh name**: `<service>.<namespace>.mesh`, by which pods call a service through their node's proxy.
- **virtual address**: an address inside the mesh range that belongs to one service on every node.
- **table**: all services in force; **route**: one service port in it, with its policies and its numbers.
- **unsubscribed**: of a service, that its endpoints are not known because nobody of this node has called it lately.
- **subscription**: what a worker asks of discovery, the endpoints of a service.
- **snapshot**: what discovery publishes beside services, each kind whole.
- **caller**: the pod of this node, or the node itself, that has a client's address.
- **policy**: a handler around a handler; **handler**: takes an exchange, gives a response.
- **exchange**: one request and its way through the mesh, the only mutable object on that way.
- **hot lane**: `nodeproxy.net`, where all bytes move; **trio lane**: `nodeproxy.node`, everything rare.
- **client**: who calls; **endpoint**: who answers; **onward**: from the mesh to either.
"""
