"""`nodeproxy diagnose`: asks the control process, tries for itself, and says where it breaks."""
