"""The routing table in force, and the construction of the next one."""
