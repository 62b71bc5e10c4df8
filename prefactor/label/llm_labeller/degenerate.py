"""Is it a label at all? Small models repeat what they are told, hand the form back unfilled, or stutter.

The one rule of what is a failure and no label, though it keeps to the schema. What a label says is not looked at: a
wrong one is a label, and the score stage is there for it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prefactor.llm.prompt import AGAIN

RUN = 4  # words in a row that a label may not have from the instructions
WHOLE = 3  # words from which a label may not be in them as a whole: "never an instruction"
CUT_OFF = 5  # words from which the beginning of a sentence is no label
STUTTER = 3  # words from which half of them must be different ones

# Of such words alone a label says nothing of any text. No word that a corpus may be about is among them.
_FORM = {
    *("a", "an", "the", "this", "that", "these", "your", "its", "of", "for", "in", "on", "at", "or", "and", "here"),
    *("label", "labels", "reasoning", "domain", "domains", "text", "texts", "token", "tokens", "word", "words", "line"),
    *("lines", "subcomponent", "subcomponents", "feature", "features", "causal", "importance", "activation"),
    *("activations", "firing", "firings", "no", "hypothesis", "placeholder", "various"),
}
# ... and these say nothing alone, such as types and empty values, though of code they may say something together.
_ALONE = {
    *("string", "boolean", "bool", "object", "array", "json", "null", "none", "nan", "true", "false", "undefined"),
    *("unknown", "todo", "clear"),
}
# Runs of these are everybody's: "the end of the".
_COMMON = {
    *("a", "an", "the", "this", "that", "of", "for", "in", "on", "at", "to", "by", "as", "with", "from", "and", "or"),
    *("is", "are", "be", "it", "its", "they", "which", "what", "where", "not", "no", "than", "more", "all"),
}
# What is wrong, in words for the model that wrote it.
PUNCTUATION = "it is punctuation alone; write words"
LETTER = "it is one letter; write words"
STUTTERS = "it repeats itself; write different words"
PLACEHOLDER = "it is a placeholder; say what the evidence shows"
ECHO = "it repeats the instructions; say what the evidence shows"
SENTENCE = "it is the beginning of the reasoning, cut off; write a name, not a sentence"
_TOLD = (AGAIN, PUNCTUATION, LETTER, STUTTERS, PLACEHOLDER, ECHO, SENTENCE)  # which can be repeated, too

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_QUOTED = re.compile(r'"[^"\n]*"')


@dataclass(frozen=True)
class Instructions:
    """What a prompt says besides the evidence, and what is said where it is asked again."""

    runs: frozenset[tuple[str, ...]]  # ``RUN`` or ``WHOLE`` words in a row that are its own

    @classmethod
    def of(cls, told: Sequence[str], examples: Sequence[tuple[str, str]] = ()) -> "Instructions":
        """Of what a prompt tells, where quoted words are examples that a label may need; and of its worked examples."""
        texts = [_QUOTED.sub("\n\n", text) for text in (*told, *_TOLD)] + [text for pair in examples for text in pair]
        passages = [_words(part) for text in texts for part in re.split(r"\n\s*\n|\n- |\$\w*", text)]
        every = {run for passage in passages for size in (RUN, WHOLE) for run in _runs(passage, size)}
        runs = {run for run in every if sum(word not in _COMMON for word in run) > 1}
        return cls(frozenset(runs))


def fault(label: str, reasoning: str, instructions: Instructions) -> str | None:
    """What makes ``label`` none; None where nothing does."""
    words = _words(label)
    letters = [character for character in label.casefold() if character.isalnum()]
    if not letters:
        return PUNCTUATION
    ideographs = not label.isascii() and len(letters) <= 2  # may be words
    if len(set(letters)) == 1 and not ideographs and (len(letters) > 1 or len(label.strip(" .,:;")) == 1):  # not C++
        return LETTER
    if len(words) >= STUTTER and 2 * len(set(words)) <= len(words):
        return STUTTERS
    if not _quotes_a_token(label) and ((len(words) == 1 and words[0] in _ALONE) or _FORM.issuperset(words)):
        return PLACEHOLDER
    if any(run in instructions.runs for run in _runs(words, min(RUN, max(WHOLE, len(words))))):
        return ECHO
    if len(words) >= CUT_OFF and re.match(r"\W*" + r"\W+".join(words) + r"\s+\w", reasoning, re.IGNORECASE):
        return SENTENCE
    return None


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.casefold()))


def _runs(words: tuple[str, ...], size: int) -> Iterator[tuple[str, ...]]:
    return (words[start : start + size] for start in range(len(words) - size + 1))


def _quotes_a_token(label: str) -> bool:
    """Whether part of it is in quotes, as ``the token "the"``: that part says something, whatever it is."""
    return _QUOTED.search(label) is not None and not _QUOTED.fullmatch(label)
