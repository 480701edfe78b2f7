"""Where get_file looks, and what it compares. What it says of downloads is tested with the corpus that needs them."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pyrnn.utils import data_utils, get_file

URL = "http://127.0.0.1:9/folder/truth.txt?version=1"  # a port where nobody listens
TEXT = b"what then?"
SHA256, MD5 = hashlib.sha256(TEXT).hexdigest(), hashlib.md5(TEXT).hexdigest()


@pytest.fixture(autouse=True)
def data_dir(tmp_path, monkeypatch):
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("PYRNN_DATA_DIR", str(folder))
    for name in "HOME", "LOCALAPPDATA", "XDG_CACHE_HOME":
        monkeypatch.setenv(name, str(tmp_path / "home"))
    for name in "no_proxy", "NO_PROXY":
        monkeypatch.setenv(name, "127.0.0.1")
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"file_hash": SHA256},
        {"file_hash": MD5.upper()},
        {"md5_hash": MD5},
        {"file_hash": MD5, "hash_algorithm": "md5"},
    ],
)
@pytest.mark.parametrize("name", ["truth.txt", None])
def test_the_data_folder_comes_first(data_dir, name, arguments):
    (data_dir / "truth.txt").write_bytes(TEXT)
    assert get_file(name, URL, **arguments) == str(data_dir / "truth.txt")


@pytest.mark.parametrize("arguments", [{"file_hash": "0" * 64}, {"md5_hash": "0" * 32}])
def test_another_file_in_the_data_folder(data_dir, arguments):
    (data_dir / "truth.txt").write_bytes(TEXT)
    with pytest.raises(
        ValueError, match=r"^truth.txt: the (sha256|md5) of .*data/truth.txt should be 0+, but is [0-9a-f]+$"
    ):
        get_file("truth.txt", origin=URL, **arguments)


def test_the_cache_is_read_before_the_network(tmp_path):
    folder = Path(data_utils.cache_folder(), "datasets")
    folder.mkdir(parents=True)
    (folder / "truth.txt").write_bytes(TEXT)
    assert get_file("truth.txt", URL, file_hash=SHA256) == str(folder / "truth.txt")
    (tmp_path / "own" / "texts").mkdir(parents=True)
    (tmp_path / "own" / "texts" / "truth.txt").write_bytes(TEXT)
    own = get_file("truth.txt", URL, cache_dir=tmp_path / "own", cache_subdir="texts")
    assert own == str(tmp_path / "own" / "texts" / "truth.txt")


def test_nothing_to_be_had(capfd):
    with pytest.raises(
        OSError, match=r"^truth.txt: no copy in \$PYRNN_DATA_DIR or .*datasets, and none from http.*Connection"
    ):
        get_file("truth.txt", URL)
    assert capfd.readouterr().err.startswith(f"downloading {URL} to ")


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"origin": None}, TypeError, "origin must be the file's URL, got None"),
        ({"fname": "../truth.txt"}, ValueError, "fname must be a file's name without folders, got '../truth.txt'"),
        ({"fname": None, "origin": "https://"}, ValueError, "fname must be a file's name without folders, got ''"),
        ({"fname": ".."}, ValueError, "fname must be a file's name without folders, got '..'"),
        (
            {"fname": None, "origin": "https://a.org/.."},
            ValueError,
            "fname must be a file's name without folders, got '..'",
        ),
        ({"fname": "a\0b"}, ValueError, "fname must be a file's name without folders"),
        (
            {"origin": "http://example.org/a.txt"},
            ValueError,
            "origin must be an https URL, got 'http://example.org/a.txt'",
        ),
        ({"origin": "file:///etc/hostname"}, ValueError, "origin must be an https URL, got 'file:///etc/hostname'"),
        ({"max_size": 0}, ValueError, "max_size must be"),
        ({"file_hash": "abc"}, ValueError, "file_hash must be 64 digits of a sha256 or 32 of an md5, got 'abc'"),
        ({"file_hash": MD5, "hash_algorithm": "sha256"}, ValueError, "file_hash must be 64 digits"),
        ({"hash_algorithm": "crc"}, ValueError, "hash_algorithm must be one of 'auto', 'sha256', 'md5', got 'crc'"),
        ({"extract": True}, TypeError, "extract is not supported"),
    ],
)
def test_arguments_are_refused(arguments, error, words):
    with pytest.raises(error, match=f"^get_file: {words}"):
        get_file(**{"fname": "truth.txt", "origin": URL} | arguments)


@pytest.fixture
def server():
    """A server on this machine: TEXT at /text, TEXT for ever at /endless, silence at /silent, ways out at /plain and /there."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            target = {"/plain": "http://example.org/text", "/there": "/text"}.get(self.path)
            self.send_response(302 if target else 200)
            if target:
                self.send_header("Location", target)
            self.end_headers()
            if self.path == "/text":
                self.wfile.write(TEXT)
            try:
                while self.path == "/endless":
                    self.wfile.write(TEXT * 1000)
            except OSError:
                pass  # the client has left
            if self.path == "/silent":
                done.wait(60)

        def log_message(self, *args):
            pass

    asked, done = [], threading.Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.url, server.asked = f"http://127.0.0.1:{server.server_port}", asked
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        done.set()
        server.shutdown()
        thread.join()


REFUSED = [
    ("/endless", {}, "the download has more than max_size=100000 bytes"),
    ("/plain", {}, r"http://127.0.0.1:\d+/plain refers to http://example.org/text, which is no https URL"),
    ("/silent", {"_SILENCE": 0.2}, r"truth.txt: no copy in .* \((ConnectionError|ReadTimeout)\)"),
    ("/text", {"_DEADLINE": 0}, "the download is not done after 0 seconds"),
    ("/text", {}, "truth.txt: the sha256 of http://127.0.0.1.* should be 0+, but is "),
]


@pytest.mark.promise(
    "A download has TLS all the way, a checksum, a limit of size and of time, and leaves nothing where it fails"
)
def test_downloads_that_are_given_up(server, tmp_path, monkeypatch, figure):
    for path, limits, words in REFUSED:
        with monkeypatch.context() as patch, pytest.raises(OSError, match=words):
            for name, value in limits.items():
                patch.setattr(data_utils, name, value)
            get_file("truth.txt", server.url + path, file_hash="0" * 64, max_size=100_000, cache_dir=tmp_path / "own")
        assert [file for file in tmp_path.rglob("*") if file.is_file()] == []
    assert get_file(
        "truth.txt", server.url + "/there", file_hash=SHA256, max_size=len(TEXT), cache_dir=tmp_path / "own"
    )
    assert server.asked[-2:] == ["/there", "/text"]
    figure(f"{len(REFUSED)} ways to fail")
