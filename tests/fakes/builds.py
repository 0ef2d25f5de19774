"""Which build the tests run on, where that makes a difference."""

from pathlib import Path

from nodeproxy.mesh.build import lane

PACKAGE = Path(__file__).parents[2] / "nodeproxy"

COMPILED = lane() == "compiled"

# What mypyc makes of a class reports a failed allocation, and returns the instance too.
OUT_OF_MEMORY = (MemoryError, SystemError) if COMPILED else MemoryError


def counted_types(*types):
    """Those whose reference counts are exact: mypyc's instances never give back the reference to their class."""
    return () if COMPILED else types


def stale_modules():
    """Sources that have changed since they were compiled."""
    group = next(PACKAGE.parent.glob("nodeproxy__mypyc.*.so"), None)
    compiled = [each for each in PACKAGE.rglob("*.so") if not each.name.startswith("twin.")]
    sources = [each.with_name(f"{each.name.partition('.')[0]}.py") for each in compiled]
    return [
        str(each.relative_to(PACKAGE.parent))
        for each in sources
        if group is None or not each.exists() or group.stat().st_mtime < each.stat().st_mtime
    ]
