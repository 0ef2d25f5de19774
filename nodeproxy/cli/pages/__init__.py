"""The pages of docs/ that are made from the command line, the settings and the reasons of errors."""
