"""Measures nodeproxy beside its peers, in one run on the same work: `python -m loadtest --help`.

A *peer* is a proxy under test, a *scenario* a kind of work, a *round* one pass over all peers. *Saturated* runs
answer what a request costs (closed loop, as fast as the peer can), *paced* runs how long one takes at a rate that
every peer sustains (open loop). Results are a JSON record; tables and plot are rendered from it.
"""
