"""The page of a node for a browser: static files, JSON and server-sent events; see docs/page.md."""
