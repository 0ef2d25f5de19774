"""The hot lane's driver: reactor, tasks, deadlines, byte channels, and sockets handed over between processes."""
