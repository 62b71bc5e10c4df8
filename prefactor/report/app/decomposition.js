// How the model was taken apart, and how well.
function Stream({ stream }) {
  return html`${stream.name && html`<h3>${capital(stream.name)}</h3>`}
    <div class="columns wide">
      <${Scroll} label="quality by kind of masks"><table class="tight"><thead><tr><th scope="col">masks</th><th scope="col">what is kept</th><th scope="col" class="n">KL to target, nats</th>
        <th scope="col" class="n">CE, nats</th></tr></thead><tbody>${stream.modes.map((mode) => html`<tr><th scope="row">${mode.name}</th>
        <td class="note">${mode.about}</td><td class="n">${mode.kl}</td><td class="n">${mode.ce}</td></tr>`)}</tbody></table></${Scroll}>
      <div><table class="tight"><thead><tr><th scope="col">importance above</th><th scope="col" class="n">L0</th><th scope="col" class="n">of all</th></tr></thead>
        <tbody>${stream.l0.map(([threshold, count, share]) => html`<tr><th scope="row">${threshold}</th><td class="n">${count}</td>
        <td class="n">${share}</td></tr>`)}</tbody></table></div></div>`;
}

function Located({ run }) {
  const { located } = run;
  return html`<${Section} title="Where to decompose">
    <p>Of every matrix a rank-1 change in closed form: it reads what only ${located.target} puts in, and writes what raises the loss most.
      ${" "}${located.verified} of ${located.matrices}, those with the best forecast, were tried. The figure is what ${located.target} loses, up to
      chance, before another domain loses ${located.tolerated} nats a token: a hint where a decomposition is worth its price, and the rival that
      it has to beat.</p>
    <figure><${Figure} figure=${run.figures.located} label="what ${located.target} loses by layer and matrix" /></figure>
    <${Scroll} label="the best matrices"><table><thead><tr><th scope="col">matrix</th><th scope="col" class="n">amount</th>${located.domains.map((name) => html`
      <th scope="col" class="n">${name}</th>`)}</tr></thead><tbody>${located.rows.map((row) => html`<tr><th scope="row"><code>${row.module}</code></th>
      <td class="n">${row.amount}</td>${row.cells.map((cell) => html`<td class="n">${cell}</td>`)}</tr>`)}</tbody></table></${Scroll}>
    <p class="note">The best ${located.best}. Damage in nats a token on training text; at amount 1 the change is as large as what the matrix
      writes itself.</p></${Section}>`;
}

function Decomposition({ run }) {
  const { quality, decomposed, figures } = run;
  return html`<h1>Decomposition</h1>
    <${Section} title="How good the decomposition is">
      <p>${decomposed.share} of the model’s weights are decomposed: ${decomposed.weights} in ${decomposed.matrices} of its matrices.</p>
      ${decomposed.rest.length > 0 && html`<details><summary>What is not, and why</summary><${Scroll} label="weights that are not decomposed"><table class="plain">
        <tbody>${decomposed.rest.map((part) => html`<tr><th scope="row">${part.what}</th><td class="n">${part.share}</td><td class="note">${part.names}</td></tr>`)}
        </tbody></table></${Scroll}></details>`}
      <p>${quality.alive} of ${quality.total} subcomponents are alive. A masked model that stays near the target model (low KL) with few
        subcomponents needed at a token (low L0) is what a decomposition should be; either alone is not. Δ, what the subcomponents do not sum to,
        is ablated but where the table says otherwise${quality.delta ? `; it has ${quality.delta} of the squared norm of the decomposed matrices` : ""}.
        ${quality.target_ce ? ` The target’s own CE on this text is ${quality.target_ce} nats.` : ""}</p>
      ${quality.streams.map((stream) => html`<${Stream} stream=${stream} />`)}
    </${Section}>
    <${Section} title="How many are needed">
      <div class="pair">
        <figure><figcaption>Mean importance of every subcomponent, sorted; both axes logarithmic</figcaption>
          <${Figure} figure=${figures.spectrum} label="mean importance by rank" /></figure>
        <figure><figcaption>L0, subcomponents needed at a token, by training step</figcaption>
          <${Figure} figure=${figures["training-l0"]} label="L0 by training step" /></figure></div>
      ${figures.depth ? html`<figure><figcaption>L0 by layer and position in a block: subcomponents with importance above 0, a mean over blocks</figcaption>
        <${Figure} figure=${figures.depth} label="L0 by layer and position" /></figure>`
    : html`<p class="note">This run did not keep L0 by layer and position: run importance again (<code>dvc repro</code>) for a map.</p>`}
    </${Section}>
    <${Section} title="Loss terms by training step"><div class="columns small">${run.losses.map((name) => html`<figure>
      <figcaption>${name}</figcaption><${Figure} figure=${figures[`training-${name}`]} label="${name} by training step" /></figure>`)}</div></${Section}>
    <${Located} run=${run} />`;
}
