"""The side of the endpoints: clusters, endpoints, their connections, and what is sent and read there."""
