// One subcomponent: what it is called and why, where it fires, what rescaling it does, what edits make of it.
const TABLES = [
  ["Fires on", "share of the token’s occurrences"], ["Fires on, against base rate", "PMI, nats"],
  ["Predicts", "share of its predictions"], ["Predicts, against base rate", "PMI, nats"],
];

function windowPieces(window, scale, strings) {
  const [, position, tokens, importance, activation] = window;
  return tokens.map((token, place) => {
    const size = Math.abs(activation[place]) / 100;
    const line = size >= 0.05 ? (activation[place] > 0 ? "rising" : "falling") : "";
    const shown = strings[token].replaceAll("\n", "↵");
    return {
      text: shown,
      kind: `${line} ${place === position ? "fires" : ""}`,
      style: { "--heat": (importance[place] / 100).toFixed(2), "--line": `${(1 + 3 * size).toFixed(1)}px` },
      told: `“${spacesShown(strings[token])}”: importance ${fixed(importance[place] / 100)}, activation ${
        signed((activation[place] / 100) * scale)}`,
    };
  });
}

function Windows({ run, card, strings }) {
  const [told, setTold] = useState("Point at a token, or tap it, for its figures.");
  if (!card.windows.length) return html`<p class="note">It fires nowhere in the harvest text.</p>`;
  return html`<p class="note">Highlight: causal importance. Underline: the activation’s size, solid where it is positive, dotted where
      negative, none below a twentieth of the largest shown. Bold: the token it was found by.</p>
    <p class="readout" aria-live="polite">${told}</p>
    <div class="examples">${card.windows.map((window) => html`<p><${Tag}>${run.names[strings[window[0]]]}</${Tag}> ${" "}
      <${TokenText} pieces=${windowPieces(window, card.scale || 0, strings)} tell=${setTold} /></p>`)}</div>
    ${run.kept.windows < 12 && html`<p class="note">With ${grouped(run.count)} subcomponents a card has ${run.kept.windows} windows and
      ${" "}${run.kept.tokens} tokens a table, so that the page stays small; those of the headline’s edit have up to 12 windows.</p>`}`;
}

function TokenTable({ title, unit, rows, strings }) {
  return html`<div><h2 class="minor">${title}</h2><p class="note">${unit}</p><table class="plain"><tbody>
    ${rows.length ? rows.map(([token, value, count]) => html`<tr><td><code>${spacesShown(strings[token])}</code></td>
      <td class="n">${fixed(value)}</td><td class="n note" title="occurrences">×${grouped(count)}</td></tr>`)
      : html`<tr><td class="note">none</td></tr>`}</tbody></table></div>`;
}

function Effects({ run, at, card }) {
  const domains = run.domains.map(([domain]) => domain).filter((domain) => run.columns[`ablate_${domain}`]);
  if (!domains.length || !known(at(`ablate_${domains[0]}`))) return null;
  const cell = (kind, row, domain) => html`<td class="n">${signed(at(`${kind}_${domain}`), 4)}
    <small>${known(row[run.corpus.indexOf(domain)]) ? `± ${row[run.corpus.indexOf(domain)].toFixed(4)}` : ""}</small></td>`;
  return html`<h2 class="minor">What rescaling it does</h2>
    <p class="note">Change of cross-entropy in nats a token, ± one standard error, ${at("exact") ? "measured by forward passes"
      : "to first order in the prefactor"}: ablated (α = 0) and inverted (α = −1).</p>
    <${Scroll} label="effects by domain"><table class="effects"><thead><tr><th scope="col">prefactor</th>
      ${domains.map((domain) => html`<th scope="col" class="n">${run.names[domain]}</th>`)}</tr></thead>
      <tbody>${[["ablate", "ablated, α = 0"], ["invert", "inverted, α = −1"]].map(([kind, name], row) => html`<tr>
        <th scope="row">${name}</th>${domains.map((domain) => cell(kind, card.errors[row], domain))}</tr>`)}</tbody></table></${Scroll}>`;
}

function Together({ run, card }) {
  if (!card.together.length) return null;
  const named = ([other]) => (typeof other === "number" ? run.columns.subcomponent[other] : other);
  const label = ([other]) => (typeof other === "number" && run.columns.label[other]) || "no label";
  return html`<h2 class="minor">Fires together with</h2>
    <p class="note">Ochiai similarity: 1 where two always fire together, and not high only because one fires everywhere.</p>
    <table class="plain together"><tbody>${card.together.map((row) => html`<tr><td><${CardLink} run=${run} name=${named(row)} /></td>
      <td>${label(row)}</td><td class="n">${fixed(row[1])}</td><td class="n note" title="joint firings">×${grouped(row[2])}</td></tr>`)}
    </tbody></table>`;
}

function InEdits({ run, name }) {
  const uses = run.edits.flatMap((edit) => edit.subcomponents.filter((one) => one.name === name).map((one) => [edit, one]));
  if (!uses.length) return null;
  return html`<h2 class="minor">In edits</h2>${uses.map(([edit, one]) => html`<div class="use">
    <p><a href=${editHash(edit.name)}><b>${edit.name}</b></a>${one.reason && html`. <b>Why this one.</b> ${one.reason}`}</p>
    ${one.warning && html`<p class="warning"><b>Warning.</b> ${one.warning}.</p>`}
    <${PrefactorsFound} rows=${one.prefactors} /></div>`)}`;
}

function PrefactorsFound({ rows }) {
  if (!rows.length) return null;
  if (rows.length === 1 && rows[0][2] === rows[0][3]) return html`<p>Prefactor found: <b>${rows[0][1]}</b></p>`;
  return html`<details><summary>Prefactor found</summary><table class="plain narrow"><thead><tr><th scope="col">tokens</th><th scope="col" class="n">mean</th>
    <th scope="col" class="n">lowest</th><th scope="col" class="n">highest</th></tr></thead><tbody>${rows.map(([budget, mean, low, high]) => html`
    <tr><td>${budget}</td><td class="n">${mean}</td><td class="n">${low}</td><td class="n">${high}</td></tr>`)}</tbody></table></details>`;
}

function Judged({ run, card }) {
  const [predicted, rising, surprising] = card.judged.map((codes) => (codes || []).map((code) => run.names[code]).join(", ") || "none");
  if (card.judged.every((codes) => codes === null)) return null;
  return html`<tr><th scope="row">harms, by its label</th><td class="n" colspan="2">${predicted}</td></tr>
    <tr><th scope="row">harms, if inverted</th><td class="n" colspan="2">${rising}</td></tr>
    ${surprising !== "none" && html`<tr><th scope="row">surprising</th><td class="n" colspan="2">${surprising}</td></tr>`}`;
}

function CardBody({ run, index }) {
  const packs = usePacks("strings", `cards-${Math.floor(index / run.pack)}`);
  if (!packs) return html`<p class="note">Opening …</p>`;
  const [strings, cards] = packs;
  const card = cards[index % run.pack];
  const at = (column) => run.columns[column]?.[index] ?? null;
  const tests = TESTS.filter((name) => known(at(name)));
  const importance = run.domains.map(([domain]) => domain).filter((domain) => run.columns[`importance_${domain}`]);
  const shares = run.domains.map(([domain]) => domain).filter((domain) => known(at(`share_${domain}`)));
  return html`
    <p>${card.reasoning}</p>
    <div class="columns">
      <div><h2 class="minor">Mean importance by domain</h2><${Bars} rows=${importance.map((domain) =>
        [run.names[domain], at(`importance_${domain}`) || 0, fixed(at(`importance_${domain}`) || 0, 3)])} /></div>
      ${shares.length > 0 && html`<div><h2 class="minor">Where its firings lie, domains weighing the same</h2><${Bars} rows=${shares.map((domain) =>
        [run.names[domain], at(`share_${domain}`), percent(at(`share_${domain}`), 0)])} /></div>`}
      <div><h2 class="minor">Figures</h2><table class="plain"><tbody>${[
        [`tokens that need it (importance above ${run.kept.fires})`, percent(at("density"))],
        ["mean importance", fixed(at("mean_importance"), 3)],
        ["mean activation where it fires", significant(at("mean_activation"))],
        ["norm ‖u‖ ‖v‖", significant(at("norm"))],
      ].map(([name, value]) => html`<tr><th scope="row">${name}</th><td class="n">${value}</td></tr>`)}</tbody></table></div>
      ${tests.length > 0 && html`<div><h2 class="minor">How far its label holds</h2><table class="plain"><tbody>${tests.map((name) => html`
        <tr><th scope="row">${name === "agreement" ? "causal agreement" : name}</th><td class="n">${fixed(at(name))}</td>
          <td class="n note">chance ${run.chances[name]}</td></tr>`)}<${Judged} run=${run} card=${card} /></tbody></table></div>`}
    </div>
    <${Effects} run=${run} at=${at} card=${card} />
    <div class="columns">${TABLES.map(([title, unit], place) => html`
      <${TokenTable} title=${title} unit=${unit} rows=${card.tables[place]} strings=${strings} />`)}</div>
    <h2 class="minor">Where it fires</h2><${Windows} key=${index} run=${run} card=${card} strings=${strings} />
    <${Together} run=${run} card=${card} />
    <${InEdits} run=${run} name=${at("subcomponent")} />`;
}

// `order` has the indices of the table as it is now filtered and sorted: the neighbours that the keys go to.
function Card({ run, index, order }) {
  const place = order.indexOf(index);
  const beside = (step, from = place) => order[from < 0 ? 0 : from + step];
  const go = (step) => {
    // Keys can come faster than cards are drawn: the address has moved on by then.
    const next = beside(step, order.indexOf(run.numbers.get(readHash().name)));
    if (next !== undefined) location.hash = cardHash(run.columns.subcomponent[next]);
  };
  useLayoutEffect(() => { // with the drawing, not after the painting: each card has its own, and no key may fall between
    const onKey = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, [tabindex='0']")) return;
      if (event.key === "ArrowRight" || event.key === "j") go(1);
      else if (event.key === "ArrowLeft" || event.key === "k") go(-1);
      else if (event.key === "Escape") location.hash = run.listHash;
      else return;
      event.preventDefault();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  });
  const { columns } = run;
  const name = columns.subcomponent[index];
  const score = columns.score[index];
  const address = `${location.href.split("#")[0]}${cardHash(name)}`;
  return html`<nav class="beside" aria-label="cards">
      <a href=${run.listHash}>All subcomponents</a>
      <span class="n">${place < 0 ? "outside the filters" : `${grouped(place + 1)} of ${grouped(order.length)}`}</span>
      <button type="button" onClick=${() => go(-1)} disabled=${beside(-1) === undefined}>← previous</button>
      <button type="button" onClick=${() => go(1)} disabled=${beside(1) === undefined}>next →</button></nav>
    <article class="card">
      <h1 class="label">“${columns.label[index] || "no label"}”</h1>
      <p class="about"><code>${name}</code> ${" "}<span class="note">label by ${columns.labeller[index] || "nobody"}${
        known(score) ? `, score ${fixed(score)} (0 chance, 1 perfect)` : ""}</span>
        ${" "}<a class="share-link" href=${cardHash(name)}>link to this card</a> <${CopyButton} text=${address} label="copy the link" /></p>
      <${CardBody} run=${run} index=${index} /></article>`;
}
