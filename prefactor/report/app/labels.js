// How far the labels can be trusted, and which would surprise.
function Labels({ run }) {
  const { labels } = run;
  return html`<${Section} title="Labels, and how far to trust them">
    <p>${labels.clear_count} of ${labels.alive_count} alive subcomponents have a clear label; those of the others claim nothing.
      ${" "}${labels.by_people ? `People wrote ${labels.by_people}, which stand in place of the labeller’s.` : "No label was written by a person."}
      ${" "}The tests put ${labels.judged} to windows that were kept from the labeller. The judge is <code>${labels.judge}</code>, ${labels.judge_is}.</p>
    <${Scroll} label="tests of the labels"><table><thead><tr><th scope="col">test</th><th scope="col" class="n">mean</th>
      <th scope="col" class="n">95 % interval</th><th scope="col" class="n">labels</th><th scope="col" class="n">chance</th>
      <th scope="col" class="n">labels shuffled</th></tr></thead>
      <tbody>${labels.tests.map((test) => html`<tr><th scope="row">${test.name}<small>${test.asks}</small></th><td class="n">${test.mean}</td>
        <td class="n">${test.bounds}</td><td class="n">${test.n}</td><td class="n">${test.chance}</td><td class="n">${test.shuffled}</td></tr>`)}
      </tbody></table></${Scroll}>
    <p class="note">1 is perfect. Intruder is the share found; the others are the mean of two shares, of right ones found and of wrong ones left
      out. Labels shuffled: every label tested on another subcomponent, which is what a test gives for free; – where that was not asked. The
      interval is over labels.</p>
    <h3>Labels that would surprise most</h3>
    ${labels.surprises.length ? html`<p>Labels by which a domain is spared that inverting the subcomponent harms: ${labels.surprising}. Those with
        the largest damage to such a domain, in nats a token:</p>
      <${Scroll} label="labels that would surprise"><table><thead><tr><th scope="col">subcomponent</th><th scope="col">label</th>
        <th scope="col">harms, by its label</th><th scope="col">harms, if inverted</th><th scope="col">surprising</th><th scope="col" class="n">damage</th></tr></thead>
        <tbody>${labels.surprises.map((row) => html`<tr><td><${CardLink} run=${run} name=${row.subcomponent} /></td><td>${row.label}</td>
          <td>${row.predicted || "–"}</td><td>${row.rising || "–"}</td><td>${row.surprising}</td><td class="n">${row.nats}</td></tr>`)}</tbody></table></${Scroll}>`
    : html`<p>None: by no label is a domain spared that inverting the subcomponent harms.</p>`}
  </${Section}>`;
}
