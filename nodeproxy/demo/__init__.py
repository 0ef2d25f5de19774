"""`nodeproxy demo`: real services, a real mesh and real requests on one machine."""
