import gzip
import io
import zipfile

import pandas as pd
import pytest

from tests.conftest import seen
from toolkit.base.errors import UserError
from toolkit.files.packed import ALWAYS_FITS, refuse_bomb, unpacked
from toolkit.formats.reading import open_source

CSV = "text,label\n" + "".join(f"第{i}间房,{'好' if i % 2 else '差'}\n" for i in range(300))


def zipped(path, **files: bytes | str):
    """Write a zip of files whose dots are written __ in the names of the arguments."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "."), content)
    return path


def rows(path, **kwargs) -> list[dict]:
    with open_source(path, **kwargs) as source:
        return [record.values for record in seen(source)]


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16"])
@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_of_one_file_is_read_as_the_file(tmp_path, packing, encoding):
    with zipfile.ZipFile(tmp_path / "rows.csv.zip", "w", packing) as archive:
        archive.writestr("folder/rows.csv", CSV.encode(encoding))
    with open_source(tmp_path / "rows.csv.zip") as source:
        remarks = ["read as GB18030 (Chinese)"] if encoding == "gb18030" else []
        assert (source.format, source.unit, [*map(str, source.taken_for)]) == ("csv", "line", remarks)
        records = seen(source)
    (tmp_path / "rows.csv").write_text(CSV, encoding="utf-8")
    with open_source(tmp_path / "rows.csv") as source:
        assert records == seen(source)
    assert len(records) == 300


@pytest.mark.parametrize(
    ("name", "inside", "content", "said"),
    [
        ("rows.zip", "train.csv", "text,label\na,1\n", ["zip of train.csv"]),
        ("rows.zip", "train.jsonl", '{"text": "a", "label": "1"}\n', ["zip of train.jsonl"]),
        ("rows.csv.zip", "train.tsv", "text\tlabel\na\t1\n", ["zip of train.tsv"]),
        ("rows.ZIP", "train", "text,label\na,1\n", ["zip of train", "csv by its content"]),
        ("rows.ndjson.zip", "rows.ndjson", '{"text": "a", "label": "1"}\n', []),
        ("rows", "train.csv", "text,label\na,1\n", ["zip of train.csv"]),
    ],
)
def test_the_format_is_that_of_what_is_in_the_zip_and_is_said_where_the_name_does_not(
    tmp_path, name, inside, content, said
):
    path = zipped(tmp_path / name, **{inside.replace(".", "__"): content})
    with open_source(path) as source:
        assert [record.values for record in seen(source)] == [{"text": "a", "label": "1"}]
        assert [*map(str, source.taken_for)] == said


def test_what_a_mac_and_windows_put_into_a_zip_does_not_count(tmp_path):
    with zipfile.ZipFile(tmp_path / "rows.csv.zip", "w") as archive:
        archive.mkdir("folder") if hasattr(archive, "mkdir") else archive.writestr("folder/", "")
        archive.writestr("folder/rows.csv", CSV)
        for name in ("__MACOSX/folder/._rows.csv", "folder/.DS_Store", "Thumbs.db"):
            archive.writestr(name, b"\0\1")
    assert len(rows(tmp_path / "rows.csv.zip")) == 300


@pytest.mark.parametrize("name", ["rows.csv.zip", "rows.zip", "rows"])
def test_a_zip_of_several_files_is_refused_by_their_names(tmp_path, name):
    path = zipped(tmp_path / name, train__csv=CSV, test__csv=CSV)
    with pytest.raises(UserError, match=r"holds 2 files \('train.csv', 'test.csv'\); unpack it and name the one"):
        open_source(path)
    path = zipped(tmp_path / name, **{f"part{i}__csv": CSV for i in range(40)})
    with pytest.raises(UserError, match=r"holds 40 files \('part0.csv', .* and 35 more\)"):
        open_source(path)


def test_a_zip_of_nothing_is_refused(tmp_path):
    for files in ({}, {"folder/": b""}):
        with pytest.raises(UserError, match=r"rows.csv.zip: holds no file; unpack it"):
            open_source(zipped(tmp_path / "rows.csv.zip", **files))


@pytest.mark.parametrize("kept", [0.2, 0.9, 0.99])
def test_a_zip_that_breaks_off_is_an_error_with_its_name(tmp_path, kept):
    path = zipped(tmp_path / "rows.csv.zip", rows__csv=CSV)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(UserError, match=r"rows.csv.zip: cannot be read \(File is not a zip file\)"):
        open_source(path)


@pytest.mark.parametrize("name", ["rows.csv.zip", "rows.json.zip"])
def test_a_zip_whose_content_is_damaged_is_an_error_with_its_name(tmp_path, name):
    path = zipped(tmp_path / name, rows__csv=CSV)
    data = bytearray(path.read_bytes())
    data[200:260] = bytes(60)
    path.write_bytes(data)
    with pytest.raises(UserError, match=rf"{name}: cannot be read \("):
        rows(path)


def test_a_zip_with_a_password_is_refused(tmp_path):
    path = zipped(tmp_path / "rows.csv.zip", rows__csv=CSV)
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match="protected by a password; unpack it first"):
        open_source(path)


def test_what_grows_out_of_all_proportion_is_refused_before_it_is_unpacked():
    bomb = zipfile.ZipInfo("rows.csv")
    bomb.file_size, bomb.compress_size = 10 * ALWAYS_FITS, ALWAYS_FITS // 1000
    with pytest.raises(UserError, match=r"^a.zip: unpacks to 10.7 GB, more than 200 times its size"):
        refuse_bomb("a.zip", [bomb])
    large = zipfile.ZipInfo("rows.csv")
    large.file_size, large.compress_size = 10 * ALWAYS_FITS, ALWAYS_FITS
    repeated = zipfile.ZipInfo("rows.csv")
    repeated.file_size, repeated.compress_size = 10_000_000, 10_000
    refuse_bomb("a.zip", [large, repeated])


def test_a_gz_file_whatever_it_is_called_is_unpacked_and_that_is_said(tmp_path):
    for name, said in (
        ("a.csv.gz", []),
        ("b.csv", ["packed with gzip"]),
        ("c", ["packed with gzip", "csv by its content"]),
    ):
        (tmp_path / name).write_bytes(gzip.compress(CSV.encode()))
        with open_source(tmp_path / name) as source:
            assert len(seen(source)) == 300
            assert [*map(str, source.taken_for)] == said
    (tmp_path / "d.gz").write_bytes(gzip.compress(CSV.encode()))
    assert len(rows(tmp_path / "d.gz")) == 300


@pytest.mark.parametrize("packing", ["gz", "zip"])
def test_packed_parquet_is_read_by_way_of_a_copy_that_is_gone_afterwards(tmp_path, packing):
    pytest.importorskip("pyarrow")
    stream = io.BytesIO()
    pd.DataFrame({"text": ["a", "b"], "label": [1, 2]}).to_parquet(stream, index=False)
    path = tmp_path / f"rows.parquet.{packing}"
    if packing == "gz":
        path.write_bytes(gzip.compress(stream.getvalue()))
    else:
        zipped(path, rows__parquet=stream.getvalue())
    assert rows(path) == [{"text": "a", "label": 1}, {"text": "b", "label": 2}]
    assert list(tmp_path.iterdir()) == [path]


def test_the_content_of_a_file_can_be_opened_again_and_again(tmp_path):
    path = zipped(tmp_path / "rows.csv.zip", rows__csv=CSV)
    content = unpacked(path)
    for _ in range(3):
        with content.open() as stream:
            assert stream.read() == CSV.encode()
    assert content.head(4) == b"text"
