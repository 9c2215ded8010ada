"""Files in older encodings, made of a few words of each language that are put together at random."""

import csv
import io
import random

import pytest

import utils
from toolkit.base.errors import UserError
from toolkit.files.columns import Columns
from toolkit.files.encodings import detect_encoding
from toolkit.files.likely_encodings import NAMES, encoding_remark, likely_readings
from toolkit.formats.reading import open_source

SIMPLIFIED = [
    "房间很干净，服务员也非常热情",
    "早餐品种不多，味道一般",
    "这个手机的电池用了两天就没电了",
    "物流太慢，等了一个星期才到货",
    "电影的剧情很感人，值得再看一遍",
    "客服态度差，问题一直没有解决",
    "价格便宜，质量也不错，下次还会买",
    "屏幕有划痕，要求退货却没人理",
]
TRADITIONAL = [
    "房間很乾淨，服務員也非常熱情",
    "早餐種類不多，味道普通",
    "這支手機的電池用了兩天就沒電了",
    "物流太慢，等了一個星期才到貨",
    "電影的劇情很感人，值得再看一遍",
    "客服態度很差，問題一直沒有解決",
    "價格便宜，品質也不錯，下次還會買",
    "螢幕有刮痕，要求退貨卻沒人理",
]
KOREAN = [
    "방이 깨끗하고 직원들이 친절했어요",
    "아침 식사는 종류가 적고 맛도 그저 그랬어요",
    "배터리가 이틀 만에 다 닳아 버렸습니다",
    "배송이 너무 늦어서 일주일이나 기다렸어요",
    "영화가 감동적이어서 다시 보고 싶어요",
    "고객센터가 불친절하고 해결해 주지 않아요",
]
JAPANESE = [
    "部屋はとても清潔で、スタッフも親切でした",
    "朝食の種類が少なくて味も普通でした",
    "電池が二日で切れてしまいました",
    "配送が遅くて一週間も待たされました",
    "映画の話に感動して、また見たいと思います",
    "カスタマーサービスの対応が悪いです",
]
RUSSIAN = [
    "Номер был чистый, персонал очень приветливый",
    "Завтрак скудный и не очень вкусный",
    "Батарея разрядилась за два дня",
    "Доставка шла целую неделю, слишком долго",
    "Фильм трогательный, хочется пересмотреть",
    "Поддержка не решила мою проблему",
]
FRENCH = [
    "La chambre était très propre et le personnel agréable",
    "Le petit déjeuner n'était pas varié",
    "Déçu par la qualité, ça a cassé",
    "La livraison a été retardée d'une semaine entière",
    "Un très beau film, à voir même après l'été",
    "J'ai demandé un échange, refusé",
]
GERMAN = [
    "Das Zimmer war schön und das Personal äußerst höflich",
    "Das Frühstück war dürftig und überteuert",
    "Der Akku hält nur zwei Tage",
    "Die Lieferung kam erst nach einer Woche, schöne Grüße",
    "Ein rührender Film für die ganze Familie",
    "Für die Größe zu schwer",
]
WRITTEN = [
    pytest.param(SIMPLIFIED, "gb18030", "gb18030", id="simplified Chinese in GB18030"),
    pytest.param(SIMPLIFIED, "utf-8", "utf-8", id="simplified Chinese in utf-8"),
    pytest.param(TRADITIONAL, "big5", "big5hkscs", id="traditional Chinese in Big5"),
    pytest.param(TRADITIONAL, "gb18030", "gb18030", id="traditional Chinese in GB18030"),
    pytest.param(KOREAN, "cp949", "cp949", id="Korean in CP949"),
    pytest.param(KOREAN, "utf-8", "utf-8", id="Korean in utf-8"),
    pytest.param(JAPANESE, "cp932", "cp932", id="Japanese in Shift JIS"),
    pytest.param(JAPANESE, "euc_jp", "euc_jis_2004", id="Japanese in EUC-JP"),
    pytest.param(RUSSIAN, "cp1251", "cp1251", id="Russian in Windows-1251"),
    pytest.param(FRENCH, "cp1252", "cp1252", id="French in Windows-1252"),
    pytest.param(GERMAN, "cp1252", "cp1252", id="German in Windows-1252"),
]
LATIN = (FRENCH, GERMAN)


def file_of(texts: list[str], encoding: str, rows: int, seed: int) -> bytes:
    """Return a csv file of so many rows, each of one or two of the texts."""
    draw = random.Random(seed)
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(["text", "label"])
    for _ in range(rows):
        writer.writerow([" ".join(draw.choices(texts, k=draw.choice([1, 2]))), draw.choice(["pos", "neg"])])
    return stream.getvalue().encode(encoding)


def detected(data: bytes) -> str:
    """Return the encoding that a file is taken for, or what is said of one that is not."""
    try:
        return detect_encoding(io.BytesIO(data), "rows.csv")
    except UserError as error:
        return str(error)


@pytest.mark.parametrize(("texts", "encoding", "codec"), WRITTEN)
def test_two_hundred_files_of_each_language_are_read_as_they_were_written(texts, encoding, codec):
    rows = (40, 60, 100) if texts in LATIN else (4, 10, 30)
    taken = [detected(file_of(texts, encoding, rows[seed % 3], seed)) for seed in range(200)]
    assert set(taken) == {codec}


@pytest.mark.parametrize(("texts", "encoding", "codec"), WRITTEN)
def test_a_file_of_one_or_two_rows_is_read_as_it_was_written_or_asked_about(texts, encoding, codec):
    taken = [detected(file_of(texts, encoding, 1 + seed % 2, seed)) for seed in range(100)]
    questions = [answer for answer in taken if answer.startswith("rows.csv is ")]
    assert set(taken) - set(questions) <= {codec}
    assert all("--encoding" in question for question in questions)
    if codec in ("gb18030", "utf-8"):
        assert not questions


@pytest.mark.parametrize("words", ["好", "好评", "差评", "很好", "一般", "服务好", "太差了", "物流慢"])
def test_a_file_of_a_few_chinese_characters_is_gb18030(words):
    assert detected(f"text,label\nok,{words}\n".encode("gb18030")) == "gb18030"


@pytest.mark.parametrize(("texts", "encoding", "codec"), [case.values for case in WRITTEN if case.values[1] != "utf-8"])
def test_a_damaged_line_does_not_make_another_encoding_of_a_file(texts, encoding, codec):
    if texts in LATIN or texts is RUSSIAN:
        pytest.skip("every byte is a character there")
    lines = file_of(texts, encoding, 60, seed=5).splitlines(keepends=True)
    lines[30] = lines[30][:5] + b"\xff" + lines[30][5:]
    assert detected(b"".join(lines)) == codec


def test_english_with_a_programs_quotes_and_pounds_is_windows_1252():
    rows = [f"It\u2019s the best \u201clamp\u201d for \u00a3{i}, caf\u00e9 included,pos\n" for i in range(30)]
    assert detected(("text,label\n" + "".join(rows) + "plain,neg\n" * 50).encode("cp1252")) == "cp1252"


def test_where_several_readings_are_about_as_likely_they_are_named():
    answers = [detected(file_of(FRENCH, "cp1252", 3, seed)) for seed in range(60)]
    questions = [answer for answer in answers if answer.count("--encoding") > 1]
    assert len(questions) > 10
    for question in questions:
        assert question.startswith("rows.csv is not utf-8 text; it may be ")
        assert "Windows-1252 (Western European): --encoding cp1252" in question


def test_what_a_file_was_read_as_is_said(tmp_path):
    path = tmp_path / "rows.csv"
    for texts, encoding, remark in (
        (KOREAN, "cp949", "read as CP949 (Korean)"),
        (SIMPLIFIED, "gb18030", "read as GB18030 (Chinese)"),
        (RUSSIAN, "cp1251", "most likely Windows-1251 (Cyrillic)"),
    ):
        path.write_bytes(file_of(texts, encoding, 20, seed=1))
        table = utils.read_table(path, Columns())
        assert str(table.accounts()) == f"{path}: {remark}, 20 rows = 20 used + 0 rejected"
        assert set(" ".join(table.texts).split()) <= set(" ".join(texts).split())
        with open_source(path, encoding) as source:
            assert [*map(str, source.taken_for)] == []  # it was named
    path.write_bytes(file_of(SIMPLIFIED, "utf-8", 20, seed=1))
    assert utils.read_table(path, Columns()).taken_for == []


def test_every_encoding_has_a_codec_and_a_remark():
    for codec in NAMES:
        assert "а".encode(codec, "replace").decode(codec)
        assert NAMES[codec] in str(encoding_remark(codec))
    assert encoding_remark("utf-8-sig") is None


def test_bytes_that_no_text_has_are_of_no_encoding():
    assert likely_readings([bytes(range(1, 256))]).readings == []


@pytest.mark.parametrize(
    "odd",
    [
        "only £5 a night",
        "it’s “lovely”",
        "20°C – fine…",
        "the café was good",
        "Señor Muñoz",
        "½ price",
        "naïve Zoë ate crêpes",
    ],
)
def test_a_few_western_signs_in_a_file_of_ascii_are_read_as_windows_1252(odd):
    rows = [f"the room was good {number}" for number in range(200)]
    content = "\n".join(["text", *rows, *[odd] * 5, *rows]).encode("cp1252")
    assert detect_encoding(io.BytesIO(content), "a.csv") == "cp1252"


@pytest.mark.parametrize(
    "odd", [b"the \xff room", b"good \xc3", b"caf\xe9", b"caf\xe9\xe9", b"\x81 bad", "a£b é".encode() + b"\xa3"]
)
def test_other_damage_in_a_file_of_ascii_is_not_taken_for_another_encoding(odd):
    rows = [b"the room was good %d" % number for number in range(200)]
    assert detect_encoding(io.BytesIO(b"\n".join([b"text", *rows, odd, *rows])), "a.csv") == "utf-8"
