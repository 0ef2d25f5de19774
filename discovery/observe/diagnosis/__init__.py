"""What the control process finds for the name that `nodeproxy diagnose` asks about."""
