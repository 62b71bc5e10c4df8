// An edit found by the search of `prefactor remove`: what it has that nothing else it tried beats, as it goes.
function Finder({ project, edit, set }) {
  const [seconds, setSeconds] = useState(60);
  const [found, setFound] = useState(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const run = async () => {
    setBusy(true);
    setError("");
    try {
      await stream("find", { page: PAGE, target: edit.target, seconds }, (event) => {
        if (event.error) setError(event.error);
        else setFound(event);
      });
    } catch (failed) {
      if (failed.name !== "AbortError") setError(failed.message);
    }
    setBusy(false);
  };
  const stop = () => ask("stop", { page: PAGE }).catch((failed) => setError(failed.message));
  const load = (row) => set({ target: found.target, guard: row.guard, stacked: [], sliders: row.sliders });
  const name = (domain) => (project.domains.find((one) => one.domain === domain) || { name: domain }).name;
  return html`
    <section class="finder" aria-labelledby="finder-title" aria-busy=${busy}>
      <h2 id="finder-title">Find it for me</h2>
      <div class="line choices">
        <label>for <input class="n" type="number" min="5" max="3600" value=${seconds}
          onChange=${(event) => setSeconds(within(event.target.value, 5, 3600, seconds))} /> seconds</label>
        ${busy ? html`<button onClick=${stop}>stop</button>` : html`<button class="main" onClick=${run}>remove ${name(edit.target)}</button>`}
      </div>
      <${Trouble} error=${error} />
      ${found && found.front.length > 0 && html`
        <div class="scroll" tabindex="0" role="group" aria-label="What nothing else beats">
          <table>
            <thead><tr>
              <th scope="col">numbers</th><th scope="col" class="n">short of the goal</th><th scope="col" class="n">worst neighbour</th>
              <th scope="col"><span class="unseen">load</span></th>
            </tr></thead>
            <tbody>
              ${found.front.map((row) => html`
                <tr key=${row.number} class=${classes(row.best && "best")}>
                  <th scope="row">${row.sliders.length}${row.guard ? ", guarded" : ""}<small>${row.best ? "the best by the bars" : row.meets ? "meets the bars" : ""}</small></th>
                  <td class="n">${fixed(row.gap)}</td>
                  <td class="n">${signed(row.worst, 3)}<small>${name(row.worst_domain)}</small></td>
                  <td class="n"><button aria-label=${`Load trial ${row.number} as sliders`} onClick=${() => load(row)}>load</button></td>
                </tr>`)}
            </tbody>
          </table>
        </div>`}
      <p class="note status" role="status">${found ? `${found.tried} tried${busy ? " so far \u2026" : ""}; nats a token on the select split` : busy ? "reading text \u2026" : "Tries subcomponents, prefactors and guards; all of it is kept."}</p>
    </section>`;
}
