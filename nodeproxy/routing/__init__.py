"""Which rule of `routes` a request belongs to: canonical paths, patterns, conditions, the index of rules. No I/O."""
