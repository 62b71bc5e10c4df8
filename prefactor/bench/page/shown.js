// Numbers and texts as people read them.
const MINUS = "\u2212";
const figure = (value, digits = 2) =>
  value === null || value === undefined ? "" : value.toFixed(digits).replace("-", MINUS);
const signed = (value, digits = 3) =>
  value === null || value === undefined ? "" : (value > 0 ? "+" : "") + figure(Object.is(value, -0) ? 0 : value, digits);
const percent = (value) => (value >= 0.0995 ? `${(100 * value).toFixed(0)} %` : `${(100 * value).toFixed(1)} %`);

// Blanks and line ends of a token that would not be seen.
const visibly = (token) => token.replace(/\n/g, "\u23ce").replace(/\t/g, "\u21e5").replace(/^ $/, "\u2423") || "\u2205";

const classes = (...names) => names.filter(Boolean).join(" ");

function Trouble({ error }) {
  return html`<p class="trouble" role="alert" hidden=${!error}>${error}</p>`;
}
