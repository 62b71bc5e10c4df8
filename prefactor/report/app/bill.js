// What it cost, and from how many edits on a decomposition is paid back.
const MOST_EDITS = 10000;
const editsAt = (place) => Math.max(1, Math.round(MOST_EDITS ** (place / 100)));
const UNITS = { seconds: ["time", duration], flops: ["floating-point operations", magnitude] };

// Totals of `count` edits by each method: the decomposition once, where it is needed, and as many edits.
function totals({ once, methods }, unit, listed, count) {
  return methods.map((method) => {
    const each = method.fit[unit] + (listed === "own" ? method.listed[unit] : 0);
    const shared = method.decomposed ? once[unit] : 0;
    return { ...method, each, shared, total: shared + count * each };
  }).sort((one, two) => one.total - two.total);
}

// Edits from which `one`, which needs the decomposition, costs no more than `rival`; null where never.
const paidBack = (one, rival) => (one.each < rival.each ? Math.ceil(one.shared / (rival.each - one.each)) : null);

function growth(run, rows, unit, count) {
  const colour = Object.fromEntries(run.methods.map((row) => [row.name, row.colour]));
  const x = [...new Set(Array.from({ length: 41 }, (_, place) => editsAt(2.5 * place)))];
  const shown = rows.filter((row) => row.name === run.edit || !row.decomposed);
  const text = { size: 12 };
  const axis = { gridcolor: "#8884", linecolor: "#8888", automargin: true, fixedrange: true, type: "log" };
  return {
    data: shown.map((row) => ({
      type: "scatter", mode: "lines", name: row.name, x, y: x.map((edits) => row.shared + edits * row.each),
      line: { color: colour[row.name], width: row.name === run.edit ? 3 : 1.5, dash: row.decomposed ? "solid" : "dash" },
      hovertemplate: `<b>${row.name.replaceAll("<", "&lt;")}</b><br>%{x:,} edits: %{y:.3s}<extra></extra>`,
    })),
    layout: {
      height: 340, showlegend: false, margin: { l: 52, r: 16, t: 16, b: 48 }, font: text, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      shapes: [{ type: "line", x0: count, x1: count, y0: 0, y1: 1, yref: "paper", line: { color: "#868e96", width: 1, dash: "dash" } }],
      xaxis: { ...axis, title: { text: "edits" }, dtick: 1 },
      yaxis: { ...axis, title: { text: unit === "seconds" ? "seconds in all" : "operations in all" }, dtick: 1, exponentformat: "power" },
    },
  };
}

function BreakEven({ run }) {
  const [place, setPlace] = useState(50);
  const [unit, setUnit] = useState("seconds");
  const [listed, setListed] = useState("own");
  const count = editsAt(place);
  const [what, shown] = UNITS[unit];
  const rows = totals(run.break_even, unit, listed, count);
  const rivals = rows.filter((row) => !row.decomposed);
  const ours = rows.filter((row) => row.decomposed);
  const figure = useMemo(() => growth(run, rows, unit, count), [unit, listed, count]);
  return html`<${Section} title="When a decomposition is paid back">
    <div class="choices">
      <label class="choice wide"><span>Number of edits: <output id="edits">${grouped(count)}</output></span>
        <input type="range" id="edits-slider" min="0" max="100" step="1" value=${place} aria-valuetext="${grouped(count)} edits"
          onInput=${(event) => setPlace(Number(event.target.value))} /></label>
      <${Choice} label="Counted in" value=${unit} options=${Object.entries(UNITS).map(([key, [name]]) => [key, name])} onChange=${setUnit} />
      <${Choice} label="Candidates" value=${listed} onChange=${setListed}
        options=${[["own", "listed and measured for every edit"], ["measured", "measured already: another edit of a shortlist"]]} /></div>
    <p class="note">Counted once for all edits of subcomponents: ${run.break_even.stages.map((stage) => `${stage.stage} ${shown(stage[unit])}`).join(", ")};
      ${" "}${shown(run.break_even.once[unit])} together. An edit: the edit stage’s ${what} divided by its fits, the search of a learning rate and a
      length spread over them, its selection, and what lists and measures its candidates; of a direction, what finds its matrix. Not counted, since
      every method needs them: corpus, target and evaluation. All as recorded in this run.</p>
    <figure><figcaption>${run.edit} (solid) and the methods that need no decomposition (dashed), by number of edits; both axes logarithmic</figcaption>
      <${Figure} figure=${figure} label="${what} in all by number of edits" /></figure>
    <${Scroll} label="cost of so many edits"><table class="totals"><thead><tr><th scope="col">method</th><th scope="col" class="n">once</th><th scope="col" class="n">an edit</th>
      <th scope="col" class="n">${grouped(count)} ${count === 1 ? "edit" : "edits"}</th><th scope="col" class="n">each of them</th></tr></thead>
      <tbody>${rows.map((row, index) => html`<tr class=${row.name === run.edit ? "headline" : ""}><th scope="row">${row.name}${index === 0 && html` <${Tag}>cheapest</${Tag}>`}</th>
        <td class="n">${row.shared ? shown(row.shared) : "–"}</td><td class="n">${shown(row.each)}</td><td class="n">${shown(row.total)}</td>
        <td class="n">${shown(row.total / count)}</td></tr>`)}</tbody></table></${Scroll}>
    ${rivals.length > 0 && ours.length > 0 && html`<h3>Edits from which the decomposition is paid back</h3>
      <${Scroll} label="break-even"><table class="even"><thead><tr><th scope="col">edit</th>${rivals.map((rival) => html`<th scope="col" class="n">against ${rival.name}</th>`)}</tr></thead>
        <tbody>${ours.map((one) => html`<tr class=${one.name === run.edit ? "headline" : ""}><th scope="row">${one.name}</th>${rivals.map((rival) => {
          const from = paidBack(one, rival);
          return html`<td class="n">${from === null ? "never" : grouped(from)}</td>`;
        })}</tr>`)}</tbody></table></${Scroll}>
      <p class="note">Never: one such edit costs no less than the rival’s. It says nothing of what they do: a cheap edit that harms its neighbours is
        on <a href="#/edits">the frontier</a>.</p>`}
  </${Section}>`;
}

function Bill({ run }) {
  const { cost } = run;
  return html`<h1>The bill</h1>
    <${Section} title="What it cost">
      <p>${cost.shared} were spent once, on everything up to the labels and their tests${cost.sharing ? `, and on measuring candidates, which ${cost.sharing} share` : ""}.
        ${" "}${cost.count} took ${cost.edits} together (${cost.each} each) for ${cost.fits} fits and their evaluation.</p>
      <${Scroll} label="cost of each stage"><table><thead><tr><th scope="col">stage</th><th scope="col" class="n">time</th><th scope="col">share of time</th><th scope="col" class="n">tokens</th>
        <th scope="col" class="n">floating-point operations</th><th scope="col" class="n">peak memory</th><th scope="col" class="n">requests</th><th scope="col" class="n">US dollars</th></tr></thead>
        <tbody>${cost.rows.map((row) => html`<tr><th scope="row">${row.stage}</th><td class="n">${row.seconds}</td>
          <td class="share"><${Bar} share=${Number(row.share) / 100} /><span class="n">${row.share} %</span></td><td class="n">${row.tokens}</td>
          <td class="n">${row.flops}</td><td class="n">${row.memory}</td><td class="n">${row.requests}</td><td class="n">${row.usd}</td></tr>`)}</tbody>
        <tfoot><tr><th scope="row">total</th><td class="n">${cost.total.seconds}</td><td></td><td class="n">${cost.total.tokens}</td><td class="n">${cost.total.flops}</td>
          <td class="n">${cost.total.memory}</td><td class="n">${cost.total.requests}</td><td class="n">${cost.total.usd}</td></tr></tfoot></table></${Scroll}>
      <details><summary>By edit and shortlist</summary><div class="columns">${cost.rows.filter((row) => row.entries.length).map((row) => html`
        <div><h3>${row.stage}</h3><table class="plain"><tbody>${row.entries.map(([name, time]) => html`<tr><th scope="row">${name}</th>
          <td class="n">${time}</td></tr>`)}</tbody></table></div>`)}</div></details>
    </${Section}>
    <${BreakEven} run=${run} />`;
}
