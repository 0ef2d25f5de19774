"""The field Link of an error: where it leads, and which responses have none."""

import pytest

from nodeproxy.protocol.help_lines import HelpLines

PAGE = "https://docs.example/troubleshooting/"


@pytest.mark.parametrize(
    ("reason", "anchor"), [("no-endpoints", "no-endpoints"), ("policy-failed:tenantHeader", "policy-failed")]
)
def test_an_error_leads_to_the_section_of_its_reason(reason, anchor):
    assert HelpLines(PAGE)[reason] == f'Link: <{PAGE}#{anchor}>; rel="help"\r\n'.encode()


def test_a_line_is_made_once():
    lines = HelpLines(PAGE)

    assert lines["timeout"] is lines["timeout"]


@pytest.mark.parametrize(("page", "reason"), [(PAGE, ""), ("", "timeout"), ("", "")])
def test_a_response_of_an_endpoint_and_an_error_without_a_page_have_none(page, reason):
    assert HelpLines(page)[reason] == b""
