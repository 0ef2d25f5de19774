"""What the rules of `docs_rules.py` find in a site, and what they leave alone."""

import pytest

from docs_rules import Page, findings, missing_in_navigation

FILES = frozenset({"index.html", "limits/index.html", "limits/example.yaml"})


def found(text):
    site = {"index.html": Page(text), "limits/index.html": Page('<h2 id="bounds">Bounds</h2><a name="old"></a>')}
    return list(findings(site, FILES))


@pytest.mark.parametrize(
    "link",
    ["limits/", "limits/#bounds", "limits/#old", "limits/example.yaml", "https://docs.example/x#y", "#here", "."],
)
def test_a_link_that_leads_somewhere_is_no_finding(link):
    assert found(f'<h2 id="here">Here</h2><a href="{link}">x</a>') == []


@pytest.mark.parametrize(
    ("link", "wrong"),
    [
        ("limits/#bound", "there is no such anchor"),
        ("#bounds", "there is no such anchor"),
        ("limit/", "there is no such page"),
        ("../README.md", "there is no such page"),
        ("limits/other.yaml", "there is no such page"),
    ],
)
def test_a_link_that_leads_nowhere_is_found(link, wrong):
    assert found(f'<a href="{link}">x</a>') == [f"index.html: {link}: {wrong}"]


@pytest.mark.parametrize(
    "element",
    [
        '<script src="https://cdn.example/x.js"></script>',
        '<link rel="stylesheet" href="//fonts.example/x.css">',
        '<img src="https://img.example/x.png">',
    ],
)
def test_what_a_browser_would_load_from_another_host_is_found(element):
    (finding,) = found(element)

    assert finding.endswith("from another host")


@pytest.mark.parametrize(
    "element",
    [
        '<link rel="canonical" href="https://docs.example/">',
        '<script src="assets/x.js"></script>',
        "<script>1</script>",
    ],
)
def test_what_is_of_this_host_or_not_loaded_is_no_finding(element):
    assert found(element) == []


def test_a_placeholder_that_became_an_element_is_found():
    (finding,) = found("<p>call <service>.mesh</p>")

    assert finding == "index.html: <service> is taken for an element; write it in backquotes"


def test_every_page_is_in_the_navigation_once():
    navigation = [{"Start": [{"What": "index.md"}, "gone.md"]}, "twice.md", {"Again": "twice.md"}]

    assert list(missing_in_navigation(navigation, ["index.md", "twice.md", "lost.md"])) == [
        "docs/lost.md: not in the navigation; add it to mkdocs.yml",
        "mkdocs.yml: gone.md is in the navigation, and there is no such page",
        "mkdocs.yml: twice.md is in the navigation twice",
    ]
