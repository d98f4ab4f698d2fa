"""A handful of prepared pairs, and a made-up MedQuAD in every variant of its XML."""

import csv
import resource
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pandas as pd
import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from training.data.medquad import read_table
from training.evaluation.questions import NEEDED

PAIRS = {
    "What is asthma?": "Asthma is a disease of the airways in the lungs.",
    "What is diabetes?": "Diabetes is a disease in which blood sugar is too high.",
    "How is diabetes treated?": "With diet, exercise and insulin.",
    "What is a stroke?": "A stroke happens when blood flow to the brain stops.",
}


COLUMNS = list(NEEDED)


def write_table(directory: Path, splits: dict[str, dict[str, str]]) -> Path:
    """Write `medquad.csv` with the columns that training reads; every question is a topic."""
    directory.mkdir(exist_ok=True)
    with (directory / "medquad.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for split, pairs in splits.items():
            seed_row = {"train": "train", "valid_seen": "valid"}.get(split, "")
            for question, answer in pairs.items():
                kind = "treatment" if "treated" in question else "information"
                writer.writerow(
                    [question, answer, kind, question, "NIH", "1", question, split, seed_row]
                )
    return directory


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Four pairs to train on; the same four, under other names, to validate and test on."""
    splits = ("train", "valid_seen", "valid_unseen", "test_unseen")
    return write_table(tmp_path / "data", dict.fromkeys(splits, PAIRS))


@pytest.fixture
def tokenizer(pair: Path) -> PreTrainedTokenizerBase:
    """A tokenizer with the markers and the template."""
    loaded: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(pair / "fine-tuned")
    return loaded


@pytest.fixture
def reading_tokenizer(reading_pair: Path) -> PreTrainedTokenizerBase:
    """A tokenizer with the marker of passages, too."""
    loaded: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(reading_pair / "fine-tuned")
    return loaded


@pytest.fixture
def full_disk() -> AbstractContextManager[None]:
    """While it is entered, the kernel refuses to let any file grow beyond a few kilobytes."""

    @contextmanager
    def limited() -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited()


@pytest.fixture(scope="session")
def reference() -> Path:
    """MedQuAD and what is known of it, where the workplace has them."""
    directory = Path(__file__).parents[3] / "shared" / "medquad"
    if not directory.is_dir():
        pytest.skip("MedQuAD is not at hand")
    return directory / "reference"


@pytest.fixture(scope="session")
def medquad(reference: Path) -> tuple[pd.DataFrame, str]:
    """The table of the real MedQuAD and its digest, for tests to read."""
    return read_table(next(reference.parent.glob("MedQuAD-*.zip")))


GARD = """<?xml version="1.0" encoding="UTF-8"?>
<Document id="0000009" source="GARD" url="https://example.org/wheeze">
<Focus>Wheeze &amp; Co</Focus>
<FocusAnnotations>
  <Category>Disease</Category>
  <UMLS>
    <CUIs><CUI>C0000001</CUI><CUI>C0000002</CUI></CUIs>
    <SemanticTypes><SemanticType>T047</SemanticType><SemanticType>T048</SemanticType></SemanticTypes>
    <SemanticGroup>Disorders</SemanticGroup>
  </UMLS>
  <Synonyms><Synonym>Whistling breath</Synonym><Synonym>Squeak</Synonym></Synonyms>
</FocusAnnotations>
<QAPairs>
  <QAPair pid="1">
    <Question qid="0000009-1" qtype="information">What is (are)  Wheeze ?</Question>
    <Answer>Key Points
          - A whistle.

          A	whistle in the chest.</Answer>
  </QAPair>
  <QAPair pid="2">
    <Question qid="0000009-2" qtype="treatment">How is Wheeze treated ?</Question>
    <Answer></Answer>
  </QAPair>
</QAPairs>
</Document>
"""

CDC = """<?xml version="1.0" encoding="UTF-8"?>
<{root} {key}="0000199" source="CDC" url="http://www.example.org/vaccines/">
<Focus></Focus>
<UMLS>
<CUI></CUI>
<SemanticType></SemanticType>
<SemanticGroup></SemanticGroup>
</UMLS>
<QAPairs>
<QAPair pid="12">
<Question qid="0000199-12" qtype="prevention">how vaccines prevent disease</Question>
<Answer>They teach the body’s defences.</Answer>
</QAPair>
</QAPairs>
</{root}>
"""

LOWER_CASE = """<?xml version="1.0" encoding="UTF-8"?>
<doc docid="0000007" corpus="NINDS" url="http://www.example.org/holmes_adie.htm">
<doctitle-focus>Holmes-Adie</doctitle-focus>
<umls>
<cui>C0000007</cui>
<semanticType>T033</semanticType>
<semanticGroup>Disorders</semanticGroup>
</umls>
<qaPairs>
<pair pid="1">
<question qid="0000007-1" qtype="information">what is holmes-adie syndrome ?</question>
<answer>A pupil that is slow to close.</answer>
</pair>
</qaPairs>
</doc>
"""

DOCUMENTS = {  # in no order
    "9_CDC_QA/0000397.xml": CDC.format(root="DiseaseFile", key="fid").replace("199", "397"),
    "10_MPlus_ADAM_QA/0000001.xml": GARD,
    "2_GARD_QA/0000009.xml": GARD,
    "QTestSet/readme.xml": "<nothing/>",
    "9_CDC_QA/0000199.xml": CDC.format(root="Document", key="id"),
    "6_NINDS_QA/0000007.xml": LOWER_CASE,
    "readme.txt": "MedQuAD, made up",
}


def write_archive(path: Path, documents: Mapping[str, str], root: str = "MedQuAD-main/") -> Path:
    """Pack documents as GitHub does, below one folder."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in documents.items():
            archive.writestr(f"{root}{name}", text)
    return path


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write_archive(tmp_path / "MedQuAD.zip", DOCUMENTS)


def document(focus: str, pairs: Mapping[str, str], source: str = "NIDDK") -> str:
    """Write one document's XML; nothing in the texts may need escaping."""
    return (
        f'<Document source="{source}"><Focus>{focus}</Focus><QAPairs>'
        + "".join(
            f'<QAPair><Question qid="{focus}-{number}" qtype="x">{question}</Question>'
            f"<Answer>{answer}</Answer></QAPair>"
            for number, (question, answer) in enumerate(pairs.items())
        )
        + "</QAPairs></Document>"
    )
