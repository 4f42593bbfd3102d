"""The configuration: what is accepted, what is refused and how clearly, and that its documentation is complete."""

from __future__ import annotations

from pathlib import Path

import pytest

from callcontrol.config import ConfigError, DatabaseConfig, keys, load_config
from callcontrol.database import Limits

ROOT = Path(__file__).parents[2]
PASSWORD = '[asterisk]\nari_password = "s3cret"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "callcontrol.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(path: Path | None, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(path, environ or {})
    assert str(caught.value) == "\n".join(caught.value.problems)
    assert all("\n" not in problem for problem in caught.value.problems)
    return caught.value.problems


def test_defaults_need_only_the_password(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, PASSWORD), {})
    assert config.asterisk.ari_password == "s3cret"
    assert config.http.port == 8099
    assert config.calls.emergency_codes == ("190", "191", "192", "193", "194", "197", "198", "199")
    assert config.calls.timing().ring_timeout_s == 60
    assert config.calls.timing(minute_s=2).minute_s == 2


def test_the_environment_alone_is_enough() -> None:
    config = load_config(
        None,
        {
            "CALLCONTROL_ASTERISK__ARI_PASSWORD": "from-env",
            "CALLCONTROL_CALLS__EMERGENCY_CODES": "190, 192",
            "CALLCONTROL_CALLS__SETUP_TIMEOUT_S": "2.5",
            "CALLCONTROL_HTTP__PORT": "9000",
            "CALLCONTROL_LOG__MASK_NUMBERS": "yes",
            "CALLCONTROL_ASTERISK": "/a/prefix/for/the/scripts",
            "CALLCONTROL_TEST_MINUTE_S": "2",
        },
    )
    assert config.asterisk.ari_password == "from-env"
    assert config.calls.emergency_codes == ("190", "192")
    assert config.calls.setup_timeout_s == 2.5
    assert config.http.port == 9000
    assert config.log.mask_numbers is True


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, PASSWORD + "[http]\nport = 1000\n")
    assert load_config(path, {"CALLCONTROL_HTTP__PORT": "2000"}).http.port == 2000


def test_a_password_comes_from_a_file_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "ari.secret").write_text("from-file\n")
    path = write(tmp_path, '[asterisk]\nari_password_file = "ari.secret"\n')
    assert load_config(path, {}).asterisk.ari_password == "from-file"
    assert load_config(path, {"CALLCONTROL_ASTERISK__ARI_PASSWORD": "env"}).asterisk.ari_password == "env"
    other = write(tmp_path, PASSWORD)
    environ = {"CALLCONTROL_ASTERISK__ARI_PASSWORD_FILE": str(tmp_path / "ari.secret")}
    assert load_config(other, environ).asterisk.ari_password == "from-file"


def test_relative_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, PASSWORD + '[control]\nsocket = "control.sock"\n')
    assert load_config(path, {}).control.socket == tmp_path / "control.sock"


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("http://pbx:8088", "http://pbx:8088"),
        ("http://pbx:8088/", "http://pbx:8088"),
        ("http://pbx:8088/ari", "http://pbx:8088"),
        ("https://pbx/asterisk/ari/", "https://pbx/asterisk"),
    ],
)
def test_the_path_of_ari_may_be_given_or_not(tmp_path: Path, url: str, kept: str) -> None:
    assert load_config(write(tmp_path, f'{PASSWORD}ari_url = "{url}"\n'), {}).asterisk.ari_url == kept


BAD = [
    ('[calls]\n\n# how long\nring_timeout_s = "x"\n', 4, "[calls] ring_timeout_s: must be a whole number, not 'x'"),
    ("[calls]\nring_timeout_s = true\n", 2, "[calls] ring_timeout_s: must be a whole number, not True"),
    ("[calls]\nring_timeout_s = 0\n", 2, "[calls] ring_timeout_s: must be between 1 and 600, not 0"),
    ("[calls]\nsetup_timeout_s = nan\n", 2, "[calls] setup_timeout_s: must be a number, not nan"),
    ("[calls]\nring = 1\n", 2, "[calls] ring: unknown key 'ring'; there are ring_timeout_s, "),
    ("\n\n[cals]\nring = 1\n", 3, "[cals]: unknown section; there are asterisk, "),
    ("http = 1\n", 1, "[http]: is a section: write [http] above its keys"),
    ("[calls]\nemergency_codes = [\n  '190',\n  'x1',\n]\n", 2, "which 'x1' is not"),
    ("[calls]\nemergency_codes = [190]\n", 2, "[calls] emergency_codes: must be a list of texts, not [190]"),
    ("[log]\nlevel = 'loud'\n", 2, "[log] level: must be one of debug, info, warning, error, not 'loud'"),
    ("[node]\nname = 'two words'\n", 2, "[node] name: must be letters, digits,"),
    ("[http]\nport = 70000\n", 2, "[http] port: must be between 1 and 65535, not 70000"),
    ("[http]\nhost = ''\n", 2, "[http] host: must be a text that is not empty, not ''"),
    ("[database]\nurl = 'mysql://x:hunter2@y/z'\n", 2, "[database] url: must begin with sqlite:// or postgresql://"),
    ("[database]\nurl = 'postgresql://cc:hunter@2@db/cc'\n", 2, "[database] url: must have every @, /, % and space of"),
    ("[database]\nurl = 'postgresql://cc:hunter/2@db/cc'\n", 2, "[database] url: must have every @, /, % and space of"),
    ("[database]\nurl = 'postgresql://cc:hunter%2@db/cc'\n", 2, "[database] url: must have every @, /, % and space of"),
    ("[database]\nurl = 'postgresql://cc:hunter 2@db/cc'\n", 2, "[database] url: must have every @, /, % and space of"),
    ("[control]\nsocket = ''\n", 2, "[control] socket: must be a path in quotes, not ''"),
    ("calls = {ring_timeout_s = 700}\n", 1, "[calls] ring_timeout_s: must be between 1 and 600, not 700"),
    ("note = '''\n[calls]\n'''\n[calls]\ngrace_s = -1\n", 5, "[calls] grace_s: must be between 0 and 86400, not -1"),
    ("[asterisk]\nari_url = 'ftp://x'\n", 2, "[asterisk] ari_url: must be a URL such as http://"),
    ("[asterisk]\nari_url = 'http://u:p@x'\n", 2, "[asterisk] ari_url: must be a plain URL"),
    ("[asterisk]\nari_url = 'http://x:port'\n", 2, "[asterisk] ari_url: must be a URL such as http://"),
    ("[asterisk]\nari_password = 'a'\nari_password_file = 'b'\n", 2, "cannot be given together with ari_password_file"),
    ("[asterisk]\n\nari_password_file = 'absent'\n", 3, "absent cannot be read: No such file or directory"),
    ('[asterisk]\nari_password_file = "a\\u0000b"\n', 2, "[asterisk] ari_password_file: must be a path in quotes"),
    ("[asterisk]\nari_password = ''\n", 2, "[asterisk] ari_password: must be a text that is not empty"),
]


@pytest.mark.parametrize(("text", "line", "message"), BAD)
def test_a_bad_file_names_the_key_and_its_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    path = write(tmp_path, text)
    found = [problem for problem in problems(path) if message in problem]
    assert found, problems(path)
    assert found[0].startswith(f"{path}:{line}: ")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[calls]\nring_timeout_s = \n", 2),
        ("[calls\n", 1),
        ("[http]\nport = 1\nport = 2\n", 3),
        ("a = [\n1,\n", 2),
        ("a = " + "[" * 5000, 1),
    ],
)
def test_broken_toml_names_the_line(tmp_path: Path, text: str, line: int) -> None:
    path = write(tmp_path, text)
    assert problems(path)[0].startswith(f"{path}:{line}: not TOML: ")


def test_other_encodings_name_the_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes(b"[node]\nname = 'S\xe3o'\n")
    assert problems(path) == [f"{path}:2: not UTF-8 text"]


def test_all_problems_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "[http]\nport = 0\n[log]\nlevel = 'x'\ncolour = 1\n")
    found = problems(path, {"CALLCONTROL_HTTP__PROT": "1", "CALLCONTROL_NODE__NAME": "?"})
    assert [problem.removeprefix(str(path)).split(" ")[0] for problem in found] == [
        ":2:",
        ":4:",
        ":5:",
        "CALLCONTROL_HTTP__PROT:",
        "CALLCONTROL_NODE__NAME:",
    ]


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("CALLCONTROL_HTTP__PORT", "many", "must be a whole number, not 'many'"),
        ("CALLCONTROL_HTTP__PORT", "", "must be a whole number, not ''"),
        ("CALLCONTROL_LOG__MASK_NUMBERS", "maybe", "must be true or false, not 'maybe'"),
        ("CALLCONTROL_CALLS__SETUP_TIMEOUT_S", "inf", "must be a number, not inf"),
        ("CALLCONTROL_NOWHERE__KEY", "1", "no such setting; see docs/configuration.md"),
        ("CALLCONTROL_ASTERISK__ARI_PASSWORD_FILE", "/absent/file", "/absent/file cannot be read"),
    ],
)
def test_a_bad_variable_is_named(tmp_path: Path, variable: str, text: str, message: str) -> None:
    (problem,) = problems(write(tmp_path, PASSWORD), {variable: text})
    assert problem.startswith(f"{variable}: {message}")


def test_a_secret_and_its_file_cannot_both_be_in_the_environment(tmp_path: Path) -> None:
    environ = {"CALLCONTROL_DATABASE__URL": "sqlite:////x", "CALLCONTROL_DATABASE__URL_FILE": str(tmp_path / "y")}
    (tmp_path / "y").write_text("sqlite:////y")
    (problem,) = problems(write(tmp_path, PASSWORD), environ)
    assert problem == "CALLCONTROL_DATABASE__URL: cannot be given together with CALLCONTROL_DATABASE__URL_FILE"


def test_no_password_says_how_to_give_one(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    (problem,) = problems(path)
    assert problem.startswith(f"{path}: [asterisk] ari_password is required")


def test_absent_or_unreadable_files_are_one_line(tmp_path: Path) -> None:
    assert problems(tmp_path / "absent.toml") == [f"{tmp_path}/absent.toml: the configuration file does not exist"]
    assert problems(tmp_path) == [f"{tmp_path}: cannot be read: Is a directory"]


def test_secrets_are_in_no_repr_and_no_message(tmp_path: Path) -> None:
    path = write(tmp_path, PASSWORD + '[database]\nurl = "sqlite:////cc.db?key=hunter2"\n')
    shown = repr(load_config(path, {}))
    assert "s3cret" not in shown
    assert "hunter2" not in shown
    bad = problems(write(tmp_path, PASSWORD + '[database]\nurl = "mysql://cc:hunter2@db/cc"\n'))
    assert "hunter2" not in "\n".join(bad)
    typed = problems(write(tmp_path, "[asterisk]\nari_password = 12345678\n"))
    assert "12345678" not in "\n".join(typed)


def test_the_example_loads_and_shows_the_defaults() -> None:
    example = load_config(ROOT / "callcontrol.example.toml", {"CALLCONTROL_ASTERISK__ARI_PASSWORD": "x"})
    assert example == load_config(None, {"CALLCONTROL_ASTERISK__ARI_PASSWORD": "x"})
    text = (ROOT / "callcontrol.example.toml").read_text()
    assert [key.name for key in keys() if f"{key.name} =" not in text] == []


def test_every_key_is_in_the_documentation() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    assert [key.name for key in keys() if f"| `{key.name}` | {_shown(key.default)} | {key.doc} |" not in page] == []
    assert [key.section for key in keys() if f"## `[{key.section}]`" not in page] == []


def _shown(default: object) -> str:
    if default is None or default == "":
        return "-"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        return f"`{', '.join(default)}`"
    return f"`{default}`"


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        ("postgresql://cc:p%40ss%2Fword@db/cc", ("p%40ss%2Fword", "p@ss/word")),
        ("postgresql+psycopg://cc:a:b@c@db/cc?host=a", ("a:b@c", "a:b@c")),
        ("postgresql://cc@/cc?host=/run/postgresql", ("", "")),
        ("sqlite:////x/callcontrol.db", ("", "")),
    ],
)
def test_the_password_of_a_database_url_is_known_to_the_log(url: str, secrets: tuple[str, str]) -> None:
    assert DatabaseConfig(url=url).secrets == secrets


def test_the_limits_of_the_database_are_those_of_its_keys() -> None:
    """A default in two places is the same in both."""
    assert DatabaseConfig().limits() == Limits()
    assert DatabaseConfig(writers=9, retry_s=1).limits() == Limits(writers=9, retry_s=1)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://cc:p%40ss%2Fword@db/cc",
        "postgresql://cc:a:b?c#d@db:5432,db2:5432/cc?sslmode=require",
        "postgresql:///cc?host=/run/postgresql&user=a@b",
        "postgresql://cc@/cc?host=db1:5432&host=db2:5432",
        "postgresql://db/cc",
    ],
)
def test_urls_that_the_driver_understands_pass(tmp_path: Path, url: str) -> None:
    assert load_config(write(tmp_path, f"{PASSWORD}[database]\nurl = '{url}'\n"), {}).database.url == url
