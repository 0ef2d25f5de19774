from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis.strategies import binary, text

from discovery.kubernetes.documents import NotDocuments, json_document, lines_of, yaml_documents


def refusal(data):
    with pytest.raises(NotDocuments) as caught:
        yaml_documents(data)
    return caught.value


def test_documents_keep_their_numbers_when_empty_ones_are_left_out():
    found = yaml_documents(b"a: 1\n---\n---\nb: [yes, ~, 1.5, x]\n")

    assert [tuple(each) for each in found] == [(1, {"a": 1}), (3, {"b": [True, None, 1.5, "x"]})]


def test_a_date_is_text_as_it_is_for_kubectl():
    assert yaml_documents(b"a: 2024-99-99")[0].value == {"a": "2024-99-99"}


def test_a_key_is_the_text_that_stands_there():
    assert yaml_documents(b"1: a\ntrue: b\n")[0].value == {"1": "a", "true": "b"}


def test_an_alias_means_what_its_anchor_marks():
    found = yaml_documents(b"a: &a {x: 1}\nb: *a\nc: &c 5\nd: *c\n")[0].value

    assert found == {"a": {"x": 1}, "b": {"x": 1}, "c": 5, "d": 5}


def test_a_merge_key_gives_what_the_mapping_does_not_say_itself():
    found = yaml_documents(b"a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: {<<: [*a, {z: 4}]}\n")[0].value

    assert found["b"] == {"x": 1, "y": 3}
    assert found["c"] == {"x": 1, "y": 2, "z": 4}


def test_a_key_that_stands_twice_is_refused_with_its_line():
    error = refusal(b"a: 1\nb: 2\na: 3\n")

    assert str(error) == "the key 'a' is duplicated in one mapping"
    assert error.line == 3


def test_broken_yaml_is_refused_with_its_document_and_line():
    error = refusal(b"a: 1\n---\na: 1\nb: [\n")

    assert str(error).startswith("not YAML: ")
    assert (error.document, error.line) == (2, 5)


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b"- " * 100_000,
        b'{"a":' * 100_000,
        b"&a [*a]",
        b"x: &a [1]\n---\ny: *a",
        b"? [a]\n: 2",
        b"? &k a\n: 1\n? *k\n: 2",
        b"a: !!python/object/apply:os.system [true]",
        b"a: !!python/name:os.system ''",
        b"a: !!binary aGVsbG8=",
        b"a: !!set {b}",
        b"a: .inf",
        b"a: .nan",
        b"a: " + b"1" * 5000,
        b"a: !!int ''",
        b"a: !!bool maybe",
        b"a: !!float x",
        b"<<: 5",
        bytes(range(256)),
        b"\xff\xfe\xfd",
    ],
    ids=lambda data: repr(data[:24]),
)
def test_hostile_yaml_is_refused(data):
    assert str(refusal(data))


def test_a_billion_laughs_are_refused_before_they_are_laughed():
    levels = [b"a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [b"a%d: &a%d [%s]" % (level, level, b", ".join([b"*a%d" % (level - 1)] * 9)) for level in range(1, 10)]

    error = refusal(b"\n".join(levels))

    assert str(error) == "aliases repeat more than 100000 values; write them out"


def test_a_file_of_too_many_values_is_refused():
    with pytest.raises(NotDocuments, match="more than 10 values; split it"):
        yaml_documents(b"- 1\n" * 20, nodes_limit=10)


def test_nesting_up_to_the_limit_is_read():
    assert yaml_documents(b"[" * 256 + b"]" * 256)


@given(data=binary(max_size=200))
def test_any_bytes_are_documents_or_refused(data):
    for read in (yaml_documents, json_document):
        with suppress(NotDocuments):
            assert isinstance(read(data), list)


@given(data=text(alphabet="ab:-[]{}&*!|>'\"?,# \n\t1.<~", max_size=60))
def test_any_text_of_yaml_signs_is_documents_or_refused(data):
    with suppress(NotDocuments):
        assert isinstance(yaml_documents(data.encode()), list)


def test_lines_are_found_for_places_that_exist():
    data = b"a: 1\n---\nspec:\n  ports:\n  - name: x\n    port: 5\n  - {<<: {port: 6}}\n"
    port = (2, ("spec", "ports", 0, "port"))

    lines = lines_of(data, {port, (2, ()), (2, ("spec", "nothing"))})

    assert lines == {port: 6, (2, ()): 3}


def test_json_is_read_with_tabs_and_surrogate_pairs():
    assert json_document(b'{\n\t"a": "\\ud83d\\ude00"\n}')[0].value == {"a": "\U0001f600"}


@pytest.mark.parametrize("data", [b"[" * 100_000, b"1" * 5000, b"[1e400]", b"[NaN]", b"{} {}", b'"\x80"'])
def test_hostile_json_is_refused(data):
    with pytest.raises(NotDocuments):
        json_document(data)


def test_broken_json_is_refused_with_its_line():
    with pytest.raises(NotDocuments) as caught:
        json_document(b'{\n"a": 1,\n"b": }\n')

    assert caught.value.line == 3
