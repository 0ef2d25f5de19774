"""`nodeproxy endpoints` for a reader: the column of subsets is there when there are any."""

import msgspec
import pytest

from nodeproxy.cli.service import endpoints_shown
from nodeproxy.mesh.service_view import EndpointsView, EndpointView, PortEndpointsView


def table_of(*subsets):
    endpoint = EndpointView("10.0.0.1:80", "n1", "z1", 0, True, 0, 0, (), subsets)
    port = PortEndpointsView("80", 0, (endpoint,), 0)
    (table,) = endpoints_shown(msgspec.json.encode(EndpointsView("shop", "web", True, (port,), (0,), ())))
    return {str(column.header): [*column.cells] for column in table.columns}


def test_the_subsets_of_an_endpoint_are_a_column():
    assert table_of("tier=web", "version=v2")["subsets"] == ["tier=web; version=v2"]


def test_without_subsets_there_is_no_such_column():
    with pytest.raises(KeyError):
        table_of()["subsets"]
