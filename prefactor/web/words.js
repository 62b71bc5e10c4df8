// Numbers as a reader wants them: a true minus sign, a dash for what was not measured.
const minus = (text) => text.replaceAll("-", "−");
const known = (value) => value !== null && value !== undefined;
const fixed = (value, digits = 2) => (known(value) ? minus(value.toFixed(digits)) : "–");
const percent = (value, digits = 1) => (known(value) ? `${(100 * value).toFixed(digits)} %` : "–");
const grouped = (value) => value.toLocaleString("en-US");

function signed(value, digits = 2) {
  if (!known(value)) return "–";
  const text = value.toFixed(digits);
  return Number(text) === 0 ? `+${(0).toFixed(digits)}` : minus(value > 0 ? `+${text}` : text);
}

// About three significant digits, and an exponent only where there is no room without.
function significant(value, digits = 3) {
  if (!known(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 10 ** (digits - 1)) return minus(grouped(Math.round(value)));
  if (size < 1e-6) return minus(value.toExponential(1));
  return minus(value.toFixed(Math.max(0, digits - 1 - Math.floor(Math.log10(size)))));
}

function duration(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  if (hours) return `${grouped(hours)} h ${minutes} min`;
  return minutes ? `${minutes} min ${whole % 60} s` : `${whole % 60} s`;
}

function magnitude(count) {
  for (const [power, prefix] of [[18, "E"], [15, "P"], [12, "T"], [9, "G"], [6, "M"], [3, "k"]]) {
    if (count >= 10 ** power) return `${significant(count / 10 ** power)} ${prefix}`;
  }
  return significant(count);
}

// White space that a reader could not see.
const spacesShown = (token) => token.replaceAll(" ", "␣").replaceAll("\n", "↵").replaceAll("\t", "⇥") || "∅";
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
