// All on one edit: what it changes, what was foreseen, what it does to text, where it came from, how to take it along.
function RunnersUp({ run, rows, label }) {
  return html`<${Scroll} label=${label}><table><thead><tr><th scope="col">subcomponent</th><th scope="col">label</th><th scope="col" class="n">score</th>
    <th scope="col">reason</th></tr></thead><tbody>${rows.map((row) => html`<tr><td><${CardLink} run=${run} name=${row.subcomponent} /></td>
    <td>${row.label || "–"}</td><td class="n">${fixed(row.score)}</td><td>${row.reason}</td></tr>`)}</tbody></table></${Scroll}>`;
}

function Foreseen({ run, choice }) {
  if (!choice) return null;
  return html`${choice.rows.length > 0 && html`<h3>What was known of the choice ${choice.warnings > 0 && html`<${Tag} kind="target">${
      choice.warnings === 1 ? "warning" : `${choice.warnings} warnings`}</${Tag}>`}</h3>
    <p>The damage to be expected of each chosen subcomponent, whatever its label: that of inverting it alone, measured before any edit. Below it
      the damage of the edit as fitted, on other text. In nats a token.</p>
    <${Scroll} label="damage foreseen and measured"><table><thead><tr><th scope="col">subcomponent</th>${run.domains.map(([domain]) => html`
      <th scope="col" class="n">${run.names[domain]}</th>`)}</tr></thead>
      <tbody>${choice.rows.map((row) => html`<tr><th scope="row"><${CardLink} run=${run} name=${row.subcomponent} /><small>${row.label}</small>
        ${row.warning && html`<small class="warning">Warning: ${row.warning}.</small>`}</th>${row.cells.map((cell) => html`<td class="n">${cell}</td>`)}</tr>`)}</tbody>
      <tfoot><tr><th scope="row">the edit as fitted, measured${choice.prefactors && html`<small>α ${choice.prefactors}</small>`}</th>
        ${choice.measured.map((cell) => html`<td class="n">${cell}</td>`)}</tr></tfoot></table></${Scroll}>`}
    ${choice.near_misses.length > 0 && html`<h3>Near misses: what fails one clause of the query, the closest first</h3>
      <${RunnersUp} run=${run} rows=${choice.near_misses} label="near misses" />`}`;
}

function Changed({ run, edit }) {
  if (!edit.subcomponents.length) return null;
  return html`<h3>${edit.subcomponents.length === 1 ? "The subcomponent" : "The subcomponents"}</h3>
    ${edit.subcomponents.map((one) => html`<div class="use"><p><${CardLink} run=${run} name=${one.name} />
      ${" "}${run.columns.label[run.numbers.get(one.name)] ? `“${run.columns.label[run.numbers.get(one.name)]}”` : "no label"}
      ${one.reason && html`. <b>Why this one.</b> ${one.reason}`}</p>
      ${one.warning && html`<p class="warning"><b>Warning.</b> ${one.warning}.</p>`}<${PrefactorsFound} rows=${one.prefactors} /></div>`)}
    ${edit.candidates.length > 0 && html`<details><summary>The runners-up: subcomponents that were not chosen</summary>
      <${RunnersUp} run=${run} rows=${edit.candidates} label="runners-up" /></details>`}`;
}

function Provenance({ run, edit }) {
  const recipe = run.recipes.find(([name]) => name === edit.name);
  return html`<h3>Where it came from</h3>
    <p>Fitted from these artifacts, named with the first twelve digits of the hash that their files have:</p>
    <table class="plain provenance"><tbody>${edit.made_from.map(([name, hash]) => html`<tr><th scope="row"><code>data/${name}</code></th>
      <td><code title=${hash}>${hash.slice(0, 12)}</code></td></tr>`)}</tbody></table>
    ${recipe && html`<p class="note">Learning rates and lengths chosen on the select split: ${recipe[0]} ${recipe[1]} (of ${recipe[2]} each).</p>`}
    <details><summary>Settings</summary><pre tabindex="0">${edit.settings}</pre></details>
    <h3>Take it along</h3>
    <p class="note">In the folder of the run, with its environment.</p>
    <ul class="commands">${edit.commands.map(([what, command]) => html`<li><span>${what}</span>
      <span class="command"><code>${command}</code> <${CopyButton} text=${command} label="copy: ${command}" /></span></li>`)}</ul>`;
}

function OneEdit({ run, edit }) {
  return html`<p>${capital(edit.what)}. Target ${run.names[edit.target]}, fitted on ${edit.budget} of its tokens.</p>
    <${Changed} run=${run} edit=${edit} />
    <${Foreseen} run=${run} choice=${edit.choice} />
    <h3>What the model writes, before and after</h3>
    <p class="note">The prompt is grey, the model’s continuation is not. Words that only one of the two has are marked: dotted before, underlined
      after.</p>
    <${Rollouts} run=${run} edit=${edit} />
    <h3>Where in a text it acts</h3>
    ${edit.has_tokens ? html`<${TokenMap} key=${edit.name} run=${run} edit=${edit} />`
    : html`<p class="note">This run did not keep figures by token: evaluate again (<code>dvc repro</code>) for a map.</p>`}
    <${Provenance} run=${run} edit=${edit} />`;
}
