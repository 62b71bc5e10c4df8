// Above the table of subcomponents: the query, and choices that narrow it.
const BOUNDS = ["density", "mean_importance", "mean_activation", "norm", "score", ...TESTS];

// Of each subcomponent the domain that most of its firings lie in, or null where it fires nowhere.
function mainDomains(run) {
  const shares = run.corpus.filter((domain) => run.columns[`share_${domain}`]);
  return run.columns.subcomponent.map((_, index) => {
    let best = null;
    for (const domain of shares) {
      const share = run.columns[`share_${domain}`][index];
      if (share > 0 && (best === null || share > run.columns[`share_${best}`][index])) best = domain;
    }
    return best;
  });
}

// Which rows are shown, what to tell of the query, and whether that is an error.
function findRows(run, asked) {
  const { columns, count } = run;
  let keep = () => true;
  let [told, wrong] = ["", false];
  if (asked.q.trim()) {
    try {
      const query = parseQuery(asked.q);
      checkQuery(query, run.columnNames);
      const holds = predicate(query.root);
      const rows = Array.from({ length: count }, (_, index) => holds((name) => columns[name][index]));
      keep = (index) => rows[index];
      if (query.plain && !rows.includes(true)) {
        const text = asked.q.trim().toLowerCase();
        const has = (name, index) => columns[name][index].toLowerCase().includes(text);
        keep = (index) => has("subcomponent", index) || has("label", index);
        told = `No label has these words; shown are names and labels with “${asked.q.trim()}” in them.`;
      }
    } catch (error) {
      if (!(error instanceof QueryError)) throw error;
      [told, wrong, keep] = [error.message, true, () => false];
    }
  }
  const found = [];
  for (let index = 0; index < count; index += 1) {
    if (asked.module && columns.module[index] !== asked.module) continue;
    if (asked.domain && run.mainDomain[index] !== asked.domain) continue;
    if (asked.used && !run.usedBy.has(columns.subcomponent[index])) continue;
    if (keep(index)) found.push(index);
  }
  return { found, told, wrong };
}

function Bound({ run, onAdd }) {
  const fields = [...BOUNDS, ...["domain", "importance", "density", "causal"].flatMap((family) =>
    run.corpus.map((domain) => (PLAIN.test(domain) ? `${family}.${domain}` : `${family}."${domain}"`)))]
    .filter((name) => fieldOf(name).columns.every((column) => run.columnNames.includes(column)));
  const [field, setField] = useState(fields[0]);
  const [sign, setSign] = useState(">=");
  const [value, setValue] = useState("");
  const add = (event) => {
    event.preventDefault();
    if (isNumber(value.trim())) { onAdd(`${field} ${sign} ${value.trim()}`); setValue(""); }
  };
  return html`<form class="bound" onSubmit=${add}>
    <${Choice} label="Figure" value=${field} options=${fields.map((name) => [name, name])} onChange=${setField} />
    <${Choice} label="is" value=${sign} options=${[[">=", "at least"], ["<=", "at most"]]} onChange=${setSign} />
    <label class="choice"><span>Value</span><input aria-label="Value" inputmode="decimal" value=${value} size="6" onInput=${(event) => setValue(event.target.value)} /></label>
    <button type="submit">Add to the query</button></form>`;
}

function Filters({ run, asked, setAsked, found, told, wrong }) {
  const modules = [...new Set(run.columns.module)];
  const set = (key) => (value) => setAsked({ [key]: value });
  const add = (clause) => {
    const plain = asked.q.trim() && !compares(asked.q);
    const before = plain ? `label ~ ${inQuotes(asked.q.trim())}` : asked.q.trim();
    setAsked({ q: before ? `${/\bor\b/i.test(before) ? `(${before})` : before} and ${clause}` : clause });
  };
  return html`<div class="filters">
    <label class="search"><span>Search or query</span>
      <input id="search" type="search" value=${asked.q} aria-invalid=${String(wrong)} aria-describedby="told" spellcheck="false" autocapitalize="off"
        placeholder=${'label ~ "german" and domain.de > 0.5'} onInput=${(event) => set("q")(event.target.value)} /></label>
    <${Choice} label="Matrix" value=${asked.module} options=${[["", "all"], ...modules.map((name) => [name, name])]} onChange=${set("module")} />
    <${Choice} label="Fires mostly in" value=${asked.domain} onChange=${set("domain")}
      options=${[["", "any domain"], ...run.corpus.map((domain) => [domain, run.names[domain]])]} />
    <${Choice} label="Figures on" value=${asked.on} onChange=${set("on")} options=${run.corpus.map((domain) => [domain, run.names[domain]])} />
    <${Choice} label="Used by" value=${asked.used} onChange=${set("used")} options=${[["", "any or none"], ["yes", "an edit"]]} />
    <p id="told" class="note told ${wrong ? "wrong" : ""}" role="status">
      <b>${grouped(found.length)}</b> of ${grouped(run.count)} subcomponents. ${told}</p>
    <details class="help"><summary>Bounds, and the query language</summary>
      <${Bound} run=${run} onAdd=${add} />
      <p class="note">Words alone are words of the label, with a leading − (-italian) those that it must not have. Else comparisons, joined by
        ${" "}<code>and</code>, <code>or</code>, <code>not</code> and brackets: <code>label</code>, <code>labeller</code> and <code>module</code> with
        ${" "}<code>~ !~ = !=</code>; the figures above with <code>${"< <= > >= = !="}</code>. <code>domain.D</code> is the share of the firings that lie
        in domain D, every domain weighing the same; <code>causal.D</code> the larger damage to D, in nats a token, of ablating and of inverting.
        What was not measured satisfies nothing. Figures here have six significant digits.</p></details>
  </div>`;
}
