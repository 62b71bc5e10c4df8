// Where in a text an edit changes what the model says, and the same text written on before and after.
const SHADES = [0.01, 0.1, 1, 10]; // nats

// 0 at 0.01 nats and below, 1 at 10 and above.
const heatOf = (kl) => Math.min(1, Math.max(0, Math.log10(Math.max(kl, 1e-9) / 0.01) / 3));

function TokenMap({ run, edit }) {
  const number = run.edits.indexOf(edit);
  const packs = usePacks("strings", `tokens-${number}`);
  const [told, setTold] = useState("Point at a token, or tap it, for its figures.");
  if (!packs) return html`<p class="note">Opening …</p>`;
  const [strings, blocks] = packs;
  const pieces = (block) => block.tokens.map((token, place) => ({
    text: strings[token].replaceAll("\n", "↵"),
    kind: "",
    style: { "--heat": heatOf(block.kl[place] || 0).toFixed(2) },
    told: known(block.base_ce[place])
      ? `“${spacesShown(strings[token])}”: KL ${fixed(block.kl[place], 3)} nats; cross-entropy ${fixed(block.base_ce[place])} → ${fixed(block.edited_ce[place])} nats`
      : `“${spacesShown(strings[token])}”: nothing before it`,
  }));
  const order = [edit.target, ...run.domains.map(([domain]) => domain).filter((domain) => domain !== edit.target)];
  const sorted = [...blocks].sort((one, two) => order.indexOf(one.domain) - order.indexOf(two.domain));
  return html`<p class="note">KL(base ‖ edited) of predicting each token, on a few blocks of held-out text a domain; the report’s budget, first draw.
      ${" "}<span class="scale">${SHADES.map((kl) => html`<span class="shade" style=${{ "--heat": heatOf(kl).toFixed(2) }}>${kl}</span>`)} nats</span></p>
    <p class="readout" aria-live="polite">${told}</p>
    <div class="examples map">${sorted.map((block) => html`<p><${Tag} kind=${block.domain === edit.target ? "target" : ""}>${run.names[block.domain]}</${Tag}>
      ${" "}<${TokenText} pieces=${pieces(block)} tell=${setTold} /></p>`)}</div>`;
}

// Of two texts, runs of words that both have and that one has alone, by their longest common subsequence. A few common
// words amid what differs are no agreement: they count as differing, but at the start.
const AGREEMENT = 3; // words

function common(a, b) {
  const lengths = Array.from({ length: a.length + 1 }, () => new Array(b.length + 1).fill(0));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      lengths[i][j] = a[i] === b[j] ? lengths[i + 1][j + 1] + 1 : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
    }
  }
  const pairs = [];
  for (let [i, j] = [0, 0]; i < a.length && j < b.length;) {
    if (a[i] === b[j]) pairs.push([i++, j++]);
    else if (lengths[i + 1][j] >= lengths[i][j + 1]) i += 1;
    else j += 1;
  }
  return pairs;
}

function differences(before, after) {
  const [a, b] = [before, after].map((text) => text.match(/\s*\S+|\s+$/g) ?? []);
  const runs = []; // of neighbouring pairs
  for (const [i, j] of common(a, b)) {
    const last = runs.at(-1)?.at(-1);
    if (last && last[0] === i - 1 && last[1] === j - 1) runs.at(-1).push([i, j]);
    else runs.push([[i, j]]);
  }
  const kept = runs.filter((run) => run.length >= AGREEMENT || (run[0][0] === 0 && run[0][1] === 0)).flat();
  const [inOld, inFresh] = [0, 1].map((side) => new Set(kept.map((pair) => pair[side])));
  return [a.map((word, i) => [word, !inOld.has(i)]), b.map((word, j) => [word, !inFresh.has(j)])];
}

// Neighbouring words that differ are marked as one, without the space before them.
function Marked({ words, Mark }) {
  const parts = [];
  for (const [text, differs] of words) {
    if (differs && parts.at(-1)?.differs) parts.at(-1).text += text;
    else if (differs) {
      const space = /^\s*/.exec(text)[0];
      parts.push({ text: space }, { text: text.slice(space.length), differs });
    } else parts.push({ text });
  }
  return parts.map(({ text, differs }) => (differs ? html`<${Mark}>${text}</${Mark}>` : text));
}

function Rollouts({ run, edit }) {
  return html`<div class="rollout head note"><span></span><span>before</span><span>after</span></div>
    ${edit.rollouts.map((row) => {
      const [old, fresh] = differences(row.before, row.after);
      return html`<div class="rollout"><div><${Tag} kind=${row.domain === edit.target ? "target" : ""}>${run.names[row.domain]}</${Tag}></div>
        <p><span class="prompt">${row.prompt}</span><${Marked} words=${old} Mark="del" /></p>
        <p><span class="prompt">${row.prompt}</span><${Marked} words=${fresh} Mark="ins" /></p></div>`;
    })}`;
}
