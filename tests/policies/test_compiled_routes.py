"""What becomes of the requests of a rule: rewritten, edited, redirected, answered; and what is refused before."""

import hpack
import pytest
from hypothesis import given
from hypothesis.strategies import sampled_from, text
from pydantic import ValidationError

from nodeproxy.errors import BadRequest, TargetTooLong
from nodeproxy.mesh.callers import UNKNOWN as NO_POD
from nodeproxy.policies.compiled_routes import compiled
from nodeproxy.protocol.calls import as_refusal
from nodeproxy.protocol.fields import Fields
from nodeproxy.protocol.grpc import UNIMPLEMENTED, UNKNOWN, status_in
from nodeproxy.protocol.http1 import sending
from nodeproxy.protocol.http2.sending import request_headers
from nodeproxy.protocol.message import Response
from tests.fakes.routes import asking, routes


def rule(**written):
    return compiled(routes(written)).rules[0]


def edited(request, **written):
    rule(**written).edit(request)
    return request


def rewritten(target, path, match=()):
    return edited(asking(target), match=list(match), rewrite={"path": path}).path.decode()


def sent_to(request, **redirect):
    """Status and Location."""
    response = rule(redirect=redirect).respond(request)
    return response.status, response.fields.get(b"location").decode()


def refusal(**written):
    with pytest.raises(ValidationError) as refused:
        routes(written)
    (problem,) = refused.value.errors()
    return ".".join(str(each) for each in problem["loc"]), problem["msg"]


def test_rules_are_labelled_by_name_or_by_number_from_one():
    found = compiled(routes({}, {"name": "canary"}, {})).rules

    assert [each.label for each in found] == ["1", "canary", "3"]


def test_a_rule_that_changes_nothing_has_nothing_to_do_for_a_request():
    assert rule(split=[{"weight": 1}]) == ("1", None, None, None)


@pytest.mark.parametrize(
    ("target", "prefix", "new", "path"),
    [  # the table of Gateway API's HTTPPathModifier
        ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
        ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
        ("/foo/bar", "/foo/", "/xyz", "/xyz/bar"),
        ("/foo/bar", "/foo/", "/xyz/", "/xyz/bar"),
        ("/foo", "/foo", "/xyz", "/xyz"),
        ("/foo/", "/foo", "/xyz", "/xyz/"),
        ("/foo/bar", "/foo", "/", "/bar"),
        ("/foo/", "/foo", "/", "/"),
        ("/foo", "/foo", "/", "/"),
        ("/foo/bar?a=/foo", "/foo", "/xyz", "/xyz/bar?a=/foo"),
        ("/%66oo//bar/../baz?", "/foo", "/xyz", "/xyz/baz?"),
    ],
)
def test_a_new_prefix_takes_the_place_of_the_one_that_matched(target, prefix, new, path):
    assert rewritten(target, {"prefix": new}, [{"path": {"prefix": prefix}}]) == path


def test_of_several_prefixes_the_one_that_the_path_has_is_replaced():
    matches = [{"path": {"prefix": "/old"}}, {"path": {"exact": "/x"}}, {"path": {"prefix": "/older/api"}}]

    assert rewritten("/older/api/x", {"prefix": "/new"}, matches) == "/new/x"
    assert rewritten("/x", {"prefix": "/new"}, matches) == "/new/x"


def test_a_whole_path_is_replaced_and_the_query_stays():
    assert rewritten("/a%2fb?x=1", {"full": "/new"}) == "/new?x=1"


def test_a_pattern_replaces_in_the_canonical_path():
    change = {"regex": "/v([0-9]+)/", "substitution": r"/version-\1/"}

    assert rewritten("/%76%31/x?y=/v1/", change) == "/version-1/x?y=/v1/"
    assert rewritten("/x", {"regex": "/x", "substitution": ""}) == "/"


def test_a_path_that_cannot_be_normalised_is_not_rewritten_in_part():
    with pytest.raises(BadRequest, match="cannot be normalised safely"):
        rewritten("/a%2f..%2fb", {"prefix": "/tenant"})


def test_a_rewritten_path_is_bounded():
    with pytest.raises(TargetTooLong):
        rewritten("/" + "x" * 9000, {"regex": "(.*)", "substitution": r"\1\1"})
    with pytest.raises(BadRequest, match="places"):
        rewritten("/" + "x" * 9000, {"regex": "x", "substitution": "y"})


def test_options_of_the_whole_server_stay_as_they_are():
    assert rewritten("*", {"full": "/x"}) == "*"


@given(text(sampled_from("/a.%2eF;?"), max_size=20), sampled_from(["/t", "/"]))
def test_a_rewritten_path_never_leaves_its_new_prefix(rest, new):
    try:
        path = rewritten("/" + rest, {"prefix": new})
    except BadRequest:
        return

    assert path.startswith(new)
    assert ".." not in path.partition("?")[0].split("/")


def test_a_new_host_is_sent_in_either_protocol():
    request = edited(asking("/a", x_b="1"), rewrite={"host": "other:8080"})

    head = sending.request_head(request, b"")
    block = hpack.Decoder().decode(request_headers(request, b"", 1, True)[9:], raw=True)

    assert head == b"GET /a HTTP/1.1\r\nHost: other:8080\r\nx-b: 1\r\n\r\n"
    assert sorted(block) == [(b":authority", b"other:8080"), (b":method", b"GET"), (b":path", b"/a"),
                             (b":scheme", b"http"), (b"x-b", b"1")]  # fmt: skip


def test_header_fields_of_a_request_are_removed_replaced_and_added():
    request = asking(x_old="1", x_env="dev", x_list="a")

    edited(request, headers={"request": {"remove": ["X-Old"], "set": {"X-Env": "prod"}, "add": {"x-list": "b"}}})

    assert request.fields.get(b"x-old") is None
    assert request.fields.values(b"x-env") == [b"prod"]
    assert request.fields.values(b"x-list") == [b"a", b"b"]


def test_header_fields_of_a_response_are_edited():
    response = Response(200, Fields(b"Server: x\r\n"), 0)

    rule(headers={"response": {"remove": ["server"], "set": {"X-Rule": "a"}}}).answer(response)

    assert response.fields.block() == b"X-Rule: a\r\n"


@pytest.mark.parametrize(
    ("redirect", "host", "address"),
    [
        ({"scheme": "https"}, "web.shop.mesh:8080", "https://web.shop.mesh/a?b=c"),
        ({"scheme": "https", "port": 8443}, "web.shop.mesh", "https://web.shop.mesh:8443/a?b=c"),
        ({"scheme": "https", "port": 443}, "web.shop.mesh", "https://web.shop.mesh/a?b=c"),
        ({"scheme": "http", "port": 443}, "web.shop.mesh", "http://web.shop.mesh:443/a?b=c"),
        ({"host": "new"}, "web.shop.mesh", "http://new/a?b=c"),
        ({"host": "new"}, "web.shop.mesh:8080", "http://new:8080/a?b=c"),
        ({"host": "new:81"}, "web.shop.mesh:8080", "http://new:81/a?b=c"),
        ({"host": "new", "port": 80}, "web.shop.mesh:8080", "http://new/a?b=c"),
        ({"port": 81}, "[fd00::1]:8080", "http://[fd00::1]:81/a?b=c"),
        ({"scheme": "https"}, "[fd00::1]", "https://[fd00::1]/a?b=c"),
        ({"path": {"full": "/x"}}, "web:80", "http://web/x?b=c"),
        ({"path": {"prefix": "/x"}}, "web", "http://web/x/a?b=c"),
        ({"host": "new"}, "", "http://new/a?b=c"),
        ({}, "", "/a?b=c"),
    ],
)
def test_a_redirect_changes_the_parts_that_are_set_and_leaves_out_the_port_of_its_scheme(redirect, host, address):
    assert sent_to(asking("/a?b=c", host=host), **redirect) == (302, address)


def test_a_path_is_never_read_as_a_host():
    assert sent_to(asking("//evil.example/x", host=""), status=308) == (308, "/evil.example/x")


def test_a_redirect_has_an_empty_body():
    response = rule(redirect={"scheme": "https", "status": 301}).respond(asking())

    assert (response.status, response.first, response.fields.get(b"content-length")) == (301, b"", b"0")


def test_a_fixed_response_has_its_own_fields_and_body_each_time():
    written = {"status": 404, "contentType": "application/json", "body": "{}", "headers": {"Cache-Control": "no-store"}}
    respond = rule(directResponse=written).respond

    first, second = respond(asking()), respond(asking())
    first.fields.set(b"x-a", b"1")

    assert (second.status, second.first, second.length) == (404, b"{}", 2)
    assert second.fields.block() == (
        b"Content-Type: application/json\r\nContent-Length: 2\r\nCache-Control: no-store\r\n"
    )


@pytest.mark.parametrize(
    ("written", "status"),
    [({"directResponse": {"status": 404}}, UNIMPLEMENTED), ({"redirect": {"scheme": "https"}}, UNKNOWN),
     ({"directResponse": {"headers": {"grpc-status": "5"}}}, 5)],
)  # fmt: skip
def test_a_grpc_client_gets_the_answer_as_a_status(written, status):
    response = rule(**written).respond(asking(method="POST"))

    assert response.version == b""  # by which the client's side makes it a status
    assert status_in(as_refusal(response).fields.block()) == status


@pytest.mark.parametrize(
    ("written", "place", "words"),
    [
        ({"rewrite": {"path": {}}}, "rules.0.rewrite.path", "exactly one of full, prefix and regex"),
        ({"rewrite": {"path": {"full": "/a", "prefix": "/b"}}}, "rules.0.rewrite.path", "exactly one of full, prefix"),
        ({"rewrite": {"path": {"regex": "a"}}}, "rules.0.rewrite.path", "regex and substitution belong together"),
        (
            {"redirect": {"path": {"full": "/a", "substitution": "b"}}},
            "rules.0.redirect.path",
            "regex and substitution belong together",
        ),
        ({"split": [{}], "sticky": {}}, "rules.0.sticky", "exactly one of header and cookie"),
        (
            {"split": [{}], "sticky": {"header": "a", "cookie": "b"}},
            "rules.0.sticky",
            "exactly one of header and cookie",
        ),
        ({"sticky": {"header": "a"}}, "rules.0", "a target of split, which is missing"),
        ({"split": [{"weight": 0}, {"service": "b", "weight": 0}]}, "rules.0", "needs a weight above 0"),
        ({"redirect": {}, "directResponse": {}}, "rules.0", "redirect and directResponse exclude each other"),
        ({"redirect": {}, "split": [{}]}, "rules.0", "an answer of its own excludes split"),
        ({"redirect": {}, "rewrite": {"host": "a"}}, "rules.0", "an answer of its own excludes split"),
        (
            {"directResponse": {}, "canary": {"service": "b", "requestsPerSecond": 1}},
            "rules.0",
            "an answer of its own excludes split",
        ),
        ({"match": {"path": {"regex": "(a"}}}, "rules.0.match.0.path.regex", "'(a' is not a pattern of RE2: missing )"),
        ({"match": {"headers": [{"name": "a", "regex": "["}]}}, "rules.0.match.0.headers.0.regex", "missing ]"),
        ({"match": {"path": {"exact": "/a//b"}}}, "rules.0.match.0.path.exact", "of this one that is /a/b"),
        (
            {"match": {"path": {"prefix": "/a%2fb"}}},
            "rules.0.match.0.path.prefix",
            "no request has this canonical path",
        ),
        ({"match": {"path": {"exact": "/a?b"}}}, "rules.0.match.0.path.exact", "that is /a"),
        ({"rewrite": {"path": {"full": "/a?b"}}}, "rules.0.rewrite.path.full", "no ?"),
        ({"rewrite": {"path": {"regex": "[", "substitution": ""}}}, "rules.0.rewrite.path.regex", "missing ]"),
        ({"rewrite": {"path": {"regex": "a", "substitution": r"\1"}}}, "rules.0.rewrite.path", "refers to group 1"),
        ({"headers": {"request": {"set": {"Host": "x"}}}}, "rules.0.headers.request.set", "Host is written by"),
        (
            {"headers": {"request": {"add": {"X_Real-IP": "x"}}}},
            "rules.0.headers.request.add",
            "X_Real-IP is written by",
        ),
        ({"headers": {"response": {"remove": ["date"]}}}, "rules.0.headers.response.remove", "date is written by"),
        ({"headers": {"request": {"remove": ["A"], "set": {"a": "1"}}}}, "rules.0.headers.request", "A is removed and"),
    ],
)
def test_what_could_not_be_done_is_refused_with_the_place_and_the_reason(written, place, words):
    found, message = refusal(**written)

    assert found == place
    assert words in message


def test_a_table_without_rules_is_refused():
    with pytest.raises(ValidationError, match="at least one rule"):
        routes()


@pytest.mark.parametrize("target", ["/pub/...html", "/pub/a/...html", "/pub/..html"])
def test_a_pattern_does_not_make_a_dot_segment(target):
    change = {"regex": r"/pub/(.*)\.html", "substitution": r"/srv/\1"}

    with pytest.raises(BadRequest, match="dot segment"):
        rewritten(target, change)

    assert rewritten("/pub/.well-known/a..b.html", change) == "/srv/.well-known/a..b"


@pytest.mark.parametrize(("status", "index"), [(403, 0), (400, 0), (399, -1), (200, -1)])
def test_a_fixed_response_refuses_what_cannot_be_normalised_if_its_status_is_of_an_error(status, index):
    rules = routes({"match": {"path": {"prefix": "/admin"}}, "directResponse": {"status": status}})

    assert compiled(rules).router.find(asking("/admin/%2fx"), NO_POD) == index
