// What was done, what came of it, and what each stage took.
const DOES = {
  corpus: "gathers text of every domain and splits it by document",
  target: "trains or fetches the model that is edited",
  locate: "tries closed-form changes: which matrices are worth it",
  decompose: "splits weight matrices into rank-1 subcomponents",
  importance: "learns which of them each token needs",
  harvest: "gathers when each fires, on what, with which others",
  effects: "measures what ablating and inverting each does",
  label: "writes a hypothesis on each, of at most 8 words",
  score: "puts the labels to the test on text kept from them",
  shortlist: "lists the subcomponents that a query asks for",
  candidates: "measures what changing these does",
  selection: "takes those that an edit changes, and says why",
  edit: "fits prefactors, LoRAs and fine-tunes",
  evaluate: "measures each edit on held-out text",
};
const WORDS = [
  ["prefactor α", "multiplies a subcomponent; above 1 amplifies, below 1 suppresses, below 0 inverts"],
  ["chance", "ln of the vocabulary’s size, the cross-entropy of a uniform guess"],
  ["unigram", "the cross-entropy of a guess by the token frequencies of the domain’s training text"],
  ["damage", "cross-entropy of the edited model less that of the base model, per domain"],
  ["retained", "a domain held in the loss by its KL to the base model"],
  ["protected", "a domain never in the loss, only measured"],
  ["causal importance", "1: cannot be ablated at this token; 0: can be, in any combination"],
];

function Headline({ run }) {
  const { headline, verdict, bars } = run;
  const subject = headline.subcomponent && html`<${CardLink} run=${run} name=${headline.subcomponent} />,${
    headline.label ? ` labelled “${headline.label}”,` : ""} `;
  return html`<header class="opening">
    <p class="kicker">Prefactor report</p>
    <h1>${headline.title}</h1>
    <p class="lead">${headline.subject} ${subject}${headline.rest}</p>
    <p class="verdict ${verdict.holds ? "holds" : "fails"}"><b>${verdict.holds ? "It holds" : `It does not hold: ${verdict.missed.join("; ")}`}</b>
      ${" "}(bars: ${run.target.name} at ${verdict.bar} or above; at most ${bars.retained} nats of ${run.retained || "what is retained"}${
      run.protected ? `, ${bars.protected} of ${run.protected}` : ""}, each outside quotes of another language where these are known).
      ${run.quotes ? ` ${run.quotes}` : ""}</p>
    <dl class="tiles">${run.tiles.map(([caption, figure, note]) => html`
      <div><dt>${caption}</dt><dd>${figure}</dd><dd class="note">${note}</dd></div>`)}</dl>
  </header>`;
}

function Methods({ run }) {
  return html`<${Section} title="Methods side by side">
    <p>Every method has the same loss (how much retained text weighs in it is its kind’s own), the same fitting text and the same
      ${" "}${run.draws} draws of target tokens. Means over draws, in nats a token. Small print: the 95 % interval over draws of target tokens,
      of which a single one leaves none; and behind ± that over blocks of the evaluated text, the draws as they are. What a method acts on
      and how it is trained was chosen beforehand with more tokens of the target, told from others by their tag: those too stand below the
      tokens that it was fitted on.</p>
    <${Scroll} label="methods side by side"><table class="methods">
      <thead><tr><th scope="col">method</th><th scope="col" class="n">target tokens fitted on</th>
        <th scope="col" class="n">prefactor α<small>first draw</small></th><th scope="col" class="n">target CE − chance</th>
        <th scope="col" class="n">− unigram</th><th scope="col" class="n">retained damage</th>
        <th scope="col" class="n">worst protected damage</th><th scope="col" class="n">tokens to chance</th></tr></thead>
      <tbody>${run.methods.map((row) => html`<tr class="${row.headline ? "headline" : ""} ${row.control ? "control" : ""}">
        <th scope="row"><${Dot} colour=${row.colour} glyph=${row.glyph} /><a class="plain-link" href=${editHash(row.name)}>${row.name}</a>
          ${row.control && html` <${Control} />`}<small>${row.what}</small></th>
        <td class="n fitted">${row.budget} <small>${row.target}${row.chosen_with ? `; chosen with ${row.chosen_with}` : ""}${
          row.tuned_with ? `; tuned with ${row.tuned_with}` : ""}</small></td>
        <td class="n">${row.prefactors || "–"}</td>
        <td class="n">${row.gap}${row.reached && html` <b class="ok" title="removed">✓</b>`}<small>${row.gap_bounds}</small></td>
        <td class="n">${row.gap_to_unigram}</td><td class="n">${row.retained}</td><td class="n">${row.protected}</td>
        <td class="n">${row.tokens_to_chance ?? "not reached"}</td></tr>`)}</tbody></table></${Scroll}>
    <p class="note">✓ removed: at most ${run.reached} nats below chance, or above it. Tokens to chance: the smallest budget at which that
      holds. A model that knows nothing of ${run.target.name} but how frequent its tokens are scores ${run.unigram} nats: at or above that
      unigram bar nothing else of it is left. Controls are no proposals: they are what the methods have to beat.</p>
  </${Section}>`;
}

function Pipeline({ run }) {
  const most = Math.max(...run.cost.rows.map((row) => Number(row.share)), 1);
  return html`<${Section} title="The pipeline">
    <p>One stage after another, with the time that each took; edits and shortlists of a stage are added up. ${run.cost.total.seconds}
      ${" "}in all, ${run.cost.total.flops} floating-point operations, ${run.cost.total.usd} US dollars. <a href="#/bill">The bill</a> has the rest.</p>
    <ol class="pipeline">${run.cost.rows.map((row) => html`<li>
      <b>${row.stage}</b><span class="does">${DOES[row.stage]}</span>
      <span class="n">${row.seconds}</span><span class="n">${row.flops === "–" ? "–" : `${row.flops}FLOP`}</span>
      <${Bar} share=${row.share / most} /></li>`)}</ol>
    <p class="note">Times are of whoever made an output first: a stage whose inputs had not changed was taken from the cache, and cost this run
      nothing again. ${run.cost.made_with.map((machine) => html`Made on ${machine.system}, ${machine.device}, Python ${machine.python}:
      ${" "}${machine.stages.join(", ")}. `)}</p>
  </${Section}>`;
}

function Overview({ run }) {
  return html`<${Headline} run=${run} /><${Methods} run=${run} /><${Pipeline} run=${run} />
    <${Section} title="How it was made">
      <p>The target model has ${run.parameters} parameters and a vocabulary of ${run.vocabulary} tokens. ${run.decomposed.matrices} of its
        weight matrices were split into rank-1 subcomponents u<sub>c</sub>v<sub>c</sub>ᵀ, an importance net learnt which of them each token
        needs, and every subcomponent was labelled from what makes it fire. An edit then rescales a few of them:
        ${" "}<span class="formula">W′ = W + Σ<sub>c</sub> (α<sub>c</sub> − 1) u<sub>c</sub> v<sub>c</sub>ᵀ</span>. Selection, fit and
        evaluation use text of disjoint documents.</p>
      <dl class="words">${WORDS.map(([word, meaning]) => html`<dt>${word}</dt><dd>${meaning}</dd>`)}</dl>
    </${Section}>`;
}
