"""A hundred damaged copies each of a good CSV and a good zip: read, or refused in one line.

What is read is prepared whole, and holds no text that the original does not.
"""

import csv
import io
import random
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.training.conftest import document, write_archive
from training.errors import DataError
from training.prepare import prepare

FOCI = ["Asthma", "Diabetes", "Gout", "Measles", "Mumps", "Rickets"]
PAIRS = {
    f"What is the {aspect} of {focus} ?": f"{aspect} of {focus}: {focus * 3} “{aspect}”, {place}"
    for focus in FOCI
    for place, aspect in enumerate(("cause", "cure", "outlook", "sign"))
}
FILLERS = ["", "NaN", "None", "?", "\0", "a\nb", 'a"b', "x" * 70_000, "é" * 20]
WORDS = set(re.findall(r"\w+", " ".join([*PAIRS, *PAIRS.values()])))

Mutation = Callable[[bytes, random.Random], bytes]


def good_csv() -> bytes:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["Focus", "CUI", "SemanticType", "SemanticGroup", "Question", "Answer"])
    for question, answer in PAIRS.items():
        focus = question.split()[-2]
        writer.writerow([focus, f"C{len(focus)}", "T047", "Disorders", question, answer])
    return file.getvalue().encode()


def documents() -> dict[str, str]:
    return {
        f"5_NIDDK_QA/{number:07}.xml": document(
            focus, {question: answer for question, answer in PAIRS.items() if focus in question}
        )
        for number, focus in enumerate(FOCI)
    }


@pytest.fixture(scope="module")
def good_zip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_archive(tmp_path_factory.mktemp("good") / "good.zip", documents()).read_bytes()


def cut(content: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(content))
    return content[:start] + content[start + chance.randrange(1, 400) :]


def end_early(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content))]


def flip(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.randrange(1, 6)):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def insert(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content))
    return content[:place] + chance.randbytes(chance.randrange(1, 9)) + content[place:]


def swap_blocks(content: bytes, chance: random.Random) -> bytes:
    first, second = sorted(chance.sample(range(len(content)), 2))
    return content[first:second] + content[:first] + content[second:]


def cells(content: bytes, chance: random.Random) -> bytes:
    """Change the CSV's table: a header renamed, a column or rows dropped, values swapped."""
    rows = list(csv.reader(io.StringIO(content.decode())))
    row, column = chance.randrange(len(rows)), chance.randrange(6)
    match chance.randrange(5):
        case 0:
            rows[0][column] = chance.choice(["", "Text", "Question", "ANSWER", " focus "])
        case 1:
            rows = [cells[:column] + cells[column + 1 :] for cells in rows]
        case 2:
            rows = rows[: chance.randrange(1, 4)]
        case 3:
            rows[row][column] = chance.choice(FILLERS)
        case _:
            rows[row] = rows[row][:column] + ["more"] * chance.randrange(4)
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    return file.getvalue().encode()


def members(content: bytes, chance: random.Random) -> bytes:
    """Change what is in the zip: files dropped, renamed, emptied, doubled, their XML damaged."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    name = chance.choice(sorted(files))
    text = files.pop(name)
    match chance.randrange(6):
        case 0:
            files = dict(list(files.items())[: chance.randrange(3)])
        case 1:
            files[name.replace("5_NIDDK_QA", chance.choice(["QA", "99_X", "5_NIDDK_QA/x"]))] = text
        case 2:
            files[name] = chance.choice([b"", b"\0", b"<Document/>", b"<a>", b"\xff\xfe<"])
        case 3:
            files[name] = text.replace(b"Answer", chance.choice([b"Reply", b"Question", b""]))
        case 4:
            files |= {name: text, name.replace(".xml", "b.xml"): text}
        case _:
            files[name] = flip(text, chance)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for each, text in files.items():
            archive.writestr(each, text)
    return file.getvalue()


ANY: list[Mutation] = [cut, end_early, flip, insert, swap_blocks]


def outcome(path: Path, content: bytes) -> pd.DataFrame | str:
    """Prepare a file; return the table that was written, or the line that was told."""
    path.write_bytes(content)
    try:
        prepare(path, path.parent / "data")
    except DataError as error:
        return str(error)
    return pd.read_csv(path.parent / "data" / "medquad.csv", dtype=str, keep_default_na=False)


def check(found: pd.DataFrame | str, path: Path) -> bool:
    """Check an outcome; return whether the file was read."""
    if isinstance(found, str):
        assert "\n" not in found
        assert path.name in found or ".xml" in found
        return False
    kept = found[found["Keep"] == "1"]
    assert len(kept)
    assert (kept[["QuestionClean", "AnswerClean", "Split"]] != "").all(axis=None)
    assert not set(kept["AnswerClean"].str.lower()) & {"nan", "none", "null"}
    assert not kept["AnswerClean"].str.contains("[\0\n]").any()
    return True


@pytest.mark.parametrize("tenth", range(10))
def test_damaged_csvs(tmp_path: Path, tenth: int) -> None:
    path = tmp_path / "mine.csv"
    read = 0
    for seed in range(10 * tenth, 10 * tenth + 10):
        chance = random.Random(seed)
        mutation = chance.choice([*ANY, cells, cells, cells])
        read += check(outcome(path, mutation(good_csv(), chance)), path)
    assert read > 0, "not everything is refused"


@pytest.mark.parametrize("tenth", range(10))
def test_damaged_zips(tmp_path: Path, good_zip: bytes, tenth: int) -> None:
    path = tmp_path / "mine.zip"
    for seed in range(10 * tenth, 10 * tenth + 10):
        chance = random.Random(seed)
        mutation = chance.choice([*ANY, members, members, members])
        found = outcome(path, mutation(good_zip, chance))
        check(found, path)
        if isinstance(found, pd.DataFrame) and mutation is not members:  # every file has its CRC
            words = set(re.findall(r"\w+", " ".join(found["Question"] + " " + found["Answer"])))
            assert words <= WORDS
