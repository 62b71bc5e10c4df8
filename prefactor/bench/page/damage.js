// Cross-entropy of every domain: before, now, and of another edit beside it, against two guesses that read no text.
function Damage({ project, edit, target, beside, setBeside, setTarget }) {
  const wanted = asked(edit);
  const key = JSON.stringify(wanted);
  const [exactly, setExactly] = useState("");
  const exact = exactly === key;
  const now = useAsked(JSON.stringify([wanted, exact]), (signal) => ask("measure", { page: PAGE, edit: wanted, exact }, signal), exact ? 0 : 30);
  const other = useAsked(beside ? JSON.stringify([beside, exact]) : null, (signal) =>
    ask("measure", { page: `${PAGE}-beside`, edit: { target: edit.target, stacked: [beside] }, exact }, signal));
  const rows = now.value ? now.value.rows : [];
  const compared = Object.fromEntries((other.value ? other.value.rows : []).map((row) => [row.domain, row]));
  const about = Object.fromEntries(project.domains.map((one) => [one.domain, one]));
  const most = Math.max(project.chance * 1.06, ...rows.map((row) => row.edited_ce || 0), ...Object.values(compared).map((row) => row.edited_ce || 0));
  const tokens = rows.map((row) => row.tokens);
  const said = tokens.length && (Math.min(...tokens) === Math.max(...tokens) ? `${tokens[0]}` : `${Math.min(...tokens)} to ${Math.max(...tokens)}`);
  return html`
    <section class="damage" aria-labelledby="damage-title" aria-busy=${now.busy}>
      <div class="line">
        <h2 id="damage-title">Damage</h2>
        <span class="buttons">
          <button disabled=${exact || now.busy} onClick=${() => setExactly(key)}>measure exactly</button>
        </span>
      </div>
      <div class="line choices">
        <label>remove
          <select value=${edit.target} onChange=${(event) => setTarget(event.target.value)}>
            ${project.removable.map((domain) => html`<option key=${domain} value=${domain}>${about[domain] ? about[domain].name : domain}</option>`)}
          </select>
        </label>
        <label>compare with
          <select value=${beside} onChange=${(event) => setBeside(event.target.value)}>
            <option value="">base alone</option>
            ${project.edits.map((one) => html`<option key=${one.name} value=${one.name}>${one.name} (${one.method})</option>`)}
          </select>
        </label>
      </div>
      <${Trouble} error=${now.error || other.error} />
      <div class="scroll" tabindex="0" role="group" aria-label="Cross-entropy by domain">
      <table class=${classes(now.busy && "busy")}>
        <thead><tr>
          <th scope="col">domain</th><th scope="col" class="track">cross-entropy, nats a token</th>
          <th scope="col" class="n">base</th><th scope="col" class="n">now</th><th scope="col" class="n">damage</th><th scope="col" class="n">KL</th>
          ${beside && html`<th scope="col" class="n">${beside}</th>`}
        </tr></thead>
        <tbody>
          ${rows.map((row) => html`
            <tr key=${row.domain} data-domain=${row.domain}>
              <th scope="row">${about[row.domain] ? about[row.domain].name : row.domain}<small>${row.role}</small></th>
              <td class="track"><${Bars} row=${row} other=${compared[row.domain]} most=${most} chance=${project.chance} unigram=${about[row.domain] && about[row.domain].unigram} /></td>
              <td class="n">${fixed(row.base_ce)}</td>
              <td class="n now">${fixed(row.edited_ce)}</td>
              <td class="n change">${signed(row.damage, 3)}<small>± ${fixed(row.damage_error, 3)}</small></td>
              <td class="n">${fixed(row.kl, 3)}</td>
              ${beside && html`<td class="n other">${compared[row.domain] ? signed(compared[row.domain].damage, 3) : ""}</td>`}
            </tr>`)}
        </tbody>
      </table>
      </div>
      <p class="legend note">
        ${[["base", "base"], ["now", "now"], ...(beside ? [["other", beside]] : []), ["unigram", "unigram"], ["chance", `chance ${fixed(project.chance)}`]].map(([kind, text]) => html`
          <span key=${kind}><span class=${`key ${kind}`}></span>${text}</span>`)}
      </p>
      <p class="note status" role="status">${now.value ? html`${now.value.exact ? "All that the evaluate stage measures" : "A sample"}: ${said} held-out tokens a domain${now.seconds ? `, in ${now.seconds.toFixed(2)} s` : ""}${now.busy ? " \u2026" : ""}` : "measuring \u2026"}</p>
    </section>`;
}

function Bars({ row, other, most, chance, unigram }) {
  const at = (value) => `${(100 * (value || 0)) / most}%`;
  return html`
    <span class="bars" aria-hidden="true">
      <i class="base" style=${{ width: at(row.base_ce) }}></i>
      <i class="now" style=${{ width: at(row.edited_ce) }}></i>
      ${other && html`<i class="other" style=${{ width: at(other.edited_ce) }}></i>`}
      ${unigram && html`<u class="unigram" style=${{ left: at(unigram) }}></u>`}
      <u class="chance" style=${{ left: at(chance) }}></u>
    </span>`;
}
