"""What both sides of an HTTP/2 connection share: its frames, its streams, their windows and bodies."""
