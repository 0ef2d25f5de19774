"""The worker's connection to discovery, its health probes, and the admin pages."""
