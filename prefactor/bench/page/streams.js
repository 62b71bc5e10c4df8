// How the base, the edited and another model continue the text, on the same noise; written as it comes.
function Streams({ edit, text, beside }) {
  const [started, setStarted] = useState(0);
  const [tokens, setTokens] = useState(40);
  const [temperature, setTemperature] = useState(0);
  const [seed, setSeed] = useState(0);
  const [sides, setSides] = useState({});
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const wanted = { page: PAGE, edit: asked(edit), beside: beside || null, prompt: text, tokens, temperature, seed };
  const key = JSON.stringify(wanted);
  useEffect(() => {
    if (!started || !text.trim()) return undefined;
    const ends = new AbortController();
    const write = async () => {
      setBusy(true);
      setError("");
      setSides({});
      try {
        await stream("generate", wanted, (event) => {
          if (ends.signal.aborted) return;
          if (event.error) setError(event.error);
          if (event.side) setSides((before) => ({ ...before, [event.side]: event.text }));
        }, ends.signal);
      } catch (failed) {
        if (!ends.signal.aborted && failed.name !== "AbortError") setError(failed.message);
      }
      if (!ends.signal.aborted) setBusy(false);
    };
    const timer = setTimeout(write, 250);
    return () => { clearTimeout(timer); ends.abort(); };
  }, [key, started]);
  const shown = [["base", "base"], ["edited", "now"], ...(beside ? [["beside", beside]] : [])];
  return html`
    <div class="write" aria-busy=${busy}>
      <div class="line choices">
        <button class="main" onClick=${() => setStarted(started + 1)} disabled=${!text.trim()}>${started ? "continue again" : "continue the text"}</button>
        <label>tokens <input class="n" type="number" min="1" max="256" value=${tokens} onChange=${(event) => setTokens(within(event.target.value, 1, 256, tokens))} /></label>
        <label>temperature <input class="n" type="number" min="0" max="10" step="0.1" value=${temperature} onChange=${(event) => setTemperature(within(event.target.value, 0, 10, temperature, false))} /></label>
        <label>seed <input class="n" type="number" min="0" max="4294967295" value=${seed} onChange=${(event) => setSeed(within(event.target.value, 0, 4294967295, seed))} /></label>
      </div>
      <${Trouble} error=${error} />
      ${started > 0 && html`
        <div class="sides">
          ${shown.map(([side, title]) => html`
            <div key=${side} class=${`side ${side}`} data-side=${side}>
              <h4>${title}</h4>
              <p>${apart((sides[side] || "").trimStart(), side === "base" ? null : (sides.base || "").trimStart())}${busy && html`<span class="caret" aria-hidden="true"></span>`}</p>
            </div>`)}
        </div>`}
    </div>`;
}

function within(text, least, most, otherwise, whole = true) {
  const value = Number(text);
  return text.trim() !== "" && value >= least && value <= most && (!whole || Number.isInteger(value)) ? value : otherwise;
}

// `text` with what comes after the first difference from `base` marked.
function apart(text, base) {
  if (base === null) return text;
  let same = 0;
  while (same < text.length && same < base.length && text[same] === base[same]) same += 1;
  if (same === text.length) return text;
  return html`${text.slice(0, same)}<mark>${text.slice(same)}</mark>`;
}
