"""What people and their tools ask of a node: the metrics of all its workers."""
