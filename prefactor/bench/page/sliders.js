// The edit: a slider and a number for each subcomponent, its guard, and recorded edits on top of it.
function Edit({ project, edit, state, dispatch }) {
  const set = (next) => dispatch({ kind: "set", edit: next });
  return html`
    <section class="edit" aria-labelledby="edit-title">
      <div class="line">
        <h2 id="edit-title">Edit</h2>
        <span class="buttons">
          <button disabled=${!state.past.length} onClick=${() => dispatch({ kind: "undo" })} title="Ctrl-Z">undo</button>
          <button disabled=${!state.future.length} onClick=${() => dispatch({ kind: "redo" })} title="Ctrl-Shift-Z">redo</button>
          <button disabled=${isEmpty(edit)} onClick=${() => set(emptyEdit(edit.target))}>clear</button>
        </span>
      </div>
      <${Recorded} project=${project} edit=${edit} set=${set} />
      ${!edit.sliders.length && html`<p class="note none">Add a subcomponent: its prefactor 1 changes nothing, 0 ablates, below 0 inverts.</p>`}
      <ul class="sliders">
        ${edit.sliders.map((slider) => html`
          <${Slider} key=${slider.subcomponent} slider=${slider}
            drag=${(alpha) => dispatch({ kind: "drag", edit: moved(edit, slider.subcomponent, alpha) })}
            set=${(alpha) => set(moved(edit, slider.subcomponent, alpha))}
            remove=${() => set(removed(edit, slider.subcomponent))} />`)}
      </ul>
      <${GuardChoice} project=${project} edit=${edit} set=${set} />
    </section>`;
}

function Slider({ slider, drag, set, remove }) {
  const { subcomponent, label, alpha } = slider;
  const [end, setEnd] = useState(bound(alpha));
  const wide = Math.max(end, bound(alpha));
  const at = (value) => `calc(8px + (100% - 16px) * ${(value + wide) / (2 * wide)})`;
  const written = (text) => {
    const value = Number(text);
    if (text.trim() !== "" && Number.isFinite(value) && Math.abs(value) <= LARGEST) set(value);
  };
  return html`
    <li>
      <div class="line">
        <b>${label}</b>
        <span class="buttons">
          ${[["−1", -1, "invert"], ["0", 0, "ablate"], ["1", 1, "leave as it is"]].map(([text, value, what]) => html`
            <button key=${value} aria-label=${`${what}: ${subcomponent}`} title=${what} aria-pressed=${alpha === value} onClick=${() => set(value)}>${text}</button>`)}
          <button aria-label=${`Remove ${subcomponent}`} title="take it out" onClick=${remove}>×</button>
        </span>
      </div>
      <span class="name">${subcomponent}</span>
      <div class="track">
        <div class="range">
          <input type="range" min=${-wide} max=${wide} step=${wide / 80} value=${alpha} aria-label=${`Prefactor of ${subcomponent}`}
            style=${{ "--from": at(Math.min(1, alpha)), "--to": at(Math.max(1, alpha)) }}
            onInput=${(event) => drag(Number(event.target.value))}
            onChange=${(event) => { set(Number(event.target.value)); setEnd(wide); }} />
          <span class="tick" style=${{ left: at(0) }}>0</span><span class="tick" style=${{ left: at(1) }}>1</span>
        </div>
        <input class="n" type="number" step="any" value=${Number(alpha.toFixed(4))} aria-label=${`Prefactor of ${subcomponent}, as a number`}
          min=${-LARGEST} max=${LARGEST} onChange=${(event) => written(event.target.value)} />
      </div>
    </li>`;
}

function GuardChoice({ project, edit, set }) {
  const kind = edit.guard ? edit.guard.weigh : "";
  const ridge = edit.guard ? edit.guard.ridge : RIDGE;
  const others = project.removable.filter((domain) => domain !== edit.target);
  const chosen = (weigh) => {
    if (!weigh) return set({ ...edit, guard: null });
    return set({ ...edit, guard: weigh === "domain" ? { weigh, ridge, spare: others } : { weigh, ridge } });
  };
  return html`
    <div class="guard">
      <label>guard
        <select value=${kind} onChange=${(event) => chosen(event.target.value)}>
          <option value="">none</option>
          <option value="importance">by importance</option>
          <option value="context">by importance in context</option>
          <option value="domain">by domain, sparing ${others.join(", ")}</option>
        </select>
      </label>
      ${kind && html`
        <label>ridge
          <input class="n" type="number" step="any" min="0.000001" max="1000" value=${ridge} onChange=${(event) => {
            const value = Number(event.target.value);
            if (value > 0 && Number.isFinite(value)) set({ ...edit, guard: { ...edit.guard, ridge: value } });
          }} />
        </label>`}
    </div>`;
}

// Edits of params that were run: as sliders, or on top of these as they were recorded.
function Recorded({ project, edit, set }) {
  const [name, setName] = useState("");
  const [error, setError] = useState("");
  if (!project.edits.length) return null;
  const one = project.edits.find((other) => other.name === name);
  const load = async () => {
    try {
      const { target, sliders, guard, labels } = await ask("sliders", { name });
      set({ target, guard, stacked: edit.stacked, sliders: sliders.map((slider) => ({ ...slider, label: labels[slider.subcomponent] })) });
      setError("");
    } catch (failed) { setError(failed.message); }
  };
  return html`
    <div class="recorded">
      <label>recorded
        <select value=${name} onChange=${(event) => { setName(event.target.value); setError(""); }}>
          <option value="">an edit of params …</option>
          ${project.edits.map((other) => html`<option key=${other.name} value=${other.name}>${other.name} (${other.method})</option>`)}
        </select>
      </label>
      <button disabled=${!one || !one.prefactors} onClick=${load}>load as sliders</button>
      <button disabled=${!one || edit.stacked.includes(name) || edit.stacked.length >= 8} onClick=${() => set({ ...edit, stacked: [...edit.stacked, name] })}>put on top</button>
      ${edit.stacked.map((other) => html`
        <span class="chip" key=${other}>${other}
          <button aria-label=${`Take ${other} off`} onClick=${() => set({ ...edit, stacked: edit.stacked.filter((n) => n !== other) })}>×</button>
        </span>`)}
      <${Trouble} error=${error} />
    </div>`;
}
