"""The values that discovery and the workers share, and pure functions of them. No input, no output."""
