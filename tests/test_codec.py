"""The compiled codec: every width of text and ids, at the border and in the middle."""

import sys
import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrnn._codec import Codec, distinct
from pyrnn.text import Vocabulary

ANY_CHARACTER = st.characters(exclude_categories=())  # lone surrogates too
DTYPES = {1: np.uint8, 2: np.uint16, 4: np.uint32}

# the last character of each kind of str and the first of the next
BORDERS = "\x00\x7f\x80\xff\u0100\ud7ff\ud800\udfff\ue000\uffff\U00010000\U0010ffff"


def ids_of(codec: Codec, text: str) -> np.ndarray:
    return np.frombuffer(codec.encode(text), DTYPES[codec.width])


def stored(text: str) -> int:
    """Bytes of `text` in its kind; joined to one more character, since Python keeps extras with single ones."""
    return sys.getsizeof(text + "\0")


def all_of_unicode(count: int) -> str:
    return "".join(map(chr, range(count)))


@given(st.text(ANY_CHARACTER))
def test_distinct_is_the_sorted_set(text):
    assert distinct(text) == "".join(sorted(set(text)))


@given(st.lists(ANY_CHARACTER, min_size=1, unique=True).map("".join), st.data())
def test_ids_are_positions_and_come_back(symbols, data):
    codec = Codec(symbols)
    text = data.draw(st.text(st.sampled_from(symbols)))
    ids = ids_of(codec, text)
    assert ids.tolist() == [symbols.index(char) for char in text]
    back = codec.decode(ids)
    assert back == text
    assert stored(back) == stored("".join(symbols[i] for i in ids)), "not in the narrowest kind"


@pytest.mark.parametrize("last", BORDERS)
def test_every_kind_of_text(last):
    text = BORDERS[: BORDERS.index(last) + 1] * 5000  # several blocks
    codec = Codec(distinct(text))
    assert codec.symbols == BORDERS[: BORDERS.index(last) + 1]
    assert codec.decode(ids_of(codec, text)) == text


@pytest.mark.parametrize(("count", "width"), [(1, 1), (256, 1), (257, 2), (65536, 2), (65537, 4), (0x110000, 4)])
def test_width_is_the_narrowest(count, width):
    symbols = all_of_unicode(count)
    codec = Codec(symbols)
    assert codec.width == width
    ids = ids_of(codec, symbols)
    assert np.array_equal(ids, np.arange(count))
    assert codec.decode(ids) == symbols


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "u8", "i8"])
def test_decode_reads_ids_of_any_width(dtype):
    assert Codec("abc").decode(np.array([2, 0, 1], dtype)) == "cab"


def test_decode_stores_the_text_as_narrow_as_the_characters_used():
    codec = Codec("aé\u2019\U0001f600")
    for ids, text in ([0, 0], "aa"), ([0, 1], "aé"), ([1, 2], "é\u2019"), ([3, 0], "\U0001f600a"):
        back = codec.decode(np.array(ids, np.uint8))
        assert back == text
        assert stored(back) == stored(text)


def test_empty():
    assert distinct("") == ""
    assert Codec("a").encode("") == bytearray()
    assert Codec("a").decode(np.array([], np.uint8)) == ""


@pytest.mark.parametrize("unknown", BORDERS)
@pytest.mark.parametrize("position", [0, 4095, 4096, 9000])
def test_unknown_character_is_named_with_its_position(unknown, position):
    text = "ab" * 5000
    text = text[:position] + unknown + "b?" + text[position:]
    with pytest.raises(ValueError) as error:
        Codec("ab").encode(text)
    assert str(error.value) == f"encode: text must be made of the 2 symbols, got {unknown!r} at position {position}"


def test_unknown_character_on_the_page_of_a_symbol():
    with pytest.raises(ValueError, match="got 'c' at position 1"):
        Codec("ab").encode("ac")


@pytest.mark.parametrize(
    ("dtype", "wrong"), [("u1", 3), ("u1", 255), ("u2", 65535), ("u4", 2**32 - 1), ("u8", 2**64 - 1), ("i8", -1)]
)
def test_id_out_of_range_is_named_with_its_position(dtype, wrong):
    with pytest.raises(ValueError) as error:
        Codec("abc").decode(np.array([0, 2, wrong, 9], dtype))
    assert str(error.value) == f"decode: ids must be in 0..2, got {wrong} at position 2"


def test_all_256_symbols_leave_no_wrong_byte():
    assert Codec(all_of_unicode(256)).decode(bytes([255, 0])) == "\xff\x00"


@pytest.mark.parametrize(
    ("symbols", "message"),
    [
        ("", "symbols must hold at least one character, got ''"),
        ("a\ud800b\ud800", r"got '\\ud800' at positions 1 and 3"),
    ],
)
def test_wrong_symbols(symbols, message):
    with pytest.raises(ValueError, match=message):
        Codec(symbols)


@pytest.mark.parametrize("call", [distinct, Codec, Codec("a").encode])
def test_text_must_be_a_str(call):
    with pytest.raises(TypeError, match="must be a str, got bytes"):
        call(b"a")


def test_a_subclass_of_str_is_a_str():
    text = np.str_("abca")
    codec = Codec(np.str_(distinct(text)))
    assert codec.encode(text) == b"\x00\x01\x02\x00"
    assert type(codec.symbols) is str


@pytest.mark.parametrize("ids", [np.zeros((2, 2), np.uint8), np.zeros(3, np.complex128)])
def test_decode_refuses_other_buffers(ids):
    with pytest.raises(TypeError, match=r"ids must be integers \[L\], got"):
        Codec("a").decode(ids)


def test_decode_refuses_ids_that_are_not_aligned():
    ids = np.zeros(25, np.uint8)[1:].view(np.uint64)
    with pytest.raises(TypeError, match="ids must be aligned to their 8 bytes"):
        Codec("a").decode(ids)
    assert Vocabulary("a").decode(ids) == "aaa"


def test_no_wide_copy_is_made():
    text = "the same words again and again. " * 100_000
    codec = Codec(distinct(text))
    tracemalloc.start()
    try:
        ids = codec.encode(text)
        back = codec.decode(ids)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert back == text
    assert peak < 2.01 * len(text), "more than the ids and the new text"


def test_threads_share_a_codec():
    text = BORDERS * 20_000
    codec = Codec(distinct(text))
    results: list[str] = []
    threads = [threading.Thread(target=lambda: results.append(codec.decode(ids_of(codec, text)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [text] * 4
