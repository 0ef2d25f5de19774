"""HTTP/1.1 without sockets: grammar, heads and framing."""
