"""HTTP without sockets: grammar, framing and header rules. Nothing here reads, writes or waits."""
