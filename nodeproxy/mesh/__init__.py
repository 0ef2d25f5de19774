"""The values that discovery and the workers share, and pure decisions over them. No input, no output."""
