"""The node's DNS server for the mesh's zone."""
