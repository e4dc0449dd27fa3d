"""Settings made to do harm, and secrets in addresses: one line, before anything is recorded."""

import time

import pytest
import yaml

from tests.helpers.recordings import ROOT
from xsleep.config.workflow import load
from xsleep.core.errors import InputError
from xsleep.core.settings import parsed, read_named
from xsleep.databases.base import FetchSettings
from xsleep.databases.formats import run_lengths
from xsleep.results import model_card
from xsleep.study.planning import configuration

CONFIG = ROOT / "config"
SECRET = "s3cret"
LAUGHS = "a0: &a0 {k: v}\n" + "".join(
    f"a{n}: &a{n} {{{', '.join(f'k{i}: *a{n - 1}' for i in range(10))}}}\n" for n in range(1, 12)
)


def line(content):
    base = configuration([CONFIG / "config.yaml"], [])
    started = time.process_time()
    with pytest.raises(InputError) as error:
        load(base | content, CONFIG)
    assert time.process_time() - started < 60
    assert "\n" not in str(error.value) and len(str(error.value)) < 1000
    return str(error.value)


@pytest.mark.parametrize(
    "url",
    [
        f"https://user:{SECRET}@mirror.example/",
        f"https://{SECRET}@mirror.example/",
        f"http://user:{SECRET}@127.0.0.1/",
        f"https://user:{SECRET}/@#@mirror.example/",
        f"ftp://user:{SECRET}@mirror.example/",
    ],
)
@pytest.mark.parametrize("database", ["SleepEDF-20", "DREAMS"])
def test_a_user_name_or_password_in_an_address_is_refused_and_not_shown(url, database):
    # Of DREAMS too, which is not selected: the configuration is copied into the crate.
    changes = {database: {"source": {"fetch": {"url": url}}}}
    text = line({"databases": ["SleepEDF-20"], "database_settings": changes})
    assert SECRET not in text
    assert f"database_settings.{database}.source.fetch.url has an address with a user name" in text


@pytest.mark.parametrize("url", ["https://mirror.example:8443/@user/a@b/", "https://a.example/@"])
def test_other_at_signs_in_addresses_are_none_of_it(url):
    changes = {"SleepEDF-20": {"source": {"fetch": {"url": url}}}}
    base = configuration([CONFIG / "config.yaml"], [])
    found = load(base | {"databases": ["SleepEDF-20"], "database_settings": changes}, CONFIG)
    assert found.sources["SleepEDF-20"].source.fetch.url == url


@pytest.mark.parametrize(
    "url", ["http://mirror.example/", "http://127.0.0.1.mirror.example/", "ftp://a", "file:///a"]
)
def test_only_https_is_fetched_from_or_this_machine(url):
    changes = {"SleepEDF-20": {"source": {"fetch": {"url": url}}}}
    text = line({"databases": ["SleepEDF-20"], "database_settings": changes})
    assert "must begin with https://" in text
    assert FetchSettings(url="http://localhost:8000/").url


def test_settings_that_stand_for_more_than_they_hold_are_one_line():
    for text in (LAUGHS, "a: &a {b: *a}", "{a: " * 90 + "1" + "}" * 90, "a: &a [*a]"):
        content = yaml.safe_load(text)
        told = line({"database_settings": content})
        assert "nested too deeply, or refers to itself" in told
        with pytest.raises(InputError, match=r"file: nested too deeply, or refers to itself"):
            parsed(text, "file")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"a: " + b"[\n" * 100_000, "nested too deeply"),  # without line ends it takes long
        (b"{\n" * 100_000, "nested too deeply"),
        (b"- " * 100_000, "nested too deeply"),
        (b"a: " + b"9" * 10_000, "not YAML"),
        (b"a: 2020-99-99", "not YAML"),
        (b"a: \xff", "cannot be read .*utf-8"),
        (b"- 1\n- 2", "has no keys with values"),
        (b"text", "has no keys with values"),
        (b"a: !!python/object/apply:os.system [touch x]", "not YAML"),
        (b"\0", "not YAML"),
    ],
)
def test_a_hostile_yaml_file_is_one_line(tmp_path, text, expected):
    (tmp_path / "a.yaml").write_bytes(text)
    with pytest.raises(InputError, match=expected) as error:
        read_named(FetchSettings, tmp_path, "a", {})
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(f"{tmp_path}/a.yaml: ")


def test_deep_json_of_hypnograms_and_of_a_run_is_one_line(tmp_path):
    (tmp_path / "run.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match=r"run\.json: .*JSON"):
        run_lengths.read(tmp_path / "run.json")
    with pytest.raises(InputError, match=r"run\.json: not JSON \(maximum recursion"):
        model_card.written(tmp_path, tmp_path, None, "", {})
