"""One request and its response, independent of the protocols of client and endpoint."""
