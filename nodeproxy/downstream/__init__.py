"""The side of the clients: listeners, their connections, and what is read and written there."""
