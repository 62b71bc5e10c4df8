// What removal costs, over all edits: two frontiers, the point that was clicked, damage by domain, tokens needed.
function PointDetails({ run, at, setAt }) {
  const edit = run.edits.find(({ name }) => name === at.name);
  const point = edit.points.find(({ budget }) => String(budget) === at.budget) ?? edit.points[0];
  const drawn = run.edits.filter(({ name }) => run.legend.some(([other]) => other === name));
  const choose = (name) => {
    const budgets = run.edits.find((one) => one.name === name).points.map(({ budget }) => String(budget));
    setAt({ name, budget: budgets.includes(at.budget) ? at.budget : budgets[0] });
  };
  return html`<div class="point" id="point" aria-live="polite">
    <h3>A point of the frontier</h3>
    <div class="choices">
      <${Choice} label="Edit" value=${at.name} options=${drawn.map(({ name }) => [name, name])} onChange=${choose} />
      <${Choice} label="Target tokens" value=${String(point.budget)} onChange=${(budget) => setAt({ ...at, budget })}
        options=${edit.points.map(({ budget }) => [String(budget), String(budget)])} />
      <a href=${editHash(at.name)}>all on this edit</a></div>
    <p>${run.names[edit.target]} at ${point.ce} nats a token, ${point.gap} of chance (${point.gap_bounds}), ${point.unigram} of unigram${
      point.reached ? ": removed" : ""}.</p>
    <${Scroll} label="draws of this point"><table class="draws"><thead><tr><th scope="col">draw</th><th scope="col" class="n">prefactor α</th>
      <th scope="col" class="n">${run.names[edit.target]}, nats</th>${point.damage.map(([domain]) => html`<th scope="col" class="n">${run.names[domain]}, damage</th>`)}</tr></thead>
      <tbody>${point.draws.map((draw) => html`<tr><th scope="row">seed ${draw.seed}</th><td class="n">${draw.prefactors || "–"}</td><td class="n">${draw.ce}</td>
        ${draw.damage.map((value) => html`<td class="n">${value}</td>`)}</tr>`)}</tbody>
      <tfoot><tr><th scope="row">mean<small>95 % interval</small></th><td></td><td class="n">${point.ce}</td>${point.damage.map(([, mean, bounds]) => html`
        <td class="n">${mean}<small>${bounds}</small></td>`)}</tr></tfoot></table></${Scroll}></div>`;
}

function Frontiers({ run }) {
  const [hidden, setHidden] = useState(new Set());
  const headline = run.edits.find(({ name }) => name === run.edit);
  const [at, setAt] = useState({ name: run.edit, budget: String(headline.budget) });
  const onPoint = (data) => data && setAt({ name: data[0], budget: String(data[1]) });
  const { figures } = run;
  const [draws, setDraws] = useState(false);
  const [intervals, setIntervals] = useState(true);
  const costs = [["retained", `${run.retained}, retained`], ["protected", `the worst of ${run.protected}, protected`]].filter(([key]) => figures[key]);
  const [cost, setCost] = useState(costs.at(-1)?.[0]);
  const marks = { hidden, draws, intervals, onPoint };
  return html`<${Section} title="The frontier: what removal costs">
      <p>Up is better removed, left is less harm. The number in a marker is the budget of ${run.target.name} tokens; thin lines are 95 %
        intervals over draws. Click on a mark for its figures, below.</p>
      <${Legend} legend=${run.legend} hidden=${hidden} setHidden=${setHidden} />
      <div class="choices">
        <${Choice} label="Damage to" value=${cost} options=${costs} onChange=${setCost} />
        <label class="check"><input type="checkbox" checked=${intervals} onChange=${(event) => setIntervals(event.target.checked)} />95 % intervals</label>
        <label class="check"><input type="checkbox" checked=${draws} onChange=${(event) => setDraws(event.target.checked)} />single draws, with seed and prefactor</label></div>
      ${cost && html`<figure><${Figure} figure=${figures[cost]} ...${marks} label="${run.target.name} cross-entropy against damage to ${run[cost]}" />
        <figcaption>${cost === "retained" ? `${run.retained}: retained, in the loss of every method.`
          : `The worst of ${run.protected}: protected, never in the loss.`}</figcaption></figure>`}
      <p class="note">The damage axis is linear near 0 and logarithmic beyond 0.01 nats, so that no damage and negative damage have a place.${
        run.elsewhere.length ? ` Edits with another target are not drawn: ${run.elsewhere.join(", ")}.` : ""}</p>
      <${PointDetails} run=${run} at=${at} setAt=${setAt} />
    </${Section}>
    <${Damage} run=${run} />
    <${Section} title="How many tokens it takes">
      <p>${run.target.name} cross-entropy against the number of ${run.target.name} tokens each method was fitted on, with its 95 % interval over draws.</p>
      <figure><${Figure} figure=${figures.budget} ...${marks} label="${run.target.name} cross-entropy by number of target tokens" /></figure>
    </${Section}>`;
}

function Damage({ run }) {
  return html`<${Section} title="Damage by domain">
    <p>Cross-entropy of the edited model less that of the base model, at the report’s budget, in nats a token, with its 95 % intervals.</p>
    <${Scroll} label="damage by domain"><table class="damage"><thead><tr><th scope="col">method</th>${run.domains.map(([domain, role]) => html`
      <th scope="col" class="n">${run.names[domain]}<small>${role}</small></th>`)}</tr></thead>
      <tbody>${run.damage.map((row) => html`<tr class=${row.control ? "control" : ""}><th scope="row"><a class="plain-link" href=${editHash(row.name)}>${row.name}</a>
        ${row.control && html` <${Control} />`}</th>${row.cells.map((cell) => (cell ? html`<td class="n ${cell.role}" style=${{ "--heat": cell.heat }} title=${cell.role}>
          ${cell.mean}<small>${cell.bounds}</small></td>` : html`<td class="n">–</td>`))}</tr>`)}</tbody></table></${Scroll}>
    <p class="note">Before any edit: ${run.base_ce.map(([domain, ce]) => `${run.names[domain]} ${ce}`).join(", ")} nats; chance ${run.chance}.
      Shading runs from 0.01 to 1 nat. The target’s column is meant to be large.</p>
  </${Section}>`;
}
