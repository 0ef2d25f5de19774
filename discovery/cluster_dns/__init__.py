"""What connects the cluster's own DNS with the mesh's: texts that say so, and who keeps them in force."""
