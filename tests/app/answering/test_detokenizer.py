"""Text comes out whole: no half characters, nothing of the stop text, nothing lost."""

from hypothesis import given, settings
from hypothesis import strategies as st

from app.answering.detokenizer import AnswerText
from app.engine.checkpoint import Checkpoint


def _plain_ids(checkpoint: Checkpoint, text: str) -> list[int]:
    ids: list[int] = checkpoint.tokenizer.encode(text)
    return ids


@settings(max_examples=100, deadline=None)
@given(text=st.text(st.characters(codec="utf-8"), max_size=80).filter(lambda t: "<end>" not in t))
def test_pieces_add_up_to_the_text(text: str, base: Checkpoint) -> None:
    answer = AnswerText(base.tokenizer, ["<end>"])
    pieces = [answer.push(token_id) for token_id in _plain_ids(base, text)]
    assert "".join(pieces) + answer.finish() == text
    assert not answer.stopped


@settings(max_examples=60, deadline=None)
@given(before=st.text("abc <en>é", max_size=20), after=st.text("abc <end>", max_size=20))
def test_nothing_of_the_stop_text_is_shown(before: str, after: str, base: Checkpoint) -> None:
    text = f"{before}<end>{after}"
    answer = AnswerText(base.tokenizer, ["<end>"])
    pieces = [answer.push(token_id) for token_id in _plain_ids(base, text)]
    shown = "".join(pieces) + answer.finish()
    assert answer.stopped
    assert shown == text[: text.index("<end>")]


@settings(max_examples=100, deadline=None)
@given(
    words=st.lists(st.sampled_from([" disease", " is", " the", " lungs"]), max_size=5),
    stops=st.lists(st.sampled_from(["dise", "is", "ea", "eas", "s t", "the l", " the", "n", "zz"])),
)
def test_the_stop_text_that_is_complete_first_ends_the_text(
    words: list[str], stops: list[str], base: Checkpoint
) -> None:
    text = "".join(words)
    ends = [at for at in range(len(text) + 1) if text[:at].endswith(tuple(stops) or ("never",))]
    read = text[: ends[0]] if ends else text
    longest = max((stop for stop in stops if ends and read.endswith(stop)), key=len, default="")
    answer = AnswerText(base.tokenizer, stops)
    pieces = [answer.push(token_id) for token_id in _plain_ids(base, text)]
    assert "".join(pieces) + answer.finish() == read.removesuffix(longest)
    assert answer.stopped == bool(ends)


def test_a_possible_beginning_of_the_stop_text_is_held_back(base: Checkpoint) -> None:
    answer = AnswerText(base.tokenizer, ["<end>"])
    shown = "".join(answer.push(token_id) for token_id in _plain_ids(base, "fever <e"))
    assert shown == "fever "
    assert answer.finish() == "<e"


def test_a_character_is_never_split(base: Checkpoint) -> None:
    answer = AnswerText(base.tokenizer, ["<end>"])
    ids = _plain_ids(base, "😀")
    assert len(ids) > 1, "the test needs a character of several tokens"
    assert [answer.push(token_id) for token_id in ids] == [""] * (len(ids) - 1) + ["😀"]
    half = AnswerText(base.tokenizer, ["<end>"])
    assert "".join(half.push(token_id) for token_id in ids[:-1]) + half.finish() == ""


def test_special_tokens_are_not_text(fine_tuned: Checkpoint) -> None:
    answer = AnswerText(fine_tuned.tokenizer, ["<end>"])
    ids = fine_tuned.tokenizer.encode_marked("a<question>b<end>")
    assert "".join(answer.push(token_id) for token_id in ids) + answer.finish() == "ab"
