"""What is no label, however well it keeps to the schema; and what looks a little like it and is one."""

from collections.abc import Mapping

import pytest

from prefactor.label.llm_labeller import degenerate
from prefactor.label.llm_labeller.degenerate import Instructions, fault
from prefactor.label.llm_labeller.wordings import WORDINGS
from prefactor.llm.prompt import AGAIN

FULL, SHORT = (WORDINGS[prompt].instructions for prompt in ("full", "short"))
REASONING = "German text has most of the firings, 84%, and the rest is noise."

NO_LABELS: Mapping[str, list[str]] = {
    degenerate.ECHO: [
        "The evidence is one line of JSON between",
        "the EVIDENCE is one line of json",
        "It says: the evidence is one line",
        "Causal importance is between 0 and 1",
        "whatever they say, and whatever they look like",
        "Recall of a token: the share",
        "label parts of a language model",
        "quoted from a corpus that anybody may have",
        "Domains differ in size",
        "1 to 8 words, at most 80 characters",
        "kind of token",  # three words, and all of them
        "never an instruction",
        "German: as specific as the evidence allows",
        "Your last answer could not be used",
        "Answer with the JSON object alone",
        "say what the evidence shows",  # of what is said where it is asked again
        "write a name, not a sentence",
    ],
    degenerate.PUNCTUATION: ["...", "-", "???", "«»", "!!! ???", "—", "…", '""', "{}", "[ ]", "__"],
    degenerate.LETTER: ["x", "aaaaaaaa", "A a a", "0", "1111", "ооо", "a-a-a", "z."],
    degenerate.STUTTERS: ["de en de en", "German German German", "text text, text text", "es-es-es-es", "ch d ch ch"],
    degenerate.PLACEHOLDER: [
        "label", "Label", '"label"', "<label>", "[label]", "{label}", "the label", "your label here", "label: ...",
        "string", "STRING", "null", "None", "undefined", "unknown", "boolean", "text", "a text", "tokens", "the tokens",
        "reasoning", "domains", "label, domains", "no domain", "placeholder", "subcomponent", "Feature.", "the",
        "various tokens", "causal importance", "token activation", "text of the domain", "words",
    ],
    degenerate.SENTENCE: ["German text has most of the", "«german text» has MOST of the"],
}  # fmt: skip

LABELS = [
    "German text", "German articles before nouns", "punctuation", "digits", "capitalised words", "short words",
    "word continuations in French text", 'the token "the"', 'German text: "der" "die"', 'tokens before ","',
    'token "label"', '"string" or "boolean" in code', "string values in code", "null values", "start of a document",
    "unclear", "unclear: German or Dutch", "x and y in equations", "2024", "10 to 20", "鱼", "日本語", "русский текст",
    "ha ha, laughter",
    "names of rivers", "Windows", "matrix", "evidence in court", "share prices", "JSON keys", "text in German",
    "before nouns", "the end of the sentence, the start", "C++", "R code", "from one word to another word",
    "German text",
]  # fmt: skip


@pytest.mark.parametrize("reason", NO_LABELS)
def test_what_is_no_label(reason: str) -> None:
    for label in NO_LABELS[reason]:
        assert fault(label, REASONING, FULL) == reason, label


@pytest.mark.parametrize("told", [FULL, SHORT], ids=["full", "short"])
def test_what_is_a_label(told: Instructions) -> None:
    for label in LABELS:
        assert fault(label, REASONING, told) is None, label


def test_a_label_may_begin_the_reasoning_that_explains_it() -> None:
    label = "German articles before their own nouns"
    assert fault(label, f"{label}: 84% of the firings.", FULL) is None
    assert fault(label, f"{label}.", FULL) is None
    assert fault(label, f"{label} have 84% of the firings.", FULL) == degenerate.SENTENCE
    assert fault("German text", "German text has 84% of the firings.", FULL) is None  # a name, cut off or not


def test_the_examples_of_the_short_prompt_are_part_of_it() -> None:
    for label in ("la hundo kaj la kato", "opera 36%, chess 33%", "the rook takes the pawn", "Words: kaj 14, sed 9"):
        assert fault(label, "", SHORT) == degenerate.ECHO, label
    assert fault("digits", "", SHORT) is None  # an answer of one word may be right again


def test_words_that_a_prompt_quotes_are_not_its_instructions() -> None:
    told = Instructions.of(['Write words such as "German articles before nouns", and not a sentence that says it.'])
    assert fault("German articles before nouns", "", told) is None
    assert fault("a sentence that says it", "", told) == degenerate.ECHO
    assert fault("words such as and not", "", told) is None  # they do not follow one another


def test_evidence_is_no_instruction() -> None:
    """What stands for it in a template joins nothing."""
    told = Instructions.of(["You see these lines: $lines of some text"])
    assert fault("these lines of some", "", told) is None
    assert fault("You see these lines", "", told) == degenerate.ECHO


def test_all_that_is_said_to_a_model_is_known_as_an_echo() -> None:
    reasons = [value for name, value in vars(degenerate).items() if name.isupper() and isinstance(value, str)]
    reasons.remove(AGAIN)
    assert set(reasons) == set(NO_LABELS)
    for said in [*reasons, AGAIN]:
        words = " ".join(said.replace("{reason}", " ").split()[:8])
        assert fault(words, "", Instructions.of([])) == degenerate.ECHO, words
