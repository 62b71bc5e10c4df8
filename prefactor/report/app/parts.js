// Small pieces that views share.
const Tag = ({ kind = "", children }) => html`<span class="tag ${kind}">${children}</span>`;
// The mark that a method has in the figures.
const Dot = ({ colour, glyph }) => html`<span class="dot" aria-hidden="true" style=${{ color: colour }}>${glyph}</span>`;
const Control = () => html`<${Tag} kind="control">control</${Tag}>`;

function Section({ title, id, children }) {
  return html`<section id=${id}><h2>${title}</h2>${children}</section>`;
}

// A table that may be wider than the screen: it scrolls, and the keyboard can scroll it.
const Scroll = ({ label, children }) => html`<div class="scroll" tabindex="0" role="region" aria-label=${label}>${children}</div>`;

// A link to a subcomponent's card; its name alone where the page has no card of it.
function CardLink({ run, name }) {
  const code = html`<code>${name}</code>`;
  return run.numbers.has(name) ? html`<a class="plain-link" href=${cardHash(name)}>${code}</a>` : code;
}

const Bar = ({ share }) =>
  html`<span class="track"><i style=${{ width: `${(100 * Math.min(1, Math.max(0, share))).toFixed(1)}%` }}></i></span>`;

function Bars({ rows }) {
  return html`<table class="bars"><tbody>${rows.map(([name, share, shown]) => html`
    <tr><th scope="row">${name}</th><td class="track-cell"><${Bar} share=${share} /></td><td class="n">${shown}</td></tr>`)}
  </tbody></table>`;
}

function Choice({ label, value, options, onChange }) {
  return html`<label class="choice"><span>${label}</span><select value=${value}
    aria-label=${label} onChange=${(event) => onChange(event.target.value)}>
    ${options.map(([key, text]) => html`<option value=${key} selected=${key === value}>${text}</option>`)}</select></label>`;
}

// Text token by token. A piece is {text, style, kind, told}; `told` is shown of the one under the pointer or finger.
function TokenText({ pieces, tell }) {
  const show = (event) => {
    const place = event.target.dataset?.place;
    if (place !== undefined) tell(pieces[place].told);
  };
  return html`<span class="token-text" onPointerOver=${show} onClick=${show}>${pieces.map((piece, place) => html`
    <span data-place=${place} class=${piece.kind} style=${piece.style}>${piece.text}</span>`)}</span>`;
}

function CopyButton({ text, label }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    try { await navigator.clipboard.writeText(text); setDone(true); } catch { setDone(false); }
    setTimeout(() => setDone(false), 1500);
  };
  return html`<button type="button" class="quiet" onClick=${copy} aria-label=${label}>${done ? "copied" : "copy"}</button>`;
}
