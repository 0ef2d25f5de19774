"""The annotations of Traefik Mesh on Services, read as policy tables."""
