// The frame around the views: where one is, the theme, the keys that work everywhere.
const SHOWN = { overview: Overview, components: Components, edits: Edits, decomposition: Decomposition, bill: Bill };
const THEMES = [["", "system"], ["light", "light"], ["dark", "dark"]];

function keptTheme() {
  try { return localStorage.getItem("prefactor-theme") ?? ""; } catch { return ""; }
}

function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  try { localStorage.setItem("prefactor-theme", theme); } catch { /* a browser may keep nothing for a file */ }
}

function ThemeSwitch() {
  const [theme, keep] = useState(keptTheme);
  useLayoutEffect(() => setTheme(theme), [theme]);
  return html`<label class="theme"><span>Theme</span><select id="theme" value=${theme} onChange=${(event) => keep(event.target.value)}>
    ${THEMES.map(([key, name]) => html`<option value=${key} selected=${key === theme}>${name}</option>`)}</select></label>`;
}

function Shell({ run }) {
  const route = useRoute();
  const main = useRef(null);
  const [, name] = VIEWS.find(([view]) => view === route.view);
  useEffect(() => {
    document.title = `${route.view === "components" && route.name ? route.name : name} – Prefactor: ${run.headline.title}`;
    if (!(route.view === "edits" && route.name)) scrollTo(0, 0);
    document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [route.view, route.name]);
  useEffect(() => {
    const onKey = (event) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.target.closest("input, select, textarea")) return;
      event.preventDefault();
      if (readHash().view !== "components" || readHash().name) location.hash = run.listHash;
      setTimeout(() => document.getElementById("search")?.focus(), 50); // once the view is there
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
  const View = SHOWN[route.view];
  const skip = (event) => { event.preventDefault(); main.current.focus(); };
  return html`<header class="bar"><a class="skip" href="#/${route.view}" onClick=${skip}>Skip to the view</a><nav aria-label="views">${VIEWS.map(([view, title]) => html`
      <a href="#/${view}" aria-current=${view === route.view ? "page" : undefined}>${title}</a>`)}</nav><${ThemeSwitch} /></header>
    <main id="view" ref=${main} tabindex="-1"><${View} run=${run} route=${route} /></main>`;
}

// What views ask of the run again and again, worked out once.
function prepared(run) {
  const { components: columns, ...rest } = run;
  const whole = { ...rest, columns, columnNames: Object.keys(columns), count: columns.subcomponent.length, listHash: "#/components" };
  whole.numbers = new Map(columns.subcomponent.map((name, index) => [name, index]));
  whole.mainDomain = mainDomains(whole);
  whole.usedBy = new Set(run.edits.flatMap((edit) => edit.subcomponents.map(({ name }) => name)));
  return whole;
}

setTheme(keptTheme());
pack("run").then((run) => {
  const place = document.getElementById("app");
  place.replaceChildren();
  render(html`<${Shell} run=${prepared(run)} />`, place);
  document.documentElement.dataset.ready = "yes";
});
