"""The steps of the tour, each a function of the stage, and independent of the others."""
