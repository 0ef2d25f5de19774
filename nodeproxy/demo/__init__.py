"""`nodeproxy demo`: the main job on one machine, with services, a mesh and requests that are all real."""
