"""Tables that are in force and cannot do what they say: places that are missing, policies that contradict."""

import pytest

from discovery.kubernetes.objects import Ref
from discovery.services.catalogue import Catalogue, Scope
from discovery.sources.cluster.events import message_of, reason_of
from discovery.sources.source import Batch
from nodeproxy.policies.table_faults import place_text
from tests.discovery.kube import delete, own_policy_map, policy_map, put, service

SQL = {"name": "sql", "port": 5432, "appProtocol": "kubernetes.io/tcp"}
WEB = {"name": "http", "port": 80}


def catalogue_of(*values, in_sync=True):
    found = Catalogue(Scope())
    found.apply(Batch(tuple(put(value) for value in values), (), in_sync))
    return found


def said(catalogue):
    """Message and line of each warning of a table."""
    return [
        (problem.message, problem.text_line)
        for problem in catalogue.problems()
        if problem.severity == "warning" and problem.path[:1] == ("data",)
    ]


def reviews(table, **others):
    return own_policy_map(reviews=table, **others)


def test_a_split_to_a_service_that_is_missing_is_told_with_its_line_and_what_was_meant():
    table = "split:\n- service: reviews\n- service: reviws-v2\n  weight: 1\n"
    found = catalogue_of(service(), service("shop/reviews-v2"), reviews(table))

    assert said(found) == [
        (
            "split[1].service: there is no service reviws-v2.shop in the mesh; did you mean reviews-v2?; "
            "requests to it fail with 503",
            3,
        )
    ]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            "split: [{service: v2, port: 8080}]",
            "split[0].port: v2.shop has no port 8080; its ports are 80",
        ),
        (
            "split: {targets: [{service: db}]}",
            "split.targets[0]: db.shop has no port 80, which is meant where port is not written (it is that of port 80)"
            "; its ports are 5432",
        ),
        (
            "routes: [{split: [{service: db, port: 5432}]}]",
            "routes[0].split[0].port: port 5432 of db.shop speaks tcp: HTTP requests to it fail; name a port of HTTP",
        ),
        (
            "routes: [{canary: {service: v3, requestsPerSecond: 1}}]",
            "routes[0].canary.service: there is no service v3.shop in the mesh; requests to it fail",
        ),
        (
            "split: [{service: ledger}]",
            "split[0].service: there is no service ledger.shop in the mesh; did you mean the one of namespace bank?;",
        ),
        (
            "fallback: {service: {name: reviews}}",
            "fallback.service.name: reviews.shop falls back to itself; name another",
        ),
        ("fallback: {service: {name: zzz}}", "fallback.service: there is no service zzz.shop in the mesh; requests to"),
        ("split: [{service: v2}, {service: zzz, weight: 0}]", None),
        ("split: [{service: ledger, namespace: bank}]", None),
        ("split: [{labels: {version: v2}}]", None),
    ],
)
def test_a_place_that_cannot_take_what_is_sent_there_is_told(table, message):
    others = service("shop/v2"), service("shop/db", ports=[SQL]), service("bank/ledger")

    found = said(catalogue_of(service(ports=[WEB]), *others, reviews(table)))

    assert len(found) == (message is not None)
    assert not found or found[0][0].startswith(message)


def test_a_warning_goes_when_the_service_comes_and_returns_when_it_has_gone():
    found = catalogue_of(service(), reviews("split: [{service: v2}]"))
    counts = [len(said(found))]

    for change in (put(service("shop/v2")), delete(service("shop/v2"))):
        found.apply(Batch((change,), (), in_sync=True))
        counts.append(len(said(found)))

    assert counts == [1, 0, 1]


def test_nothing_is_missed_while_the_source_is_not_in_sync():
    found = catalogue_of(service(), reviews("split: [{service: v2}]"), in_sync=False)
    before = said(found)

    found.apply(Batch((), (), in_sync=True))

    assert (before, len(said(found))) == ([], 1)


def test_a_place_in_a_table_for_many_services_is_told_of_the_service_that_lacks_it():
    mesh = policy_map(_default__shop="split: [{service: v2}]")
    found = catalogue_of(service(ports=[WEB]), service("shop/db", ports=[SQL]), service("shop/v2", ports=[WEB]), mesh)

    ((message, _),) = said(found)

    assert message.startswith("split[0]: v2.shop has no port 5432, which is meant where port is not written")


CONTRADICTIONS = [
    (
        "retries: {perTryTimeout: 20s}",
        "retries.perTryTimeout: 20s never passes: timeouts.responseHead ends the request",
    ),
    (
        "retries: {perTryTimeout: 2s}\ntimeouts: {request: 1s}",
        "retries.perTryTimeout: 2s never passes: timeouts.request ends the request after 1s; make it shorter than that",
    ),
    ("timeouts: {backendRequest: 20s}", "timeouts.backendRequest: 20s never passes: timeouts.responseHead ends the "),
    (
        "retries: {retryOn: [timeout]}",
        "retries.retryOn: timeout never occurs: no try has a limit; write retries.perTry",
    ),
    ("retries: {retryOn: [retriable-status-codes]}", "retries.retryOn: retriable-status-codes means retries.codes"),
    ("retries: {codes: [503]}", "retries.codes: has no effect: retries.retryOn has no retriable-status-codes; add it"),
    ("retries: {rateLimitedBackoff: {}}", "retries.rateLimitedBackoff: has no effect: no status is retried; add 5xx"),
    (
        "retryBudget: {percent: 0, minRetryConcurrency: 0}",
        "retryBudget.percent: 0, and minRetryConcurrency 0 with it, leave retries nothing to send; write ",
    ),
    ("hedging: {delay: 15s}", "hedging.delay: no hedge is ever sent: timeouts.responseHead ends the request after 15s"),
    (
        "circuitBreaker: {slowRatio: 0.5, slowerThan: 1m}",
        "circuitBreaker.slowerThan: no response is that slow: timeouts.responseHead ends the request after 15s",
    ),
    (
        "fallback: {on: [rate-limited], response: {}}",
        "fallback.on: rate-limited never occurs: there is no rateLimit; write it, or remove it",
    ),
    (
        "fairness: {maxRequests: 20}\nconnectionPool: {maxRequests: 10}",
        "fairness.maxRequests: 20 are never at the service at once: connectionPool.maxRequests answers 503 beyond 10",
    ),
    (
        "adaptiveConcurrency: {minConcurrency: 20}\nconnectionPool: {maxRequests: 10}",
        "adaptiveConcurrency.minConcurrency: 20 is more than connectionPool.maxRequests (10) lets through",
    ),
    (
        "loadBalancer: {consistentHash: {useSourceIp: true}, warmup: {duration: 10s}}",
        "loadBalancer.warmup: has no effect beside consistentHash: a key has one endpoint; remove one of the two",
    ),
    ("routes: [{}, {match: {method: GET}}]", "routes[1]: no request reaches this rule: rule 1 before it matches every"),
    (
        "routes: [{match: {path: {prefix: /a}}, redirect: {path: {prefix: /a/b}}}]",
        "routes[0].redirect: is a loop: a request to /a is sent to /a/b, which is redirected again, without end",
    ),
]


@pytest.mark.parametrize(("table", "message"), CONTRADICTIONS)
def test_policies_that_contradict_each_other_are_told_with_the_cure(table, message):
    found = said(catalogue_of(service(), reviews(table)))

    assert [each[: len(message)] for each, _ in found] == [message]
    assert found[0][1] == 1


@pytest.mark.parametrize(
    "table",
    [
        "",
        "retries: {perTryTimeout: 2s, retryOn: [timeout]}",
        "retries: {mode: shadow, perTryTimeout: 20s}",
        "retries: {perTryTimeout: 20s}\ntimeouts: {mode: shadow}",
        "retries: {perTryTimeout: 20s}\ntimeouts: {responseHead: 0}",
        "retries: {codes: [503], retryOn: [retriable-status-codes], rateLimitedBackoff: {}}",
        "retryBudget: {percent: 0, minRetryConcurrency: 0}\nretries: {attempts: 0}",
        "hedging: {delay: 15ms}",
        "fallback: {on: [rate-limited], response: {}}\nrateLimit: {requestsPerSecond: 1}",
        "routes: [{match: {method: GET}}, {}]",
        "routes: [{redirect: {scheme: https}}]",
        "routes: [{match: {path: {exact: /a}}, redirect: {path: {full: /b}}}]",
        "routes: {mode: shadow, rules: [{redirect: {}}]}",
    ],
)
def test_policies_that_go_together_are_not_remarked_upon(table):
    assert said(catalogue_of(service(), reviews(table))) == []


def test_a_contradiction_of_two_tables_is_told_of_the_narrower_one_and_once():
    mesh = policy_map(_default="timeouts: {request: 5s}\nretries: {codes: [503]}")
    found = catalogue_of(service(), mesh, reviews("timeouts: {connect: 1s}\nretries:\n  perTryTimeout: 10s"))

    first, second = [problem for problem in found.problems() if problem.severity == "warning"]

    assert (first.subject, first.text_line) == ("ConfigMap nodeproxy/nodeproxy-policy", 2)
    assert (second.subject, second.text_line) == ("ConfigMap shop/policies", 3)


def test_a_default_is_only_looked_at_for_the_services_that_have_no_narrower_table():
    mesh = policy_map(_default="split: [{service: v2}]", _default__bank="split: [{service: ledger}]")
    found = catalogue_of(service(), service("shop/v2"), service("bank/ledger"), mesh)
    before = said(found)

    found.apply(Batch((delete(service("shop/v2")),), (), in_sync=True))

    assert before == []
    assert [message[: message.index(" in the mesh")] for message, _ in said(found)] == [
        "split[0].service: there is no service v2.shop"
    ]


def test_a_table_for_a_service_that_is_missing_has_no_place_that_could_be_wrong():
    assert said(catalogue_of(service(), own_policy_map(gone="split: [{service: v2}]"))) == []


def test_a_default_for_many_services_may_have_what_one_of_them_has_no_use_for():
    mesh = policy_map(_default="loadBalancer: {warmup: {duration: 10s}}")
    found = catalogue_of(service(), mesh, reviews("loadBalancer: {consistentHash: {useSourceIp: true}}"))

    assert said(found) == []


def test_verdicts_have_the_warnings_and_stay_the_same_object_while_nothing_changes():
    found = catalogue_of(service(), reviews("split: [{service: v2}]"))
    (verdict,) = found.verdicts()
    once, again = found.verdicts(), found.verdicts()
    found.apply(Batch((put(service("shop/v2")),), (), in_sync=True))

    assert once is again
    assert again is not found.verdicts()
    assert (verdict.ref, verdict.problems, reason_of(verdict)) == (
        Ref("ConfigMap", "shop", "policies"),
        (),
        "PolicyDoubtful",
    )
    assert message_of(verdict).startswith("in force: 1 table; data.reviews, line 1: split[0].service: there is no ")
    assert reason_of(found.verdicts()[0]) == "PolicyAccepted"


def test_the_warnings_of_a_service_are_those_of_the_tables_that_it_has():
    found = catalogue_of(
        service(),
        service("shop/ratings"),
        own_policy_map(reviews="retries: {codes: [503]}", ratings="split: [{service: a}]"),
    )

    assert [problem.message.partition(":")[0] for problem in found.warnings_of("shop/reviews")] == ["retries.codes"]


def test_a_place_is_written_on_one_line():
    assert place_text(("routes", 0, "split", 1, "port")) == "routes[0].split[1].port"
