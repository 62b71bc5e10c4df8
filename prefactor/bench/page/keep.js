// What the edit becomes: an entry of params that the DAG makes again, or an adapter for other tools.
function Keep({ edit }) {
  const [name, setName] = useState("");
  const [told, setTold] = useState({ text: "", error: "" });
  const [busy, setBusy] = useState(false);
  const act = async (what) => {
    setBusy(true);
    setTold({ text: "", error: "" });
    try {
      setTold({ text: await what({ edit: asked(edit), name }), error: "" });
    } catch (failed) {
      setTold({ text: "", error: failed.message });
    }
    setBusy(false);
  };
  const save = async (wanted) => {
    const done = await ask("save", wanted);
    return `params.yaml has it as edits.${done.saved}. Next: ${done.next}`;
  };
  const write = async (wanted) => `written: ${(await ask("adapter", wanted)).written}`;
  const download = async (wanted) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await (await send("adapter.zip", wanted)).blob());
    link.download = `${name}.zip`;
    link.click();
    URL.revokeObjectURL(link.href);
    return `downloaded: ${name}.zip`;
  };
  const off = busy || !name.trim() || isEmpty(edit);
  return html`
    <section class="keep" aria-labelledby="keep-title">
      <h2 id="keep-title">Keep it</h2>
      <div class="line choices">
        <label>name <input type="text" maxlength="60" placeholder="german-out" value=${name} autocomplete="off" spellcheck="false"
          onInput=${(event) => setName(event.target.value)} /></label>
        <button class="main" disabled=${off} onClick=${() => act(save)}>save into params.yaml</button>
        <button disabled=${off} onClick=${() => act(download)}>download adapter</button>
        <button disabled=${off} onClick=${() => act(write)}>write adapter into the project</button>
      </div>
      <${Trouble} error=${told.error} />
      <p class="note status" role="status">${busy ? "working \u2026" : told.text}</p>
    </section>`;
}
