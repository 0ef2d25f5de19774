"""Connects the cluster's own DNS with the mesh's: the configuration texts, and the keeper that maintains them."""
