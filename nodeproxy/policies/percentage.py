"""A percentage of the requests of a service port, as operators write it."""

from typing import Annotated

from pydantic import Field

Percentage = Annotated[float, Field(ge=0, le=100, strict=False)]
"""0 to 100, up to four decimal places; see `balance.share.Share`."""
