"""MedQuAD's XML in every variant, packed in every way, becomes the notebook's table."""

import re
from pathlib import Path

import pandas as pd
import pytest

from tests.training.conftest import DOCUMENTS, GARD, write_archive
from training.data.medquad import ALL_COLLECTIONS, NOTEBOOK_COLUMNS, read_table
from training.errors import DataError
from training.prepare import DIGEST


def write_directory(path: Path, documents: dict[str, str]) -> Path:
    for name, text in documents.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text, encoding="utf-8")
    return path


def changed(**texts: str) -> dict[str, str]:
    """The made-up documents with the GARD one edited."""
    text = GARD
    for old, new in texts.items():
        assert old in text
        text = text.replace(old, new)
    return DOCUMENTS | {"2_GARD_QA/0000009.xml": text}


def test_every_variant_becomes_rows_in_the_notebooks_order(archive: Path) -> None:
    table, _ = read_table(archive)
    assert table[["Collection", "File", "QuestionId", *NOTEBOOK_COLUMNS]].to_numpy().tolist() == [
        [
            *("2_GARD_QA", "0000009.xml", "0000009-1"),
            *("Wheeze & Co", "C0000001", "T047", "Disorders"),
            *("What is (are) Wheeze ?", "Key Points - A whistle. A whistle in the chest."),
        ],
        [
            *("2_GARD_QA", "0000009.xml", "0000009-2"),
            *("Wheeze & Co", "C0000001", "T047", "Disorders"),
            *("How is Wheeze treated ?", ""),
        ],
        [
            *("6_NINDS_QA", "0000007.xml", "0000007-1"),
            *("Holmes-Adie", "C0000007", "T033", "Disorders"),
            *("what is holmes-adie syndrome ?", "A pupil that is slow to close."),
        ],
        [
            *("9_CDC_QA", "0000199.xml", "0000199-12", "", "", "", ""),
            *("how vaccines prevent disease", "They teach the body’s defences."),
        ],
        [
            *("9_CDC_QA", "0000397.xml", "0000397-12", "", "", "", ""),
            *("how vaccines prevent disease", "They teach the body’s defences."),
        ],
    ]


def test_each_row_says_where_it_comes_from(archive: Path) -> None:
    table, _ = read_table(archive)
    assert table["Source"].tolist() == ["GARD", "GARD", "NINDS", "CDC", "CDC"]
    assert table["LowerCaseSchema"].tolist() == ["", "", "1", "", ""]
    first = table.iloc[0]
    assert first["QuestionType"] == "information"
    assert first["URL"] == "https://example.org/wheeze"
    assert first["Synonyms"] == "Whistling breath|Squeak"
    assert first["AllCUIs"] == "C0000001|C0000002"


def test_packing_changes_neither_rows_nor_digest(archive: Path, tmp_path: Path) -> None:
    table, digest = read_table(archive)
    backwards = dict(reversed(DOCUMENTS.items()))
    for other in (
        write_directory(tmp_path / "clone", DOCUMENTS),
        write_directory(tmp_path / "deeper" / "MedQuAD-main", DOCUMENTS).parent,
        write_archive(tmp_path / "flat.zip", backwards, root=""),
    ):
        same, same_digest = read_table(other)
        pd.testing.assert_frame_equal(same, table)
        assert same_digest == digest


def test_the_digest_follows_the_content(archive: Path, tmp_path: Path) -> None:
    _, digest = read_table(archive)
    other = write_archive(tmp_path / "other.zip", changed(whistle="whisper"))
    renamed = {name.replace("0000009", "0000008"): text for name, text in DOCUMENTS.items()}
    assert read_table(other)[1] != digest
    assert read_table(write_archive(tmp_path / "renamed.zip", renamed))[1] != digest


def test_a_csv_in_the_notebooks_format_is_a_table_too(tmp_path: Path) -> None:
    source = tmp_path / "seed.csv"
    source.write_text(
        "Question,Answer,Focus,CUI,SemanticType,SemanticGroup,Mine\n"
        '"What  is NA ?","Two\nlines",NA,C0000009,T047,Disorders,x\n',
        encoding="utf-8",
    )
    table, digest = read_table(source)
    assert table[NOTEBOOK_COLUMNS].iloc[0].tolist() == [
        *("NA", "C0000009", "T047", "Disorders", "What is NA ?", "Two lines")
    ]
    assert "Mine" not in table.columns
    assert table["AllCUIs"].tolist() == ["C0000009"]
    archive_columns = read_table(write_archive(tmp_path / "a.zip", DOCUMENTS))[0].columns
    assert table.columns.tolist() == archive_columns.tolist()
    assert len(digest) == 64


def csv_of(*rows: str) -> str:
    return "\n".join(["Focus,CUI,SemanticType,SemanticGroup,Question,Answer", *rows]) + "\n"


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape(f"{tmp_path}/nowhere.zip: no such file")):
        read_table(tmp_path / "nowhere.zip")


def test_an_archive_cut_short_is_named(archive: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"MedQuAD\.zip: not a readable zip archive"):
        read_table(archive)


@pytest.mark.parametrize("flipped", [0x01, 0x55, 0xFF])
def test_an_archive_with_damaged_content_is_named(archive: Path, flipped: int) -> None:
    content = bytearray(archive.read_bytes())
    start = content.index(b"2_GARD_QA/0000009.xml") + len("2_GARD_QA/0000009.xml")
    for offset in range(start, start + 100):
        content[offset] ^= flipped
    archive.write_bytes(content)
    with pytest.raises(DataError, match=r"MedQuAD\.zip: not a readable zip archive"):
        read_table(archive)


def test_a_file_that_is_no_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Buy milk")
    with pytest.raises(DataError, match=r"notes\.txt: not a readable zip archive"):
        read_table(tmp_path / "notes.txt")


def test_a_source_without_medquad_is_named(tmp_path: Path) -> None:
    others = {"holiday/1.xml": "<a/>", "10_MPlus_ADAM_QA/0000001.xml": GARD}
    for source in (
        write_archive(tmp_path / "photos.zip", others),
        write_directory(tmp_path / "photos", others),
    ):
        with pytest.raises(DataError, match=f"{source}: no MedQuAD documents"):
            read_table(source)


def test_a_csv_without_the_columns_names_them(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("Focus,Text,Reply\na,b,c\n")
    with pytest.raises(DataError, match=r"mine\.csv: lacks .*Question, Answer; .*'Text', 'Reply'"):
        read_table(tmp_path / "mine.csv")


@pytest.mark.parametrize(
    ("rows", "message"),
    [(["a,b,c,d,e,f,g"], "more fields than its first line"), ([], "no question below")],
)
def test_a_csv_whose_rows_do_not_fit_is_named(
    tmp_path: Path, rows: list[str], message: str
) -> None:
    (tmp_path / "mine.csv").write_text(csv_of(*rows))
    with pytest.raises(DataError, match=rf"mine\.csv: .*{message}"):
        read_table(tmp_path / "mine.csv")


def test_what_is_no_file_though_it_is_named_like_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "clone" / "2_GARD_QA" / "0000009.xml").mkdir(parents=True)
    with pytest.raises(DataError, match=r"folder\.csv: not a readable CSV"):
        read_table(tmp_path / "folder.csv")
    with pytest.raises(DataError, match=r"clone: not a readable directory: .*0000009\.xml"):
        read_table(tmp_path / "clone")


@pytest.mark.parametrize("content", [b"", b'Question,Answer\n"a', b"Question,Answer\na,b,c\n"])
def test_a_csv_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mine.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"mine\.csv: not a readable CSV"):
        read_table(tmp_path / "mine.csv")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("</QAPairs>", "", "2_GARD_QA/0000009.xml: not well-formed XML"),
        ("Document", "Letter", "2_GARD_QA/0000009.xml: <Letter> is no MedQuAD document"),
        ("Question ", "Query ", "2_GARD_QA/0000009.xml: not well-formed XML"),
        ("Question", "Query", "2_GARD_QA/0000009.xml: a pair has no question"),
    ],
)
def test_a_broken_document_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    source = write_archive(tmp_path / "broken.zip", changed(**{old: new}))
    with pytest.raises(DataError, match=message):
        read_table(source)


def test_a_document_of_absurd_size_is_refused(tmp_path: Path) -> None:
    huge = DOCUMENTS | {"1_CancerGov_QA/0000001_1.xml": " " * (16 * 2**20 + 1)}
    with pytest.raises(DataError, match=r"0000001_1\.xml: 16,777,217 bytes is no MedQuAD document"):
        read_table(write_archive(tmp_path / "huge.zip", huge))


def test_documents_of_absurd_size_together_are_refused(tmp_path: Path) -> None:
    spaces = " " * 16 * 2**20
    many = {f"1_CancerGov_QA/{number}.xml": spaces for number in range(17)}
    with pytest.raises(DataError, match=r"many\.zip: over 268,435,456 bytes of XML"):
        read_table(write_archive(tmp_path / "many.zip", many))


def test_documents_without_questions_are_named(tmp_path: Path) -> None:
    empty = {"2_GARD_QA/0000009.xml": "<Document><Focus>Wheeze</Focus></Document>"}
    with pytest.raises(DataError, match=r"empty\.zip: no question in any of its 1 documents"):
        read_table(write_archive(tmp_path / "empty.zip", empty))


def _declaring(*entities: str) -> dict[str, str]:
    """The made-up documents with entities declared and the last one used."""
    names = [entity.split()[0] for entity in entities]
    declared = "".join(f"<!ENTITY {entity}>" for entity in entities)
    return changed(
        **{
            "<Document ": f"<!DOCTYPE Document [{declared}]><Document ",
            "Wheeze &amp; Co": f"&{names[-1]};",
        }
    )


def test_an_entity_bomb_is_refused_before_it_unfolds(tmp_path: Path) -> None:
    laughs = ['e0 "ha"', *(f'e{n} "{f"&e{n - 1};" * 10}"' for n in range(1, 10))]  # 2 GB
    with pytest.raises(DataError, match=r"0000009\.xml: .*amplification"):
        read_table(write_archive(tmp_path / "bomb.zip", _declaring(*laughs)))


def test_a_document_cannot_read_other_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    documents = _declaring(f'outside SYSTEM "{(tmp_path / "secret").as_uri()}"')
    with pytest.raises(DataError, match="undefined entity &outside"):
        read_table(write_archive(tmp_path / "curious.zip", documents))


def test_no_path_of_an_archive_is_written_to(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    archive = write_archive(inside / "slip.zip", {"../2_GARD_QA/0000009.xml": GARD}, root="")
    assert len(read_table(archive)[0]) == 2
    assert list(tmp_path.rglob("*")) == [inside, archive]


def test_medquad_itself_is_the_notebooks_csv_row_by_row(
    medquad: tuple[pd.DataFrame, str], reference: Path
) -> None:
    table, digest = medquad
    assert digest == DIGEST
    assert len(table) == 16_428
    seed = table.loc[table["LowerCaseSchema"] == "", NOTEBOOK_COLUMNS].reset_index(drop=True)
    missing = {"Focus": 14, "CUI": 565, "SemanticType": 597, "SemanticGroup": 565}
    assert (seed == "").sum().to_dict() == missing | {"Question": 0, "Answer": 5}
    expected = pd.read_csv(reference / "seed.csv.gz", dtype=str, keep_default_na=False)
    assert len(expected) == 16_412
    pd.testing.assert_frame_equal(seed, expected)


def test_an_archive_packed_by_a_mac_is_read(archive: Path, tmp_path: Path) -> None:
    macs = {"__MACOSX/2_GARD_QA/._0000009.xml": "\0\5\26\7", "2_GARD_QA/._0000009.xml": "\0\5"}
    packed = write_archive(tmp_path / "mac.zip", DOCUMENTS | macs)
    unpacked = write_directory(tmp_path / "mac", DOCUMENTS | macs)
    for source in (packed, unpacked):
        assert read_table(source)[1] == read_table(archive)[1]


def test_an_archive_with_backslashes_is_read(archive: Path, tmp_path: Path) -> None:
    windows = {name.replace("/", "\\"): text for name, text in DOCUMENTS.items()}
    packed = write_archive(tmp_path / "windows.zip", windows)
    assert read_table(packed)[1] == read_table(archive)[1]


def test_a_table_has_no_collections_to_choose_from(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(csv_of("a,b,c,d,e,f"))
    with pytest.raises(DataError, match=r"mine\.csv: no MedQuAD documents"):
        read_table(tmp_path / "mine.csv", ALL_COLLECTIONS)
