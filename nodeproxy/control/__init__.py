"""The worker's end of the control process, and what it answers itself."""
