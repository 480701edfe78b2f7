"""A file's ids are those of its whole text, whatever its size, and what is kept of them is never trusted blindly."""

import hashlib
import io
import os
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pyrnn
from pyrnn import _corpus, layers
from pyrnn._chunked_text import Lowering, TextFile
from pyrnn.callbacks import Callback
from pyrnn.text import Vocabulary, encode_file
from pyrnn.utils.data_utils import cache_folder

TEXT = "\ufeffΟΔΥΣΣΕΥΣ' ΛΟΓΟΣ.\r\nİstanbul, Straße: 日本 😀\n" * 3
OLD = 1_500_000_000_000_000_000  # ns; long before any of these tests

# letters with and without case, what a sigma passes over (combining, apostrophe, full stop, hyphen of width 0), and the rest
texts = st.text(alphabet="ΣΣΣσςaZİIßŒ\u0307\u0345'.\u00ad\u200b:ʰ1 \r\n日😀\ufeff", max_size=24)
sizes = st.integers(1, 9)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    for name in "HOME", "LOCALAPPDATA", "XDG_CACHE_HOME":
        monkeypatch.setenv(name, str(tmp_path / "home"))


@pytest.fixture
def path(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    path = folder / "book.txt"
    write(path, TEXT)
    return path


def write(path, text, when=OLD):
    path.write_bytes(text.encode())
    os.utime(path, ns=(when, when))


def ids_of(path, lower=True):
    return path.with_name(path.name + (".pyrnn-lower.ids" if lower else ".pyrnn.ids"))


def check(encoded, path, lower=True):
    data = path.read_bytes()
    text = data.decode().removeprefix("\ufeff")
    text = text.lower() if lower else text
    assert encoded.vocabulary == Vocabulary.from_text(text)
    wanted = encoded.vocabulary.encode(text)
    assert encoded.ids.dtype == wanted.dtype
    np.testing.assert_array_equal(encoded.ids, wanted)
    assert encoded.sha256 == hashlib.sha256(data).hexdigest()
    return encoded


@pytest.fixture
def readings(monkeypatch):
    """What is done with the text of a file: "counted", "encoded", "hashed"."""
    done = []

    def noted(name, function):
        return lambda *args: done.append(name) or function(*args)

    monkeypatch.setattr(_corpus, "_counted", noted("counted", _corpus._counted))
    monkeypatch.setattr(_corpus, "_encoded", noted("encoded", _corpus._encoded))
    monkeypatch.setattr(TextFile, "sha256", property(noted("hashed", TextFile.sha256.func)))
    return done


# -- chunks -------------------------------------------------------------------


@given(texts, st.booleans(), sizes)
def test_chunks_of_any_size_are_the_whole_text(text, lower, size):
    data = text.encode()
    digest = hashlib.sha256()
    read = "".join(TextFile("book", io.BytesIO(data), lower).chunks(digest, size))
    whole = text.removeprefix("\ufeff")
    assert read == (whole.lower() if lower else whole)
    assert digest.hexdigest() == hashlib.sha256(data).hexdigest()


@given(st.lists(texts))
def test_lower_case_of_chunks_is_that_of_the_whole(chunks):
    case = Lowering()
    lowered = [case.take(chunk, last=False) for chunk in chunks] + [case.take("", last=True)]
    assert "".join(lowered) == "".join(chunks).lower()


@given(st.binary(max_size=12) | st.tuples(texts, st.binary(max_size=3), texts), sizes)
def test_what_is_no_utf_8_is_named_with_its_place_in_the_file(data, size):
    data = data if isinstance(data, bytes) else data[0].encode() + data[1] + data[2].encode()
    read = TextFile("book", io.BytesIO(data), lower=False).chunks(hashlib.sha256(), size)
    try:
        data.decode()
    except UnicodeDecodeError as error:
        with pytest.raises(ValueError) as refused:
            list(read)
        wrong = f"byte 0x{data[error.start]:02x} at position {error.start}"
        assert str(refused.value) == f"encode_file: book must be UTF-8 text, got {wrong}"
    else:
        assert "".join(read) == data.decode().removeprefix("\ufeff")


# -- in memory and mapped -----------------------------------------------------


@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("in_memory", [0, 10_000])
def test_a_file_is_its_text_as_ids(path, lower, in_memory):
    encoded = check(encode_file(path, lower, in_memory=in_memory), path, lower)
    assert isinstance(encoded.ids, np.memmap) == (in_memory == 0)
    assert os.listdir(path.parent) == [path.name] if in_memory else ids_of(path, lower).exists()
    if not in_memory:
        assert not encoded.ids.flags.writeable and encoded.ids.filename == str(ids_of(path, lower))


@pytest.mark.parametrize(("symbols", "width"), [(256, 1), (257, 2), (65_537, 4)])
def test_ids_are_as_narrow_as_they_can_be(path, symbols, width):
    write(path, "".join(map(chr, [*range(0x21, 0xD800), *range(0xE000, 0x20000)][:symbols])) * 2)
    for in_memory in 0, 1_000_000:
        assert check(encode_file(path, in_memory=in_memory), path, lower=False).ids.itemsize == width


def test_by_default_the_limit_is_64_mb(path):
    check(encode_file(path, lower=True), path)
    with open(path, "r+b") as file:
        file.truncate(64 << 20)  # zeros
    assert not isinstance(encode_file(path).ids, np.memmap)
    with open(path, "r+b") as file:
        file.truncate((64 << 20) + 1)
    assert isinstance(encode_file(path).ids, np.memmap)


@pytest.mark.parametrize("in_memory", [0, 10_000])
def test_with_a_vocabulary_of_another_text(path, in_memory, readings):
    encode_file(path, lower=True, in_memory=in_memory)
    other = Vocabulary.from_text("zyx" + TEXT.lower())
    encoded = encode_file(path, lower=True, vocabulary=other, in_memory=in_memory)
    assert encoded.vocabulary is other or encoded.vocabulary == other
    assert other.decode(encoded.ids) == TEXT.removeprefix("\ufeff").lower()[: len(encoded.ids)]
    if in_memory == 0:
        assert encoded.ids.filename != str(ids_of(path))
        check(encode_file(path, lower=True, in_memory=0), path)
        same = Vocabulary.from_text(TEXT.removeprefix("\ufeff").lower())
        del readings[:]
        assert encode_file(path, lower=True, vocabulary=same, in_memory=0).ids.filename == str(ids_of(path))
        assert readings == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_a_pipe_is_read_once(path, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(path.read_bytes()))
    writer.start()
    check(encode_file(pipe, lower=True, in_memory=0), path)
    writer.join()


# -- errors -------------------------------------------------------------------


@pytest.mark.parametrize("in_memory", [0, 10_000])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "must hold at least one character, but is empty"),
        (b"\xef\xbb\xbf", "must hold at least one character, but is empty"),
        (b"caf\xe9 au lait", "must be UTF-8 text, got byte 0xe9 at position 3"),
        (b"\xef\xbb\xbfab\xff", "must be UTF-8 text, got byte 0xff at position 5"),
        ("Straße 日".encode()[:-1], "must be UTF-8 text, got byte 0xe6 at position 8"),
    ],
)
def test_a_file_that_is_no_text(path, content, message, in_memory):
    path.write_bytes(content)
    with pytest.raises(ValueError) as error:
        encode_file(path, in_memory=in_memory)
    assert str(error.value) == f"encode_file: {path} {message}"
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("in_memory", [0, 10_000_000])
def test_a_character_that_the_vocabulary_has_not(path, in_memory):
    write(path, "a" * 2_000_000 + "İb")
    with pytest.raises(ValueError) as error:
        encode_file(path, lower=True, vocabulary=Vocabulary("ai\u0307"), in_memory=in_memory)
    assert str(error.value) == (
        f"encode_file: {path} must be made of the vocabulary's 3 symbols, got 'b' at position 2000002"
    )
    assert os.listdir(path.parent) == [path.name]


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError):
        encode_file(tmp_path / "nothing.txt")
    with pytest.raises(IsADirectoryError):
        encode_file(tmp_path)


@pytest.mark.parametrize("in_memory", [0, 10_000])
@pytest.mark.parametrize("change", [lambda text: text[::-1], lambda text: text + "a", lambda text: text[:-1]])
def test_a_file_that_changes_while_it_is_read(path, monkeypatch, in_memory, change):
    counted = _corpus._counted
    monkeypatch.setattr(_corpus, "_counted", lambda *args: (counted(*args), write(path, change(TEXT)))[0])
    with pytest.raises(OSError, match="the file has changed while it was read") as error:
        encode_file(path, in_memory=in_memory)
    assert error.value.filename == str(path)
    assert os.listdir(path.parent) == [path.name]


def test_arguments_that_are_refused(path):
    with pytest.raises(TypeError, match="encode_file: lower must be True or False, got 1"):
        encode_file(path, lower=1)
    with pytest.raises(TypeError, match="encode_file: vocabulary must be a Vocabulary or None, got str"):
        encode_file(path, vocabulary="abc")
    with pytest.raises(ValueError, match="encode_file: in_memory must be at least 0, got -1"):
        encode_file(path, in_memory=-1)


# -- what is kept -------------------------------------------------------------


def test_the_second_time_nothing_is_read(path, readings, capfd):
    first = check(encode_file(path, lower=True, in_memory=0), path)
    assert readings == ["counted", "encoded"]
    assert capfd.readouterr() == ("", f"encoding {path} into {ids_of(path)}\n")
    second = check(encode_file(path, lower=True, in_memory=0), path)
    assert readings == ["counted", "encoded"] and capfd.readouterr() == ("", "")
    assert first.ids.filename == second.ids.filename
    assert sorted(os.listdir(path.parent)) == [path.name, ids_of(path).name]


def test_after_another_time_of_modification_the_hash_decides(path, readings):
    encode_file(path, lower=True, in_memory=0)
    del readings[:]
    os.utime(path, ns=(OLD, OLD + 1_000_000_000))
    for _ in range(2):
        check(encode_file(path, lower=True, in_memory=0), path)
    assert readings == ["hashed"], "once, then the new time is known"

    write(path, TEXT.replace("日", "月"), OLD + 2_000_000_000)
    check(encode_file(path, lower=True, in_memory=0), path)
    assert readings == ["hashed", "hashed", "counted", "encoded"]


def test_a_text_that_has_just_changed_is_not_trusted_for_its_time(path, readings):
    """It may change again and have the same time, to the file system's exactness."""
    path.touch()
    encode_file(path, lower=True, in_memory=0)
    del readings[:]
    status = path.stat()
    path.write_bytes(TEXT.replace("日", "月").encode())
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    check(encode_file(path, lower=True, in_memory=0), path)
    assert readings == ["hashed", "counted", "encoded"]


def test_lower_case_and_both_cases_lie_side_by_side(path, readings):
    for lower in True, False, True, False:
        check(encode_file(path, lower, in_memory=0), path, lower)
    assert readings == ["counted", "encoded"] * 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: data[:40],
        lambda data: b"\0" * len(data),
        lambda data: b"[" * len(data),
        lambda data: data.replace(b'"pyrnn ids": 1', b'"pyrnn ids": 2', 1),
        lambda data: data.replace(b'"lower": true', b'"lower": null', 1),
        lambda data: data.replace(b'"symbols"', b'"letters"', 1),
        lambda data: data.replace(b'"symbols": [10', b'"symbols": [13', 1),
        lambda data: data.replace(b'"dtype": "|u1"', b'"dtype": "|i1"', 1),
        lambda data: data.replace(b'"sha256": "', b'"sha256": "0', 1),
        lambda data: data.replace(b'"bytes": ', b'"bytes": 1', 1),
    ],
)
def test_a_damaged_file_is_written_again(path, readings, damage):
    encode_file(path, lower=True, in_memory=0)
    data = ids_of(path).read_bytes()
    changed = damage(data)
    assert changed != data
    ids_of(path).write_bytes(changed)
    del readings[:]
    check(encode_file(path, lower=True, in_memory=0), path)
    assert readings[-2:] == ["counted", "encoded"]
    assert ids_of(path).read_bytes() == data


def test_a_mapped_text_stays_what_it_was_when_the_file_of_ids_is_replaced(path):
    first = encode_file(path, lower=True, in_memory=0)
    before = first.ids.copy()
    write(path, TEXT[::-1], OLD + 1_000_000_000)
    check(encode_file(path, lower=True, in_memory=0), path)
    np.testing.assert_array_equal(first.ids, before)


def refuse_to_write_in(folders, monkeypatch):
    """As a read-only folder does, of which root takes no notice."""

    def refusing(name, mode="r", **options):
        if "x" in mode and Path(name).parent in folders:
            raise PermissionError(13, "Permission denied", str(name))
        return open(name, mode, **options)

    monkeypatch.setattr(_corpus, "open", refusing, raising=False)


def test_where_the_folder_is_read_only_the_ids_lie_in_the_cache(path, tmp_path, monkeypatch, readings, capfd):
    other = tmp_path / "others" / path.name
    refuse_to_write_in([path.parent, other.parent], monkeypatch)
    encoded = check(encode_file(path, lower=True, in_memory=0), path)
    cache = Path(cache_folder(), "corpora")
    place = Path(encoded.ids.filename)
    assert place.parent == cache and place.name.endswith("-" + ids_of(path).name)
    assert capfd.readouterr().err == f"encoding {path} into {place}\n"
    check(encode_file(path, lower=True, in_memory=0), path)
    assert readings == ["counted", "encoded"]

    other.parent.mkdir()
    write(other, TEXT[::-1])
    check(encode_file(other, lower=True, in_memory=0), other)
    check(encode_file(path, lower=True, in_memory=0), path)
    assert len(list(cache.iterdir())) == 2 and readings == ["counted", "encoded"] * 2

    refuse_to_write_in([path.parent, cache], monkeypatch)
    with pytest.raises(PermissionError) as error:
        encode_file(path, lower=False, in_memory=0)
    assert Path(error.value.filename).parent == cache


def test_many_at_once(path):
    """Threads here; what they share is the file system alone, as processes do."""
    start = threading.Barrier(4, action=lambda: ids_of(path).unlink(missing_ok=True))

    def encode(_):
        start.wait()
        return encode_file(path, lower=True, in_memory=0)

    with ThreadPoolExecutor(4) as pool:
        for _ in range(10):
            for encoded in pool.map(encode, range(4)):
                check(encoded, path)
    assert sorted(os.listdir(path.parent)) == [path.name, ids_of(path).name]


# -- memory -------------------------------------------------------------------


class Stop(Callback):
    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = batch == 20


@pytest.mark.parametrize("megabytes", [32, pytest.param(1024, marks=pytest.mark.slow)])
def test_memory_does_not_grow_with_the_text(path, megabytes):
    """Not by one byte for each character: what Python and NumPy ask for, which is all but the engine's own arena."""
    page = "Straße und Weg: Ὀδυσσεύς, ΟΔΥΣΣΕΥΣ. And plain English for the rest of it, line by line.\n".encode() * 10_000
    with open(path, "wb") as file:
        file.writelines(page for _ in range((megabytes << 20) // len(page) + 1))
    tracemalloc.start()
    try:
        for _ in range(2):
            ids, vocabulary, _ = encode_file(path, lower=True, in_memory=0)
        used = (len(ids) - 1) // 16 * 16
        x, y = ids[:used].reshape(16, -1), ids[1 : used + 1].reshape(16, -1)
        symbols = len(vocabulary)
        model = pyrnn.Sequential([pyrnn.Input((None, symbols)), layers.GRU(8, return_sequences=True)])
        model.add(layers.Dense(symbols, activation="softmax"))
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(x, y, batch_size=16, tbptt=32, shuffle=False, callbacks=[Stop()], verbose=0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(ids) > megabytes << 19 and peak < 8 << 20
