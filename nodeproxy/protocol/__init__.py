"""HTTP without I/O: grammar, framing and rules for header fields."""
