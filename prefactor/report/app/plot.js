// Figures by plotly, which is opened with the first of them.
let plotly = null;

function withPlotly() {
  plotly ??= pack("plotly").then((text) => {
    const script = document.createElement("script");
    script.textContent = text;
    document.head.append(script);
    return window.Plotly;
  });
  return plotly;
}

// `hidden` has the names of traces that are not drawn; `draws` and `intervals` whether these are; `onPoint` gets the
// custom data of a mark that is clicked.
function Figure({ figure, label, hidden = null, draws = false, intervals = true, onPoint = null }) {
  const place = useRef(null);
  const asked = useRef(onPoint);
  asked.current = onPoint;
  useEffect(() => {
    let wanted = true;
    withPlotly().then(async (Plotly) => {
      const element = place.current;
      if (!wanted || !element) return;
      const data = figure.data.map((trace) => {
        const bars = Object.fromEntries(["error_x", "error_y"].filter((bar) => trace[bar])
          .map((bar) => [bar, { ...trace[bar], visible: intervals }]));
        return { ...trace, ...bars, visible: !hidden?.has(trace.name) && (trace.meta !== "draws" || draws) };
      });
      const settings = { displayModeBar: false, responsive: true, plotlyServerURL: "" };
      await Plotly.react(element, data, structuredClone(figure.layout), settings);
      if (!element.listening) {
        element.listening = true;
        element.on("plotly_click", (event) => asked.current?.(event.points[0].customdata));
      }
      element.dataset.drawn = "yes";
    });
    return () => { wanted = false; };
  }, [figure, hidden, draws, intervals]);
  useEffect(() => () => place.current && window.Plotly?.purge(place.current), []);
  return html`<div class="plot ${onPoint ? "clicked" : ""}" ref=${place} role="img" aria-label=${label}
    style=${{ minHeight: `${figure.layout.height}px` }}></div>`;
}

function Legend({ legend, hidden, setHidden }) {
  const toggle = (name) => {
    const next = new Set(hidden);
    if (!next.delete(name)) next.add(name);
    setHidden(next);
  };
  return html`<div class="legend" role="group" aria-label="methods; click to hide or show">
    ${legend.map(([name, colour, glyph, control]) => html`
      <button type="button" aria-pressed=${String(!hidden.has(name))} onClick=${() => toggle(name)}>
        <${Dot} colour=${colour} glyph=${glyph} />${name} ${control && html`<${Control} />`}</button>`)}
    <button type="button" class="quiet" onClick=${() => setHidden(new Set(hidden.size ? [] : legend.map(([name]) => name)))}>
      ${hidden.size ? "show all" : "hide all"}</button></div>`;
}
