"""Which rule a request belongs to: the first that matches, found without a look at each."""

import pytest
from hypothesis import given
from hypothesis.strategies import builds, fixed_dictionaries, integers, lists, none, one_of, sampled_from, sets

from nodeproxy.mesh.callers import OTHER, UNKNOWN, Known
from nodeproxy.routing.index import NONE, Entry, PathIndex
from nodeproxy.routing.reasons import reasons
from nodeproxy.routing.router import Router
from tests.fakes.routes import FRONTEND, asking, matches

PATHS = [
    "/",
    "/api",
    "/api/",
    "/api/v1",
    "/api/v1/users",
    "/apis",
    "/%61pi",
    "/api//v1",
    "/api/../b",
    "/b",
    "/a%2fb",
    "/api;x/v1",
    "/;/b;y=1",
    "/x/",
]
WRITTEN = [{"exact": path} for path in ("/", "/api", "/api/", "/api/v1/users")]
WRITTEN += [{"prefix": path} for path in ("/", "/api", "/api/", "/api/v1", "/b")] + [
    {"regex": "/api.*"},
    {"regex": "/b?"},
]
CALLERS = [UNKNOWN, FRONTEND, Known("shop", ("shop", "batch")), Known("ops", ("ops", "frontend"))]


def found(request, *rules, caller=UNKNOWN):
    return Router(matches(*rules)).find(request, caller)


def fits(match, request, caller=UNKNOWN):
    return found(request, {"match": match}, caller=caller) == 0


requests = builds(
    asking,
    path=builds(str.__add__, sampled_from(PATHS), sampled_from(["", "?v=1"])),
    method=sampled_from(["GET", "POST"]),
    x_env=sampled_from(["dev", "prod"]),
)
written = fixed_dictionaries(
    {},
    optional={
        "path": sampled_from(WRITTEN),
        "method": sampled_from(["GET", ["POST", "PUT"]]),
        "headers": sampled_from([[{"name": "X-Env", "exact": "dev"}], [{"name": "x-env", "regex": "p.*"}]]),
        "cookies": sampled_from([[{"name": "beta", "exact": "1"}], [{"name": "beta", "prefix": ""}]]),
        "queryParams": sampled_from([[{"name": "v", "present": False}], [{"name": "v"}]]),
        "caller": sampled_from([{"namespace": "shop"}, [{"namespace": "shop", "workload": "batch"}]]),
    },
)
rules_of_all_kinds = lists(
    one_of(builds(lambda each: {"match": each}, lists(written, max_size=3)), none().map(lambda _: {})),
    min_size=1,
    max_size=8,
)


@given(rules_of_all_kinds, requests, sampled_from(CALLERS), sets(integers(0, 7)))
def test_the_index_finds_the_rule_that_a_look_at_each_finds(rules, request, caller, refusing):
    refusing = {each for each in refusing if each < len(rules)}
    one_by_one = reasons(matches(*rules), request, caller, refusing)

    number = Router(matches(*rules), refusing).find(request, caller)

    assert number == (one_by_one.index(None) if None in one_by_one else -1)


def test_the_first_rule_that_matches_counts():
    rules = ({"match": {"path": {"prefix": "/api"}, "method": "POST"}}, {"match": {"path": {"exact": "/api/x"}}}, {})

    assert found(asking("/api/x", "POST"), *rules) == 0
    assert found(asking("/api/x"), *rules) == 1
    assert found(asking("/api/y"), *rules) == 2
    assert found(asking("/api/y"), *rules[:2]) == -1


def test_of_rules_with_conditions_that_all_match_the_first_counts_whatever_their_paths():
    by_path = {"match": {"path": {"prefix": "/api"}, "method": "GET"}}
    by_pattern = {"match": {"path": {"regex": "/api/.*"}, "method": "GET"}}
    anywhere = {"match": {"method": "GET"}}

    for first in (by_path, by_pattern, anywhere):
        assert found(asking("/api/x"), first, by_path, by_pattern, anywhere) == 0


@pytest.mark.parametrize(
    ("path", "is_below"),
    [
        ("/api", True),
        ("/api/", True),
        ("/api/x", True),
        ("/apis", False),
        ("/", False),
        ("/%61pi/x", True),
        ("/x/../api", True),
    ],
)
def test_a_prefix_is_of_whole_segments(path, is_below):
    assert fits({"path": {"prefix": "/api"}}, asking(path)) is is_below
    assert fits({"path": {"prefix": "/api/"}}, asking(path)) is is_below


def test_the_query_is_no_part_of_the_path():
    assert fits({"path": {"exact": "/api"}}, asking("/api?/x"))
    assert fits({"path": {"regex": "/api"}}, asking("/api?/x"))


def test_a_path_that_cannot_be_normalised_matches_no_rule_with_a_path_and_every_rule_without():
    rules = [{"match": {"path": path}} for path in ({"prefix": "/"}, {"regex": ".*"}, {"exact": "/"})]

    assert found(asking("/a%2fb"), *rules) == -1
    assert found(asking("/a%2fb"), *rules, {"match": {"method": "GET"}}) == 3
    assert found(asking("/a%2fb"), *rules, {}) == 3


def test_header_fields_are_compared_whatever_the_case_of_their_name_and_the_number_of_their_lines():
    request = asking(X_Env="dev")
    request.fields.add(b"x-env", b"blue")

    assert fits({"headers": [{"name": "X-ENV", "exact": "dev,blue"}]}, request)
    assert fits({"headers": [{"name": "x-env", "prefix": "dev"}]}, request)
    assert fits({"headers": [{"name": "x-env", "regex": ".*blue"}]}, request)
    assert not fits({"headers": [{"name": "x-env", "exact": "dev"}]}, request)
    assert fits({"headers": [{"name": "host", "exact": "web.shop.mesh"}]}, request)


def test_a_value_can_be_asked_to_be_there_or_not():
    request = asking("/?v=", x_env="")

    assert fits({"headers": [{"name": "x-env"}], "queryParams": [{"name": "v", "exact": ""}]}, request)
    for asked in ({}, {"exact": ""}, {"prefix": ""}, {"regex": ".*"}, {"present": True}):
        assert not fits({"headers": [{"name": "x-other", **asked}]}, request)
    assert fits({"headers": [{"name": "x-other", "present": False}]}, request)
    assert not fits({"queryParams": [{"name": "v", "present": False}]}, request)


def test_the_first_query_parameter_of_a_name_counts_percent_decoded():
    request = asking("/?%76=a%20b&v=c&w=1+2&x")

    assert fits({"queryParams": [{"name": "v", "exact": "a b"}, {"name": "w", "exact": "1+2"}, {"name": "x"}]}, request)
    assert not fits({"queryParams": [{"name": "v", "exact": "c"}]}, request)


def test_the_first_cookie_of_a_name_counts_without_quotes():
    request = asking(Cookie='a=1; group="beta"; group=stable')

    assert fits({"cookies": [{"name": "group", "exact": "beta"}, {"name": "a", "regex": "[0-9]"}]}, request)
    assert not fits({"cookies": [{"name": "Group"}]}, request)


def test_a_caller_is_of_a_namespace_or_a_workload_in_it():
    match = {"caller": [{"namespace": "ops"}, {"namespace": "shop", "workload": "frontend"}]}

    assert fits(match, asking(), FRONTEND)
    assert fits(match, asking(), Known("ops", ("ops", "any")))
    assert not fits(match, asking(), Known("shop", ("shop", "batch")))
    assert not fits(match, asking(), UNKNOWN)


def test_a_workload_called_other_is_not_one_of_the_workloads_that_are_too_many_for_metrics():
    assert not fits({"caller": {"namespace": "shop", "workload": "other"}}, asking(), Known("shop", OTHER))


def test_a_path_of_thousands_of_segments_is_cut_where_the_rules_end():
    index = PathIndex([], [(b"/a/a", Entry(0, None)), (b"/b", Entry(1, None))], NONE)

    assert index.find(b"/a" * 8000).sure == 0
    assert index._depth == 3


def test_a_rule_behind_one_that_matches_all_is_not_a_candidate():
    index = PathIndex([], [(b"/a", Entry(n, None)) for n in range(500)] + [(b"/a", Entry(500, bool))], NONE)

    assert index.find(b"/a/b") == (0, ())


REFUSED = [
    "/admin/%2fx", "/x%2f..%2fadmin", "/x/..;/admin", "/%252e/admin", "/admin%00", "/admin%5cx", "/x//../admin",
    "/%c0%ae%c0%ae/admin", "/admin%", "/admin;/..;a=b/x", "/%2F/admin", "/admin%0d%0a",
]  # fmt: skip


@pytest.mark.parametrize("path", REFUSED)
@pytest.mark.parametrize("closed", [{"exact": "/admin"}, {"prefix": "/admin"}, {"regex": "/admin.*"}])
def test_a_path_that_cannot_be_normalised_is_refused_by_a_rule_that_refuses_and_allowed_by_no_rule(path, closed):
    rules = matches({"match": {"path": {"prefix": "/"}}}, {"match": {"path": closed, "method": "GET"}})

    assert Router(rules, {1}).find(asking(path), UNKNOWN) == 1
    assert reasons(rules, asking(path), UNKNOWN, {1})[1] is None
    assert Router(rules, {1}).find(asking(path, "POST"), UNKNOWN) == -1
    assert Router(rules).find(asking(path), UNKNOWN) == -1


def test_the_target_of_options_for_the_whole_server_is_no_path_that_a_rule_refuses():
    rules = matches({"match": {"path": {"prefix": "/admin"}}})

    assert Router(rules, {0}).find(asking("*", "OPTIONS"), UNKNOWN) == -1
    assert reasons(rules, asking("*", "OPTIONS"), UNKNOWN, {0}) != [None]


@pytest.mark.parametrize(
    "path", ["/admin;x", "/admin;x=1/y", "/;a/admin", "/a/../admin;", "/admin%3bx", "//;/admin;;/"]
)
@pytest.mark.parametrize("closed", [{"prefix": "/admin"}, {"regex": "/admin.*"}])
def test_parameters_of_segments_do_not_get_round_a_rule_that_refuses(path, closed):
    rules = matches({"match": {"path": {"exact": "/b"}}}, {"match": {"path": closed, "method": "GET"}}, {})

    assert Router(rules, {1}).find(asking(path), UNKNOWN) == 1
    assert reasons(rules, asking(path), UNKNOWN, {1})[1] is None
    assert Router(rules, {1}).find(asking(path, "POST"), UNKNOWN) == 2
    assert Router(rules, {1}).find(asking("/b;x"), UNKNOWN) == 2
