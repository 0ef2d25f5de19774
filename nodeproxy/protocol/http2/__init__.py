"""HTTP/2 without sockets: frames, header compression, and messages."""
