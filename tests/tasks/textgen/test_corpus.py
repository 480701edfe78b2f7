"""Where a corpus comes from, and what is said when it cannot be had. No test leaves this machine."""

import errno
import hashlib
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest

from pyrnn.text import Vocabulary, windows
from pyrnn.utils.data_utils import cache_folder
from tasks.textgen import corpus

TEXT = "Supposing that Truth is a woman\r\nwhat then? \u2019\n"
SHA256 = hashlib.sha256(TEXT.encode()).hexdigest()
WRONG = "0" * 64


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache of this test's own, and no way out: the proxy is a port where nobody listens."""
    for name in "https_proxy", "HTTPS_PROXY":
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in "no_proxy", "NO_PROXY":
        monkeypatch.setenv(name, "127.0.0.1")
    for name in "HOME", "LOCALAPPDATA", "XDG_CACHE_HOME":
        monkeypatch.setenv(name, str(tmp_path / "home"))
    return Path(cache_folder(), "datasets")


@pytest.fixture
def data_dir(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("PYRNN_DATA_DIR", str(folder))
    return folder


@pytest.fixture
def server():
    """A web server on this machine with TEXT at /text and nothing else; `server.paths` is what was asked for."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            paths.append(self.path)
            self.send_response(200 if self.path == "/text" else 404)
            self.end_headers()
            if self.path == "/text":
                self.wfile.write(TEXT.encode())

        def log_message(self, *args):
            pass

    paths: list[str] = []
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.paths, server.url = paths, f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def one_line(error: BaseException) -> str:
    assert "\n" not in str(error)
    return str(error)


def check(loaded: corpus.Corpus, text: str) -> None:
    for lower, wanted in (False, text), (True, text.lower()):
        ids, vocabulary, sha256 = loaded.encoded(lower)
        assert vocabulary == Vocabulary.from_text(wanted) and vocabulary.decode(ids) == wanted
        assert sha256 == hashlib.sha256(text.encode()).hexdigest()


# ----------------------------------------------------------------------- files


def test_a_file_is_read_letter_for_letter(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(TEXT.encode())
    loaded = corpus.load(path)
    assert loaded == corpus.load(str(path)) == corpus.Corpus(str(path), str(path))
    assert loaded.text == TEXT
    check(loaded, TEXT)


def test_a_byte_order_mark_is_no_letter(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(b"\xef\xbb\xbfabc")
    loaded = corpus.load(path)
    assert loaded.text == "abc"
    ids, vocabulary, sha256 = loaded.encoded(lower=True)
    assert vocabulary.decode(ids) == "abc"
    assert sha256 == hashlib.sha256(b"\xef\xbb\xbfabc").hexdigest()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the corpus {} must hold at least one character, but is empty"),
        (b"\xef\xbb\xbf", "the corpus {} must hold at least one character, but is empty"),
        (b"caf\xe9 au lait", "the corpus {} must be UTF-8 text, got byte 0xe9 at position 3"),
        (b"\xef\xbb\xbfab\xff", "the corpus {} must be UTF-8 text, got byte 0xff at position 5"),
    ],
)
def test_a_file_that_is_no_text(tmp_path, content, message):
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    loaded = corpus.load(path)
    for read in lambda: loaded.text, lambda: loaded.encoded(lower=True):
        with pytest.raises(corpus.CorpusError) as error:
            read()
        assert one_line(error.value) == message.format(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(corpus.CorpusError) as error:
        corpus.load("nietsche")
    assert one_line(error.value) == (
        "the corpus nietsche cannot be read: No such file or directory (the known names are nietzsche, python-docs)"
    )
    with pytest.raises(corpus.CorpusError, match="cannot be read: Is a directory$"):
        corpus.load(tmp_path)
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    loaded = corpus.load(path)
    path.unlink()
    with pytest.raises(corpus.CorpusError, match="cannot be read: No such file or directory"):
        loaded.encoded(lower=True)


def test_a_large_file_is_mapped_and_encoded_once(tmp_path, capfd):
    path = tmp_path / "large.txt"
    with open(path, "wb") as file:
        file.write(b"Zz")
        file.truncate(65 << 20)  # zeros
    loaded = corpus.load(path)
    ids, vocabulary, _ = loaded.encoded(lower=True)
    assert isinstance(ids, np.memmap) and len(ids) == 65 << 20
    assert vocabulary.symbols == "\0z" and ids[:3].tolist() == [1, 1, 0]
    assert capfd.readouterr().err == f"encoding {path} into {path}.pyrnn-lower.ids\n"
    assert loaded.encoded(lower=True).ids.filename == f"{path}.pyrnn-lower.ids"
    assert capfd.readouterr().err == ""


def test_ids_that_cannot_be_written(tmp_path, monkeypatch):
    path = tmp_path / "text.txt"
    path.write_text(TEXT)

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device", "text.txt.pyrnn.ids")

    monkeypatch.setattr(corpus, "encode_file", full)
    with pytest.raises(corpus.CorpusError) as error:
        corpus.load(path).encoded(lower=False)
    assert one_line(error.value) == (
        f"the corpus {path} cannot be encoded: [Errno {errno.ENOSPC}] No space left on device: 'text.txt.pyrnn.ids'"
    )


@pytest.mark.parametrize("piped", [False, True])
def test_ids_of_another_vocabulary(tmp_path, piped):
    path = tmp_path / "text.txt"
    path.write_bytes(TEXT.encode())
    loaded = corpus.Corpus("pipe", "pipe", TEXT) if piped else corpus.load(path)
    vocabulary = Vocabulary.from_text(TEXT.lower() + "xyz")
    encoded = loaded.encoded(True, vocabulary)
    assert encoded.vocabulary == vocabulary and vocabulary.decode(encoded.ids) == TEXT.lower()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_a_pipe_is_read_once(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(TEXT.encode()))
    writer.start()
    loaded = corpus.load(pipe)
    writer.join()
    assert loaded.text == TEXT
    for _ in range(2):
        check(loaded, TEXT)


# ----------------------------------------------------------------- python-docs


def test_python_docs_are_prose_and_always_the_same():
    docs = corpus.load("python-docs")
    assert len(docs.text) > 300_000
    assert "assert" in docs.text and "The Python" in docs.text
    check(docs, docs.text)
    assert docs == corpus.load("python-docs")


# -------------------------------------------------------------------- download


def test_download_once(server, cache, capfd, data_dir):
    remote = corpus.Remote("truth", f"{server.url}/text", SHA256)
    first = corpus.load_remote(remote)
    assert first == corpus.Corpus("truth", str(cache / "truth.txt"))
    output = capfd.readouterr()
    assert output.out == ""
    assert output.err == f"downloading {server.url}/text to {cache}\n"
    assert corpus.load_remote(remote) == first
    assert server.paths == ["/text"]
    assert capfd.readouterr().err == ""


def test_a_broken_copy_in_the_cache_is_replaced(server, cache, data_dir):
    cache.mkdir(parents=True)
    (cache / "truth.txt").write_text("half of i")
    assert corpus.load_remote(corpus.Remote("truth", f"{server.url}/text", SHA256)).text == TEXT
    assert (cache / "truth.txt").read_bytes() == TEXT.encode()


def test_a_download_with_another_checksum(server, cache, data_dir):
    remote = corpus.Remote("truth", f"{server.url}/text", WRONG)
    with pytest.raises(corpus.CorpusUnavailable) as error:
        corpus.load_remote(remote)
    assert one_line(error.value) == f"truth.txt: the sha256 of {remote.url} should be {WRONG}, but is {SHA256}"
    assert list(cache.iterdir()) == []


def test_no_such_page(server, cache, data_dir):
    remote = corpus.Remote("truth", f"{server.url}/lies", SHA256)
    with pytest.raises(corpus.CorpusUnavailable) as error:
        corpus.load_remote(remote)
    assert one_line(error.value) == (
        f"truth.txt: no copy in $PYRNN_DATA_DIR or {cache}, and none from {remote.url} (HTTP 404)"
    )


def test_a_cache_that_is_a_file(server, cache, data_dir):
    cache.parent.mkdir(parents=True)
    cache.write_text("in the way")
    with pytest.raises(corpus.CorpusUnavailable, match=r"\(Not a directory\)$"):
        corpus.load_remote(corpus.Remote("truth", f"{server.url}/text", SHA256))


# ------------------------------------------------------------------- data folder


def test_data_dir_comes_first(server, data_dir):
    (data_dir / "truth.txt").write_bytes(TEXT.encode())
    loaded = corpus.load_remote(corpus.Remote("truth", f"{server.url}/text", SHA256))
    assert loaded.source == str(data_dir / "truth.txt")
    assert server.paths == []


def test_a_wrong_copy_in_data_dir_is_an_error_even_by_default(data_dir):
    (data_dir / "nietzsche.txt").write_bytes(TEXT.encode())
    for ask in corpus.default, lambda: corpus.load("nietzsche"):
        with pytest.raises(corpus.CorpusError) as error:
            ask()
        assert one_line(error.value) == (
            f"nietzsche.txt: the sha256 of {data_dir / 'nietzsche.txt'} should be "
            f"23cf69874ab69d3d256099ab530ea4be24d47d9675b673bcc67cbcd6298ec647, but is {SHA256}"
        )


# ----------------------------------------------------------------------- default


def test_nothing_to_be_had_falls_back_only_by_default(cache, data_dir, capfd):
    with pytest.raises(corpus.CorpusUnavailable) as error:
        corpus.load("nietzsche")
    assert "ProxyError" in one_line(error.value)
    capfd.readouterr()
    assert corpus.default().name == "python-docs"
    output = capfd.readouterr()
    assert output.out == ""
    assert output.err.splitlines()[-1] == f"{error.value}; using python-docs instead"


def test_default_has_the_published_numbers():
    loaded = corpus.default()
    ids, vocabulary, _ = loaded.encoded(lower=True)
    x, _ = windows(ids, 40, step=3)
    if loaded.name == "nietzsche":  # there with PYRNN_DATA_DIR only
        assert (len(ids), len(vocabulary), len(x)) == (600_893, 57, 200_285)
    else:
        assert loaded.name == "python-docs"
        assert len(x) == len(range(0, len(loaded.text.lower()) - 40, 3))
