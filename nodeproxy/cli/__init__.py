"""The commands of `nodeproxy`."""
