"""The sources of objects: a folder, an API server, and DNS for ExternalNames."""
