import codecs
import gzip
import io
import json
import zipfile

import numpy as np
import pytest

from toolkit.base.errors import UserError
from toolkit.files import encodings as encoding
from toolkit.files.encodings import detect_encoding, guess_encoding

LINES = [
    "text,label",
    *(f"房间干净，服务很好 {i},好评" for i in range(20)),
    *(f"再也不会去了 {i},差评" for i in range(20)),
]
TEXT = "".join(line + "\n" for line in LINES)
WITH_ONE = TEXT.replace("很好", "一流")  # U+4E00, whose UTF-16 has a zero byte where ASCII has none
FOUR_BYTES = TEXT.replace("很好", "𠮷㐂")  # characters that GBK lacks and GB18030 writes in four bytes
TRADITIONAL = (
    "text,label\n房間乾淨，服務親切,好評\n早餐豐盛，設備齊全,好評\n隔音太差，睡不著覺,差評\n價錢貴，電視壞了,差評\n"
)
BIG_ENDIAN, LITTLE_ENDIAN = codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE


def detect(path) -> str:
    with path.open("rb") as stream:
        return detect_encoding(stream, path.name)


def with_byte(data: bytes, at: int, byte: int = 0xFF) -> bytes:
    return data[:at] + bytes([byte]) + data[at + 1 :]


ENCODED = [
    pytest.param(TEXT.encode("utf-8"), TEXT, id="utf-8"),
    pytest.param(codecs.BOM_UTF8 + TEXT.encode("utf-8"), TEXT, id="utf-8 with BOM"),
    pytest.param(TEXT.encode("gbk"), TEXT, id="GBK"),
    pytest.param(TEXT.encode("gb18030"), TEXT, id="GB18030"),
    pytest.param(TRADITIONAL.encode("gbk"), TRADITIONAL, id="traditional characters in GBK"),
    pytest.param(FOUR_BYTES.encode("gb18030"), FOUR_BYTES, id="GB18030 with four-byte characters"),
    pytest.param(LITTLE_ENDIAN + TEXT.encode("utf-16-le"), TEXT, id="UTF-16-LE with BOM"),
    pytest.param(BIG_ENDIAN + TEXT.encode("utf-16-be"), TEXT, id="UTF-16-BE with BOM"),
    pytest.param(TEXT.encode("utf-16-le"), TEXT, id="UTF-16-LE"),
    pytest.param(TEXT.encode("utf-16-be"), TEXT, id="UTF-16-BE"),
    pytest.param(WITH_ONE.encode("utf-8"), WITH_ONE, id="utf-8 with U+4E00"),
    pytest.param(WITH_ONE.encode("gb18030"), WITH_ONE, id="GB18030 with U+4E00"),
    pytest.param(LITTLE_ENDIAN + WITH_ONE.encode("utf-16-le"), WITH_ONE, id="UTF-16-LE with BOM and U+4E00"),
    pytest.param(WITH_ONE.encode("utf-16-le"), WITH_ONE, id="UTF-16-LE with U+4E00"),
    pytest.param(WITH_ONE.encode("utf-16-be"), WITH_ONE, id="UTF-16-BE with U+4E00"),
    pytest.param(b"text,label\ngood,1\n", "text,label\ngood,1\n", id="ASCII"),
    pytest.param("text,label\ngood,1\n".encode("utf-16-le"), "text,label\ngood,1\n", id="English in UTF-16-LE"),
    pytest.param("text,label\ncafé,1\n".encode(), "text,label\ncafé,1\n", id="French in utf-8"),
]


@pytest.mark.parametrize(("data", "text"), ENCODED)
def test_a_file_is_decoded_to_the_text_that_was_encoded(tmp_path, data, text):
    path = tmp_path / "rows.csv"
    path.write_bytes(data)
    assert data.decode(detect(path)) == text


@pytest.mark.parametrize(("data", "text"), ENCODED)
def test_the_first_bytes_of_a_stream_are_enough_to_decode_it(data, text):
    assert data.decode(guess_encoding(data, "standard input")) == text


def test_the_four_byte_characters_of_these_tests_take_four_bytes_indeed():
    assert [len(character.encode("gb18030")) for character in "𠮷㐂好"] == [4, 4, 2]


@pytest.mark.parametrize("block", [1, 2, 3, 7])
@pytest.mark.parametrize("name", ["utf-8", "gb18030"])
def test_characters_may_lie_across_the_blocks_that_are_read(tmp_path, monkeypatch, block, name):
    monkeypatch.setattr(encoding, "BLOCK_BYTES", block)
    (tmp_path / "rows.csv").write_bytes(TEXT.encode(name))
    assert detect(tmp_path / "rows.csv") == name


def test_an_empty_file_is_utf_8(tmp_path):
    (tmp_path / "rows.csv").touch()
    assert detect(tmp_path / "rows.csv") == "utf-8"


def test_no_single_damaged_byte_turns_a_utf_8_file_into_another_encoding(tmp_path):
    path, data = tmp_path / "rows.csv", TEXT.encode()
    row = range(data.index(b"\n") + 1, data.index(b"\n", 60))
    for at in row:
        for byte in (0xFF, 0x80, 0xC4, 0xE8):
            path.write_bytes(with_byte(data, at, byte))
            assert detect(path) == "utf-8", (at, byte)


def test_a_file_that_ends_within_a_character_keeps_its_encoding(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(TEXT.encode()[:-2])
    assert detect(path) == "utf-8"


def test_a_damaged_byte_leaves_a_gb18030_file_gb18030(tmp_path):
    path, data = tmp_path / "rows.csv", TEXT.encode("gb18030")
    path.write_bytes(with_byte(data, data.index("服".encode("gb18030"))))
    assert detect(path) == "gb18030"


def test_a_line_of_another_encoding_is_outvoted(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(TEXT.encode("gb18030") + "这一行是别的编码,好评\n".encode())
    assert detect(path) == "gb18030"
    path.write_bytes(TEXT.encode() + "这一行是别的编码,好评\n".encode("gb18030"))
    assert detect(path) == "utf-8"


@pytest.mark.parametrize("byte", [0xFF, 0xE8])
@pytest.mark.parametrize("text", ["房间很大", "房间很大的"], ids=["four characters", "five characters"])
def test_a_damaged_byte_in_a_json_array_on_one_line_leaves_it_utf_8(tmp_path, byte, text):
    rows = [{"text": text, "label": "好评"} for _ in range(50)]
    data = json.dumps(rows, ensure_ascii=False).encode()
    path = tmp_path / "rows.json"
    path.write_bytes(with_byte(data, data.index("大".encode()) + 1, byte))
    assert detect(path) == "utf-8"


WESTERN = {
    "French": "un très bel été à la mer,1\nle garçon était désagréable,0\nça coûte 20 € de trop,0\nà bientôt,1\n",
    "German": "schöne Grüße aus München,1\ndas Frühstück war übel,0\nfür die Größe zu teuer,0\n",
    "Spanish": "mañana será otro día,1\nel niño comió aquí,1\nno volveré jamás,0\n",
    "Portuguese": "a localização é boa,1\nnão há informação,0\numa decepção,0\natenção ótima,1\n",
    "Finnish": "hyvää päivää,1\ntänään on kylmä sää,0\nei enää ikinä,0\n",
    "Swedish": "en fin utsikt över ån,1\ndålig städning på rummet,0\n",
}


@pytest.mark.parametrize("name", ["cp1252", "iso8859-15"])
@pytest.mark.parametrize("language", WESTERN)
def test_western_encodings_are_read_as_they_are_or_refused_and_not_read_as_chinese(tmp_path, language, name):
    path = tmp_path / "western.csv"
    content = ("text,label\n" + WESTERN[language]).encode(name)
    path.write_bytes(content)
    try:
        assert content.decode(detect(path)) == content.decode(name)
    except UserError as error:
        assert "western.csv is neither utf-8, GB18030 nor UTF-16 text; --encoding" in str(error)


def binary(kind: str) -> bytes:
    stream, values = io.BytesIO(), np.random.default_rng(0).standard_normal(500)
    if kind == "npy":
        np.save(stream, values)
    elif kind == "npz":
        np.savez_compressed(stream, values=values)
    elif kind == "xlsx":
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in ("[Content_Types].xml", "xl/workbook.xml", "xl/worksheets/sheet1.xml"):
                archive.writestr(zipfile.ZipInfo(name), f"<worksheet>{values.tolist()}</worksheet>")
    elif kind == "gzip":
        stream.write(gzip.compress(TEXT.encode() + values.tobytes(), mtime=0))
    else:
        stream.write(np.random.default_rng(0).bytes(20_000))
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["npy", "npz", "xlsx", "gzip", "noise"])
def test_a_binary_file_is_refused(tmp_path, kind):
    path = tmp_path / "binary.csv"
    path.write_bytes(binary(kind))
    with pytest.raises(UserError, match=r"binary\.csv is neither"):
        detect(path)


@pytest.mark.parametrize("name", ["utf-8", "gb18030"])
@pytest.mark.parametrize("cut", [1, 2, 3, 4, 5])
def test_the_head_of_a_stream_may_end_within_a_character(name, cut):
    head = TEXT.encode(name)
    assert guess_encoding(head[: len(head) // 2 + cut], "standard input") == name


@pytest.mark.parametrize("size", [8190, 8191, 8192])
@pytest.mark.parametrize("name", ["utf-8", "gb18030"])
def test_the_head_of_a_stream_may_be_the_beginning_of_one_long_line(name, size):
    head = ("房间很大" * 5000).encode(name)[:size]
    assert guess_encoding(head, "standard input") == name
