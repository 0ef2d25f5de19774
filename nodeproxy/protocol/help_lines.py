"""The field line that leads from an error of the mesh to its explanation."""


class HelpLines(dict[str, bytes]):
    """The line `Link` of a response, by its reason; b"" for an endpoint's own response, and without a page.

    Reasons are from a small fixed set, so each line is made once. Source: RFC 8288, and its relation type `help`.
    """

    def __init__(self, page: str = "") -> None:
        """`page` is the URL of a page with a section for each reason, whose anchor is the reason; "" for none."""
        super().__init__({"": b""})
        self._page = page

    def __missing__(self, reason: str) -> bytes:
        anchor = reason.partition(":")[0]  # that of a custom policy is followed by its name
        line = f'Link: <{self._page}#{anchor}>; rel="help"\r\n'.encode() if self._page else b""
        self[reason] = line
        return line
