"""The mesh's part of a Corefile of another author: written once, and removed without a trace."""

import pytest
from hypothesis import example, given
from hypothesis.strategies import builds, lists, sampled_from, text

from discovery.cluster_dns.coredns import NotWritten, warnings, with_mesh, without_mesh
from discovery.cluster_dns.corefile import NotACorefile, parse
from discovery.cluster_dns.marks import BEGIN, END
from discovery.cluster_dns.texts import Upstream
from tests.discovery.cluster_dns.corefiles import ALL, EDITED, KUBEADM

NODE = Upstream("169.254.77.1")

WORDS = '. .:53 mesh mesh:53 cluster.local { } kubernetes forward reload import # " " \\ a#b , (s) \t \f \n \n \r\n'
words = sampled_from([*WORDS.split(" "), " ", BEGIN, END, f"\n{BEGIN}\n", f"\n{END}\n"])
blocks = builds(
    lambda key, lines: f"{key} {{\n" + "".join(f"    {line}\n" for line in lines) + "}\n",
    sampled_from([".:53", ".", "cluster.local example.org:1053", "tls://.:853", "(s)", "MESH.", "dns://mesh"]),
    lists(
        sampled_from([
            "errors", "reload", "# words { }", "kubernetes cluster.local {\n }", "kubernetes", "forward . 10.0.0.1",
            'template IN A {\n    answer "{{ .Name }} \\" }"\n}', "bind 10.0.0.10", "import s",
        ]),
        max_size=4,
    ),
)  # fmt: skip
texts = text(max_size=80) | builds("".join, lists(words, max_size=30)) | builds("".join, lists(blocks, max_size=4))


@given(texts)
@example(EDITED)
def test_what_is_added_is_taken_out_again_byte_by_byte(corefile):
    try:
        before, after = without_mesh(corefile), with_mesh(corefile, NODE)
    except NotWritten:
        return

    assert without_mesh(after) == before
    assert with_mesh(after, NODE) == after
    assert BEGIN in after


@given(texts)
def test_without_our_marks_nothing_is_taken_out(corefile):
    if BEGIN in corefile or END in corefile:
        return

    assert without_mesh(corefile) == corefile


@given(texts)
def test_what_is_written_can_be_read_and_has_what_was_there_before(corefile):
    try:
        after = with_mesh(corefile, NODE)
    except NotWritten:
        return
    before = parse(without_mesh(corefile))

    [mesh, *others] = parse(after)

    assert {key.zone for key in mesh.keys} == {"mesh"}
    assert [[word.text for word in block.words] for block in others] == [
        [word.text for word in block.words] for block in before
    ]
    for was, now in zip(before, others, strict=True):
        names = [directive.name for directive in now.directives]
        added = names.count("template") - len(was.having("template"))
        assert len(names) - added == len(was.directives) and (added == 0 or was.having("kubernetes"))


@pytest.mark.parametrize("corefile", ALL.values(), ids=ALL)
def test_a_zone_and_the_step_of_the_search_path_come_into_every_usual_corefile(corefile):
    after = with_mesh(corefile, NODE)

    mesh, *others = parse(after)
    assert [(key.zone, key.port) for key in mesh.keys] == [("mesh", "53")]
    assert [directive.arguments for directive in mesh.having("forward")] == [[".", "169.254.77.1"]]
    [cluster] = [block for block in others if block.having("kubernetes")]
    assert cluster.having("template")[0].arguments == ["IN", "ANY", "svc.cluster.local"]
    assert without_mesh(after) == corefile


def test_an_edit_around_it_stays_and_an_edit_within_is_undone():
    ours = with_mesh(KUBEADM, NODE)
    edited = ours.replace("lameduck 5s", "lameduck 9s").replace("cache 5\n", "cache 3600\n")

    after = with_mesh(edited, NODE)

    assert after == ours.replace("lameduck 5s", "lameduck 9s")


def test_another_address_replaces_the_earlier_one():
    after = with_mesh(with_mesh(KUBEADM, NODE), Upstream("169.254.9.9:5353"))

    assert after == with_mesh(KUBEADM, Upstream("169.254.9.9:5353"))
    assert "169.254.77.1" not in after


def test_the_zone_is_served_where_the_cluster_is_port_and_address():
    corefile = "tls://.:853 .:5353 {\n    bind 10.0.0.10 eth1 {\n    except 10.0.0.11\n }\n    kubernetes\n}\n"

    [mesh, _] = parse(with_mesh(corefile, NODE))

    assert [tuple(key) for key in mesh.keys] == [("dns", "mesh", "5353")]
    bind = [word.text for word in mesh.having("bind")[0].words]
    assert bind == ["bind", "10.0.0.10", "eth1", "{", "except", "10.0.0.11", "}"]


def test_a_cluster_domain_of_its_own_is_understood():
    after = with_mesh(KUBEADM.replace("cluster.local", "corp.example"), NODE)

    assert "template IN ANY svc.corp.example {" in after
    assert "[.]svc[.]corp[.]example[.]$" in after


@pytest.mark.parametrize(
    ("corefile", "message", "line"),
    [
        (KUBEADM + "mesh:53 {\n forward . 10.0.0.9\n}\n", "a server block for mesh that is not nodeproxy's", 24),
        (KUBEADM + "example.org, dns://Mesh. {\n}\n", "a server block for mesh that is not nodeproxy's", 24),
        (KUBEADM.replace("cluster.local in-addr", "mesh in-addr"), "mesh is the domain of the cluster itself", 7),
        (KUBEADM[:-2], "a brace that is not closed", 1),
        (KUBEADM + '"', "a quotation mark that is not closed", 24),
        (KUBEADM.replace("errors", "errors }"), "a closing brace on the line of a directive", 2),
        (".:53\nerrors\nkubernetes\n", "the server block .:53 has no braces", 1),
        (".:53", "the server block .:53 has no braces", 1),
        ("{\n}\n", "a server block without a zone", 1),
        (". { kubernetes cluster.local\n}\n", "kubernetes shares its line with something else", 1),
        ("\ufeff" + KUBEADM, "a byte order mark", 1),
        (f"{KUBEADM}{BEGIN}\n", "`# nodeproxy begin` is there without `# nodeproxy end`", 24),
        (f"{KUBEADM}{END}\n", "`# nodeproxy end` is there without `# nodeproxy begin`", 24),
        (f"{BEGIN}\n{BEGIN}\n{END}\n{KUBEADM}", "`# nodeproxy begin` is there twice", 2),
    ],
)
def test_a_corefile_that_cannot_be_added_to_is_left_alone_and_the_line_named(corefile, message, line):
    with pytest.raises(NotWritten) as refused:
        with_mesh(corefile, NODE)

    assert message in str(refused.value)
    assert refused.value.line == line


@pytest.mark.parametrize(
    ("corefile", "words"),
    [
        (KUBEADM, []),
        (KUBEADM.replace("    reload\n", ""), ["without `reload`"]),
        (".:53 {\n forward . 10.0.0.1\n}\n", ["no `kubernetes`", "without `reload`"]),
        ("import all.conf\n", ["no `kubernetes`"]),
    ],
)
def test_what_will_not_work_is_said(corefile, words):
    said = warnings(with_mesh(corefile, NODE), NODE)

    assert len(said) == len(words) and all(word in text for word, text in zip(words, said, strict=True))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('a "b c" d', ["a", "b c", "d"]),
        ('"a\\"b" a"b', ['a"b', 'a"b']),
        ("a # b c\nd", ["a", "d"]),
        ("a#b c\nd", ["a", "c", "d"]),  # CoreDNS ends such a comment with the next space
        ("a\u00a0b\r\nc\u2003d", ["a", "b", "c", "d"]),
        ('"" a', ["", "a"]),
    ],
)
def test_words_are_separated_as_coredns_does(text, words):
    [block] = parse(f"x {{\n{text}\n}}")

    assert [word.text for directive in block.directives for word in directive.words] == words


def test_a_text_that_is_no_corefile_is_refused():
    with pytest.raises(NotACorefile):
        parse(". {")
