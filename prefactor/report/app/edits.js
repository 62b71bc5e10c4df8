// All edits against one another, and one of them in full.
function Edits({ run, route }) {
  const edit = run.edits.find(({ name }) => name === route.name) ?? run.edits[0];
  useEffect(() => {
    if (route.name) document.getElementById("one-edit")?.scrollIntoView();
  }, [route.name]);
  return html`<h1>Edits</h1>
    <${Frontiers} run=${run} />
    <${Section} title="One edit" id="one-edit">
      ${route.name && edit.name !== route.name && html`<p class="warning">There is no edit ${route.name} in this run.</p>`}
      <div class="choices"><${Choice} label="Edit" value=${edit.name} options=${run.edits.map(({ name }) => [name, name])}
        onChange=${(name) => { location.hash = editHash(name); }} /></div>
      <${OneEdit} run=${run} edit=${edit} /></${Section}>`;
}
