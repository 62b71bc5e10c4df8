// A table of any length of which only the rows in sight are in the page. Every row has the same height.
const ROW_HEIGHT = 38;
const BEYOND = 8; // rows above and below those in sight

// columns: {key, title, unit, kind, value(index), cell(index)}; rows: indices in order; active: a place in `rows`.
function VirtualTable({ columns, rows, sort, onSort, active, onActive, onOpen, label }) {
  const box = useRef(null);
  const [place, setPlace] = useState({ top: 0, height: 600 });
  const measure = () => box.current && setPlace({ top: box.current.scrollTop, height: box.current.clientHeight });
  useLayoutEffect(() => {
    measure();
    addEventListener("resize", measure);
    return () => removeEventListener("resize", measure);
  }, []);
  useEffect(() => { // the active row stays in sight
    const element = box.current;
    if (!element || active < 0) return;
    const head = element.querySelector("thead").offsetHeight;
    const [above, below] = [active * ROW_HEIGHT, (active + 1) * ROW_HEIGHT + head];
    if (above < element.scrollTop) element.scrollTop = above;
    else if (below > element.scrollTop + element.clientHeight) element.scrollTop = below - element.clientHeight;
  }, [active, rows]);
  const first = Math.max(0, Math.floor(place.top / ROW_HEIGHT) - BEYOND);
  const last = Math.min(rows.length, Math.ceil((place.top + place.height) / ROW_HEIGHT) + BEYOND);
  const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: 12, PageUp: -12, Home: -Infinity, End: Infinity };
  const onKeyDown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" && active >= 0 && event.target === box.current) onOpen(rows[active]);
    else if (event.key in step) onActive(Math.max(0, Math.min(rows.length - 1, active + step[event.key])));
    else return;
    event.preventDefault();
  };
  const sorted = (key) => (sort.key === key ? (sort.down ? "descending" : "ascending") : "none");
  return html`<div class="virtual" ref=${box} tabindex="0" role="region" aria-label=${label} onScroll=${measure} onKeyDown=${onKeyDown}>
    <table aria-rowcount=${rows.length + 1}>
      <thead><tr>${columns.map(({ key, title, unit, kind }) => html`
        <th scope="col" class="${kind}" aria-sort=${sorted(key)}><button type="button" onClick=${() => onSort(key)}>
          ${title}<span class="arrow" aria-hidden="true">${sort.key === key ? (sort.down ? " ↓" : " ↑") : ""}</span></button>
          <small>${unit || " "}</small></th>`)}</tr></thead>
      <tbody>
        ${first > 0 && html`<tr class="space" aria-hidden="true" style=${{ height: `${first * ROW_HEIGHT}px` }}></tr>`}
        ${rows.slice(first, last).map((index, offset) => html`
          <tr key=${index} aria-rowindex=${first + offset + 2} class=${first + offset === active ? "active" : ""}
            onClick=${(event) => event.target.closest("a") || onOpen(index)}>
            ${columns.map((column) => html`<td class=${column.kind}>${column.cell(index)}</td>`)}</tr>`)}
        ${last < rows.length && html`<tr class="space" aria-hidden="true" style=${{ height: `${(rows.length - last) * ROW_HEIGHT}px` }}></tr>`}
      </tbody>
    </table></div>`;
}
