"""Where objects of different layers are made and joined, by the worker and by tests alike."""
