"""What following a large cluster costs a node, and how soon a change there is in force, on a real API server."""
