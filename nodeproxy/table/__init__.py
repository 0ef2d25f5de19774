"""The table of services in force, and how the next one is built."""
