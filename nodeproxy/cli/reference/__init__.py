"""The reference of policies, read from settings and docstrings: for a terminal, as Markdown, as JSON schema."""
