// The query language of prefactor/query/parse.py: the same rows, the same errors at the same characters.
const DEEPEST = 50;
const NAME = `[^${SPACE}()"'!~=<>]+`;
const QUOTED = /"[^"]*"|'[^']*'/g;
const BEGUN = new RegExp(
  `(?:^|\\(|(?<![^${SPACE}])(?:and|or|not)(?=[${SPACE}(]))[${SPACE}(]*(${NAME}(?:(?<=\\.)"_+")?)[${SPACE}]*[!~=<>]`, "gi");
const WHOLE = new RegExp(
  `(?<![^${SPACE}(])([\\p{L}\\p{N}_][\\p{L}\\p{N}_.]*(?:(?<=\\.)"_+")?)[${SPACE}]*(?:!~|!=|<=|>=|==|[~=<>])[${SPACE}]*`
  + `("[^"]*"|'[^']*'|${NAME})(?![^${SPACE}()])`, "gu");
const TOKEN = new RegExp(
  `(?<operator>!~|!=|<=|>=|[~=<>])|(?<bracket>[()])|"(?<double>[^"]*)"|'(?<single>[^']*)'`
  + `|(?<word>${NAME}(?:(?<=\\.)(?:"[^"]*"|'[^']*'))?)`, "y");
const DIGITS = "\\d+(?:_\\d+)*";
const NUMBER = new RegExp(`^[+-]?(?:${DIGITS}\\.?(?:${DIGITS})?|\\.${DIGITS})(?:[eE][+-]?${DIGITS})?$`);
const OPPOSITE = { "~": "!~", "!~": "~", "=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">" };
const COMPARE = {
  "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b, "=": (a, b) => a === b,
  "!=": (a, b) => a !== b,
};

class QueryError extends Error {}

const inQuotes = (text) => (text.includes('"') ? `'${text}'` : `"${text}"`);
const toNumber = (text) => (NUMBER.test(text) ? Number(text.replaceAll("_", "")) : NaN);
const isNumber = (text) => Number.isFinite(toNumber(text));

// Whether the text compares, right or wrong; else it is words of the label.
function compares(text) {
  const bare = text.replace(QUOTED, (match) => `"${"_".repeat(Array.from(match).length - 2)}"`);
  if ([...bare.matchAll(BEGUN)].some((match) => fieldOf(match[1]))) return true;
  return [...bare.matchAll(WHOLE)].some((m) => fieldOf(m[1]) || resembles(m[1]) || isNumber(m[2]));
}

// Python's regular expressions as JavaScript has them.
function pattern(text) {
  const flags = /^\(\?([ims]+)\)/.exec(text);
  const rest = (flags ? text.slice(flags[0].length) : text).replaceAll("(?P<", "(?<");
  return new RegExp(rest.replaceAll("\\A", "^").replaceAll("\\Z", "$"), flags ? flags[1] : "");
}

function tokensOf(text, fail) {
  const tokens = [];
  const at = (place) => Array.from(text.slice(0, place)).length + 1;
  for (let place = 0; place < text.length;) {
    if (SPACES.test(text[place])) { place += 1; continue; }
    TOKEN.lastIndex = place;
    const match = TOKEN.exec(text);
    if (!match) {
      const what = "\"'".includes(text[place]) ? "this quote is not closed" : '"!" stands alone; write not, !~ or !=';
      fail({ at: at(place) }, what);
    }
    const [kind, value] = Object.entries(match.groups).find((entry) => entry[1] !== undefined);
    tokens.push({ kind: kind === "double" || kind === "single" ? "text" : kind, value, at: at(place) });
    place = TOKEN.lastIndex;
  }
  return [...tokens, { kind: "end", value: "", at: at(text.length) }];
}

function parseQuery(text, where = "query") {
  const fail = (token, problem) => { throw new QueryError(`${where}: at character ${token.at}: ${problem}`); };
  if (!compares(text)) {
    const [wanted, unwanted] = splitWords(text);
    if (!wanted.length) throw new QueryError(`${where}: it has no word to look for: add one`);
    const field = fieldOf("label");
    const clause = (operator) => (value) => ({ field, operator, value, at: 1 });
    return { plain: true, root: { word: "and", parts: [...wanted.map(clause("~")), ...unwanted.map(clause("!~"))] } };
  }
  const tokens = tokensOf(text, fail);
  let depth = 0;
  const isWord = (token, word) => token.kind === "word" && token.value.toLowerCase() === word;
  const found = (token) => (token.kind === "end" ? "the end" : inQuotes(token.value));
  const next = () => (tokens[0].kind === "end" ? tokens[0] : tokens.shift());
  const deeper = (token, inside) => {
    depth += 1;
    if (depth > DEEPEST) fail(token, `more than ${DEEPEST} brackets and \`not\` lie inside one another; take some out`);
    const node = inside();
    depth -= 1;
    return node;
  };

  function joined(word, turned) {
    const part = () => (word === "or" ? joined("and", turned) : single(turned));
    const parts = [part()];
    while (isWord(tokens[0], word)) { next(); parts.push(part()); }
    const meant = turned ? (word === "and" ? "or" : "and") : word;
    return parts.length === 1 ? parts[0] : { word: meant, parts };
  }

  function single(turned) {
    const token = next();
    if (isWord(token, "not")) return deeper(token, () => single(!turned));
    if (token.kind === "bracket" && token.value === "(") {
      const node = deeper(token, () => joined("or", turned));
      const closing = next();
      if (closing.kind !== "bracket" || closing.value !== ")") {
        fail(closing, `found ${found(closing)} where the "(" at character ${token.at} should be closed`);
      }
      return node;
    }
    if (token.kind !== "word" || isWord(token, "and") || isWord(token, "or")) {
      fail(token, `needs a comparison such as domain.de > 0.5, found ${found(token)}`);
    }
    return comparison(token, turned);
  }

  function comparison(name, turned) {
    const field = fieldOf(name.value);
    if (!field) fail(name, `no field is called "${name.value}"; ${nearest(name.value, likeFields(name.value))}`);
    const sign = next();
    if (sign.kind !== "operator") fail(sign, `${field.name} needs one of ${signsOf(field)} after it, found ${found(sign)}`);
    if (!signsOf(field).split(" ").includes(sign.value)) {
      const kind = field.kind === "number" ? "a number" : "a text";
      fail(sign, `"${sign.value}" does not go with ${field.name}, ${kind}; use one of ${signsOf(field)}`);
    }
    const value = field.kind === "number" ? numberAfter(sign) : textAfter(field, sign);
    return { field, operator: turned ? OPPOSITE[sign.value] : sign.value, value, at: name.at };
  }

  function numberAfter(sign) {
    const token = next();
    if (token.kind === "word" && isNumber(token.value)) return toNumber(token.value);
    return fail(token, `"${sign.value}" needs a number, found ${found(token)}`);
  }

  function textAfter(field, sign) {
    const token = next();
    if (!["word", "text"].includes(token.kind) || ["and", "or", "not"].some((word) => isWord(token, word))) {
      fail(token, `"${sign.value}" needs a text, found ${found(token)}`);
    }
    if (!wordsOf(token.value).length) fail(token, `"${sign.value}" needs a text with a word in it`);
    if (field.kind === "pattern" && sign.value.endsWith("~")) {
      try { pattern(token.value); } catch (error) {
        fail(token, `${found(token)} is no regular expression (${error.message})`);
      }
    }
    return token.value;
  }

  const root = joined("or", false);
  const last = next();
  if (last.kind === "bracket" && last.value === ")") fail(last, 'this ")" closes nothing; take it out');
  if (last.kind !== "end") {
    fail(last, `found ${found(last)} after a comparison; join two with \`and\` or \`or\`, put a text of several words in quotes`);
  }
  return { plain: false, root };
}

const clausesOf = (node) => (node.parts ? node.parts.flatMap(clausesOf) : [node]);

// A domain is unknown, or the stage that makes a field has not run.
function checkQuery(query, columns, where = "query") {
  for (const { field, at } of clausesOf(query.root)) {
    if (field.columns.every((column) => columns.includes(column))) continue;
    const start = `${where}: at character ${at}:`;
    const domains = field.domain === null ? [] : columns
      .filter((column) => column.startsWith(field.prefix)).map((column) => column.slice(field.prefix.length));
    if (domains.length) {
      throw new QueryError(`${start} no domain is called "${field.domain}"; ${nearest(field.domain, domains.sort())}`);
    }
    throw new QueryError(
      `${start} ${field.name} is made by the ${field.stage} stage, which has not run here: run it (\`dvc repro ${field.stage}\`)`);
  }
}

// The node as a function of a row, which is a function from a column's name to its value.
function predicate(node) {
  if (node.parts) {
    const parts = node.parts.map(predicate);
    return node.word === "and" ? (row) => parts.every((part) => part(row)) : (row) => parts.some((part) => part(row));
  }
  const { field, operator, value } = node;
  if (typeof value === "number") {
    return (row) => {
      const figure = figureOf(field, row);
      return !Number.isNaN(figure) && COMPARE[operator](figure, value);
    };
  }
  const folded = casefold(value);
  const search = field.kind === "pattern" && operator.endsWith("~") ? pattern(value) : null;
  const has = operator.endsWith("~")
    ? (text) => (search ? search.test(text) : hasWords(text, value))
    : (text) => casefold(text) === folded;
  const positive = operator === "~" || operator === "=";
  return (row) => {
    const text = textOf(field, row);
    return text !== null && has(text) === positive;
  };
}
