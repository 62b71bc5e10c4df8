// The word rule of prefactor/query/words.py, and what Python's strings do that JavaScript's do not.
const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const SPACES = new RegExp(`[${SPACE}]+`);
const EDGES = /^["'():;,.]+|["'():;,.]+$/g;

const split = (text) => text.split(SPACES).filter(Boolean);

// As str.casefold: ß is ss, a final sigma is a sigma; a dotless i stays one.
const casefold = (text) =>
  Array.from(text, (letter) => (letter === "ı" ? letter : letter.toLowerCase().toUpperCase().toLowerCase()))
    .join("").replaceAll("ς", "σ");

const wordsOf = (text) => split(casefold(text)).map((word) => word.replace(EDGES, "") || word);

function hasWords(text, wanted) {
  const words = new Set(wordsOf(text));
  return wordsOf(wanted).every((word) => words.has(word));
}

// The wanted and the unwanted words of a query without comparisons.
function splitWords(query) {
  const parts = split(query);
  const out = (part) => part.startsWith("-") && part.length > 1;
  const wanted = parts.filter((part) => !out(part)).join(" ");
  return [wordsOf(wanted), wordsOf(parts.filter(out).map((part) => part.slice(1)).join(" "))];
}

// Of difflib.SequenceMatcher: twice the letters in matching blocks by all letters.
function likeness(one, other) {
  const [a, b] = [Array.from(one), Array.from(other)];
  const matched = (aLow, aHigh, bLow, bHigh) => {
    let [best, aBest, bBest] = [0, aLow, bLow];
    let lengths = new Map();
    for (let i = aLow; i < aHigh; i += 1) {
      const next = new Map();
      for (let j = bLow; j < bHigh; j += 1) {
        if (a[i] !== b[j]) continue;
        const length = (lengths.get(j - 1) ?? 0) + 1;
        next.set(j, length);
        if (length > best) [best, aBest, bBest] = [length, i - length + 1, j - length + 1];
      }
      lengths = next;
    }
    return best && best + matched(aLow, aBest, bLow, bBest) + matched(aBest + best, aHigh, bBest + best, bHigh);
  };
  return a.length + b.length ? (2 * matched(0, a.length, 0, b.length)) / (a.length + b.length) : 1;
}

// The known word that is most like `word`, or undefined; of equals the later in the alphabet, as difflib has it.
function closest(word, known) {
  const scored = known.map((other) => [likeness(other, word), other]).filter(([score]) => score >= 0.6);
  scored.sort(([a, one], [b, two]) => b - a || (one < two ? 1 : -1));
  return scored[0]?.[1];
}

function nearest(word, known) {
  const close = closest(word, known);
  if (close !== undefined) return `did you mean \`${close}\`?`;
  if (!known.length) return "take it out";
  return `use ${known.length === 1 ? known[0] : `one of ${known.join(", ")}`}`;
}
