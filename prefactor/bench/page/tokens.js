// One's own text, token by token: how far the next-token prediction moved, and where to.
function Tokens({ edit, text }) {
  const wanted = { page: PAGE, edit: asked(edit), text };
  const { value, busy, error } = useAsked(text.trim() ? JSON.stringify(wanted) : null, (signal) => ask("text", wanted, signal), 120);
  const [picked, setPicked] = useState(null);
  const list = useRef(null);
  useEffect(() => setPicked(null), [text]);
  const rows = value ? value.tokens : [];
  const largest = rows.reduce((best, row, place) => (row.kl > rows[best].kl ? place : best), 0);
  const at = picked !== null && picked < rows.length ? picked : largest;
  const step = (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -rows.length, End: rows.length }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    const next = Math.min(rows.length - 1, Math.max(0, at + by));
    setPicked(next);
    list.current.children[next].focus();
  };
  return html`
    <div class="read" aria-busy=${busy}>
      <${Trouble} error=${error} />
      ${!rows.length ? html`<p class="note none">Write some text, and see what the edit does to each of its tokens.</p>` : html`
        <p class="note means">${rows.length} tokens: cross-entropy <b>${fixed(value.means.base_ce)}</b> before, <b class="after">${fixed(value.means.edited_ce)}</b> now; KL <b>${fixed(value.means.kl, 3)}</b> nats a token. The redder, the further the prediction of the token moved.</p>
        <div class="two">
          <div class="tokens" ref=${list} role="toolbar" aria-label="Tokens of the text; arrow keys move" onKeyDown=${step}>
            ${rows.map((row, place) => html`
              <button key=${place} tabindex=${place === at ? 0 : -1} class=${classes("token", place === at && "at")} aria-pressed=${place === at}
                style=${{ background: `rgb(var(--heat) / ${(0.55 * (1 - Math.exp(-row.kl))).toFixed(3)})` }}
                title=${`KL ${fixed(row.kl, 3)}`} onClick=${() => setPicked(place)}>${visibly(row.token)}</button>`)}
          </div>
          <${Next} row=${rows[at]} />
        </div>`}
    </div>`;
}

function Next({ row }) {
  const most = Math.max(...row.before.map(([, share]) => share), ...row.after.map(([, share]) => share));
  const side = (title, kind, tops, ce) => html`
    <div class=${`next ${kind}`}>
      <h4>${title}<small>${fixed(ce)} nats</small></h4>
      <ol>
        ${tops.map(([token, share]) => html`
          <li class=${classes(token === row.token && "right")}><code>${visibly(token)}</code><i style=${{ width: `${(100 * share) / most}%` }} aria-hidden="true"></i><span class="n">${percent(share)}</span></li>`)}
      </ol>
    </div>`;
  return html`
    <div class="nexts" aria-live="polite">
      <h3>In place of <code>${visibly(row.token)}</code><small>KL ${fixed(row.kl, 3)}</small></h3>
      <div class="pair">${side("base", "base", row.before, row.base_ce)}${side("now", "now", row.after, row.edited_ce)}</div>
    </div>`;
}
