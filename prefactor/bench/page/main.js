// The page: one edit with its past, which all its parts show.
function Bench({ project }) {
  const [state, dispatch] = useReducer(history_, null, () => {
    const edit = emptyEdit(project.removed);
    return { past: [], now: edit, shown: edit, future: [] };
  });
  const first = project.domains.find((one) => one.domain === project.removed) || project.domains[0];
  const [text, setText] = useState(first.example);
  const [beside, setBeside] = useState("");
  const edit = state.shown;
  const set = (next) => dispatch({ kind: "set", edit: next });
  useEffect(() => {
    const press = (event) => {
      const writing = event.target.closest("textarea, input:not([type=range])");
      if (event.key === "/" && !writing) {
        event.preventDefault();
        document.getElementById("query").focus();
      }
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z" && !writing) {
        event.preventDefault();
        dispatch({ kind: event.shiftKey ? "redo" : "undo" });
      }
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, []);
  return html`
    <header><h1>Prefactor bench</h1><span class="note">${project.folder}</span></header>
    <main>
      <${Picker} project=${project} edit=${edit} add=${(name, label) => set(added(state.now, name, label))} />
      <div class="column">
        <${Edit} project=${project} edit=${edit} state=${state} dispatch=${dispatch} />
        <${Finder} project=${project} edit=${state.now} set=${set} />
        <${Keep} edit=${state.now} />
      </div>
      <div class="column">
      <${Damage} project=${project} edit=${edit} beside=${beside} setBeside=${setBeside}
        setTarget=${(target) => set({ ...state.now, target, guard: state.now.guard && state.now.guard.weigh === "domain" ? null : state.now.guard })} />
      <section class="text" aria-labelledby="text-title">
        <div class="line">
          <h2 id="text-title">Your text</h2>
          <span class="note samples">or some held-out
            ${project.domains.filter((one) => one.example).map((one) => html` <button key=${one.domain} onClick=${() => setText(one.example)}>${one.name}</button>`)}</span>
        </div>
        <label class="unseen" for="text">Text</label>
        <textarea id="text" rows="3" maxlength="20000" spellcheck="false" value=${text} onInput=${(event) => setText(event.target.value)}></textarea>
        <${Tokens} edit=${edit} text=${text} />
        <${Streams} edit=${state.now} text=${text} beside=${beside} />
      </section>
      </div>
    </main>`;
}

(async () => {
  const place = document.getElementById("bench");
  try {
    const project = await ask("project", {});
    document.title = `${project.folder} \u00b7 Prefactor bench`;
    render(html`<${Bench} project=${project} />`, place);
  } catch (error) {
    render(html`<main class="closed"><h1>Prefactor bench</h1><p class="trouble" role="alert">${error.message}</p></main>`, place);
  }
})();
