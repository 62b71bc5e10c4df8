// Subcomponents by words of their label or by a query, and what is known of one.
function Picker({ project, edit, add }) {
  const [query, setQuery] = useState("");
  const [domain, setDomain] = useState("");
  const [most, setMost] = useState(30);
  const [open, setOpen] = useState(null);
  const wanted = { query, domain: domain || null, most };
  const { value, error, busy } = useAsked(JSON.stringify(wanted), (signal) => ask("components", wanted, signal), 150);
  const here = new Set(edit.sliders.map((slider) => slider.subcomponent));
  const rows = value ? value.rows : [];
  return html`
    <section class="find" aria-labelledby="find-title">
      <h2 id="find-title">Subcomponents</h2>
      <label class="unseen" for="query">Words of the label, or a query</label>
      <input id="query" type="search" autocomplete="off" spellcheck="false" maxlength="500"
        placeholder="german -english" value=${query} aria-describedby="query-help"
        onInput=${(event) => { setQuery(event.target.value); setMost(30); }} />
      <p class="note" id="query-help">Words of the label, or comparisons: <code>${`domain.${project.removed} > 0.5 and density < 0.3`}</code></p>
      <div class="line">
        <span class="note" role="status">${value ? `${value.count} of ${project.alive}` : ""}${busy ? " \u2026" : ""}</span>
        <label class="note">sort by
          <select value=${domain} onChange=${(event) => setDomain(event.target.value)}>
            <option value="">importance</option>
            ${project.domains.filter((one) => project.removable.includes(one.domain)).map((one) =>
              html`<option value=${one.domain}>${one.name}</option>`)}
          </select>
        </label>
      </div>
      <${Trouble} error=${error} />
      <ul class="rows" tabindex="0" aria-label="Subcomponents found">
        ${rows.map((row) => html`
          <li key=${row.subcomponent} class=${classes(here.has(row.subcomponent) && "here")}>
            <div class="row">
              <button class="about" aria-expanded=${open === row.subcomponent}
                onClick=${() => setOpen(open === row.subcomponent ? null : row.subcomponent)}>
                <b>${row.label}</b>
              </button>
              <${Spread} importance=${row.importance} />
              <span class="name">${row.subcomponent}</span>
              <button class="add" disabled=${here.has(row.subcomponent)} aria-label=${`Add ${row.subcomponent}`}
                onClick=${() => add(row.subcomponent, row.label)}>${here.has(row.subcomponent) ? "in" : "add"}</button>
            </div>
            ${open === row.subcomponent && html`<${About} row=${row} />`}
          </li>`)}
        ${value && value.count > rows.length && html`
          <li><button class="more" onClick=${() => setMost(Math.min(200, most + 50))} disabled=${most >= 200}>
            ${most >= 200 ? "narrow the query to see others" : "more"}</button></li>`}
        ${value && !value.count && html`<li class="note none">None. Try other words, or fewer comparisons.</li>`}
      </ul>
    </section>`;
}

// Mean importance by domain, as small bars.
function Spread({ importance }) {
  const told = Object.entries(importance).map(([domain, value]) => `${domain} ${fixed(value)}`).join(", ");
  return html`
    <span class="spread" title=${`mean importance: ${told}`} role="img" aria-label=${`mean importance: ${told}`}>
      ${Object.entries(importance).map(([domain, value]) => html`
        <span key=${domain}><i style=${{ height: `${Math.max(1, 18 * (value || 0))}px` }}></i><small>${domain.slice(0, 2)}</small></span>`)}
    </span>`;
}

function About({ row }) {
  const { value, error } = useAsked(row.subcomponent, (signal) => ask("component", { subcomponent: row.subcomponent }, signal));
  if (error) return html`<${Trouble} error=${error} />`;
  if (!value) return html`<p class="note">…</p>`;
  return html`
    <div class="card">
      ${value.reasoning && html`<p>${value.reasoning}</p>`}
      <p class="note">label scores ${known(value.score) ? fixed(value.score) : "unknown"}; fires on ${percent(row.density || 0)} of tokens</p>
      <p class="note">reads ${value.input.slice(0, 6).map((token) => html`<code>${visibly(token)}</code> `)}</p>
      <p class="note">then ${value.output.slice(0, 6).map((token) => html`<code>${visibly(token)}</code> `)}</p>
      ${value.windows.map((window) => html`
        <p class="window"><small>${window.domain}</small> ${window.tokens.map((token, place) => html`
          <span style=${{ background: window.importance[place] > value.fires ? `rgb(var(--heat) / ${0.45 * window.importance[place]})` : "none" }}>${token}</span>`)}</p>`)}
    </div>`;
}
