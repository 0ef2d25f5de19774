import pytest
from typer.testing import CliRunner

from discovery.__main__ import app
from tests.discovery.kube import file_of, service, slice_of

BAD = service("shop/bad", ports=[{"name": "http", "port": "eighty"}])


def run(*arguments):
    found = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return found.exit_code, " ".join(found.output.replace("│", " ").split())


def test_check_says_what_is_wrong_and_fails(tmp_path):
    (tmp_path / "shop.yaml").write_bytes(file_of(service(), slice_of(), BAD))

    status, text = run("check", tmp_path)

    assert status == 1
    assert "shop.yaml: document 3 (Service shop/bad): spec.ports[0].port: expected int, got 'eighty'" in text


def test_check_of_a_good_folder_succeeds(tmp_path):
    (tmp_path / "shop.yaml").write_bytes(file_of(service(), slice_of()))

    assert run("check", tmp_path) == (0, "1 service with 1 endpoint in force; 0 errors, 0 warnings")


def test_warnings_alone_do_not_fail_a_check(tmp_path):
    (tmp_path / "shop.yaml").write_bytes(file_of(service()))

    assert run("check", tmp_path)[0] == 0


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_serve_that_cannot_serve_fails_with_the_reason(tmp_path, log_format):
    status, text = run(
        *("serve", "--source", f"files:{tmp_path}", "--socket", tmp_path / "no" / "socket", "--log-format", log_format)
    )

    assert status == 1
    assert "not serving" in text
    assert "No such file or directory" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--source", "etcd:"), "--source: expected files:DIR, kube: or kube:KUBECONFIG, got 'etcd:'"),
        (("--source", "files:"), "--source: expected files:DIR, kube: or kube:KUBECONFIG, got 'files:'"),
        (("--mesh-range", "127.0.0.0/33"), "--mesh-range: '127.0.0.0/33' does not appear to be"),
        (("--headless-range", "127.78.0.0/31"), "--headless-range: 127.78.0.0/31 has no room"),
        (("--mesh-range", "127.78.0.0/17"), "--mesh-range: it overlaps with --headless-range 127.78.0.0/16"),
    ],
)
def test_an_option_without_sense_is_refused(tmp_path, options, message):
    status, text = run("serve", "--source", f"files:{tmp_path}", "--socket", tmp_path / "socket", *options)

    assert status == 2
    assert message in text
