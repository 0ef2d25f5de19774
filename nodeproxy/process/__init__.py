"""The processes of a node: the supervisor and its children, among them the workers."""
