"""Where get_file looks, and what it compares. What it says of downloads is tested with the corpus that needs them."""

import hashlib
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
        ({"file_hash": "abc"}, ValueError, "file_hash must be 64 digits of a sha256 or 32 of an md5, got 'abc'"),
        ({"file_hash": MD5, "hash_algorithm": "sha256"}, ValueError, "file_hash must be 64 digits"),
        ({"hash_algorithm": "crc"}, ValueError, "hash_algorithm must be one of 'auto', 'sha256', 'md5', got 'crc'"),
        ({"extract": True}, TypeError, "extract is not supported"),
    ],
)
def test_arguments_are_refused(arguments, error, words):
    with pytest.raises(error, match=f"^get_file: {words}"):
        get_file(**{"fname": "truth.txt", "origin": URL} | arguments)
