// In running text: white space of a token that would not be seen by itself.
const visibly = (token) => token.replace(/\n/g, "\u23ce").replace(/\t/g, "\u21e5").replace(/^ $/, "\u2423") || "\u2205";

const classes = (...names) => names.filter(Boolean).join(" ");

function Trouble({ error }) {
  return html`<p class="trouble" role="alert" hidden=${!error}>${error}</p>`;
}
