"""The processes of a node: supervisor, its children, workers."""
