// The table of subcomponents and their cards. What is asked of the table stays while cards are looked at.
const listState = { asked: null, sort: { key: "subcomponent", down: false }, active: 0 };

function askedOf(run, route) {
  const one = (key) => route.asked.get(key) ?? "";
  const on = one("on");
  return { q: one("q"), module: one("module"), domain: one("domain"), used: one("used"), on: run.corpus.includes(on) ? on : run.target.domain };
}

function Components({ run, route }) {
  const [asked, keepAsked] = useState(() => (route.name && listState.asked) || askedOf(run, route));
  const [sort, keepSort] = useState(listState.sort);
  const [active, keepActive] = useState(listState.active);
  Object.assign(listState, { asked, sort, active });
  const shared = { ...asked, on: asked.on === run.target.domain ? "" : asked.on };
  const query = new URLSearchParams(Object.entries(shared).filter(([, value]) => value)).toString();
  run.listHash = `#/components${query ? `?${query}` : ""}`;
  useLayoutEffect(() => { // a link to another query, followed while the table is open
    if (!route.name) keepAsked(askedOf(run, route));
  }, [route]);
  const setAsked = (change) => { keepAsked((before) => ({ ...before, ...change })); keepActive(0); };
  useEffect(() => { if (!route.name) replaceAsked("components", shared); }, [query, route.name]);
  const columns = useMemo(() => listColumns(run, asked.on), [asked.on]);
  const { found, told, wrong } = useMemo(() => findRows(run, asked), [asked.q, asked.module, asked.domain, asked.used]);
  const rows = useMemo(() => sortRows(found, columns.find(({ key }) => key === sort.key) ?? columns[0], sort.down), [found, columns, sort]);
  if (route.name) {
    const index = run.numbers.get(route.name);
    if (index !== undefined) return html`<${Card} key=${index} run=${run} index=${index} order=${rows} />`;
    return html`<h1>No such card</h1><p>This page has no card of <code>${route.name}</code>: it is not alive, or of another run.
      ${" "}<a href=${run.listHash}>All subcomponents</a></p>`;
  }
  const setSort = (key) => {
    const words = ["subcomponent", "label"].includes(key); // figures: the largest first
    keepSort(sort.key === key ? { key, down: !sort.down } : { key, down: !words });
    keepActive(0);
  };
  const open = (index) => {
    listState.active = rows.indexOf(index);
    location.hash = cardHash(run.columns.subcomponent[index]);
  };
  return html`<h1>Components</h1>
    <p>Every alive subcomponent of the decomposition. A row opens its card. Keys: <kbd>/</kbd> searches, <kbd>↓</kbd> <kbd>↑</kbd> or
      ${" "}<kbd>j</kbd> <kbd>k</kbd> go through the table, <kbd>Enter</kbd> opens a card, <kbd>→</kbd> <kbd>←</kbd> go from card to card,
      ${" "}<kbd>Esc</kbd> goes back.</p>
    <${Filters} run=${run} asked=${asked} setAsked=${setAsked} found=${found} told=${told} wrong=${wrong} />
    <${VirtualTable} columns=${columns} rows=${rows} sort=${sort} onSort=${setSort} active=${active} onActive=${keepActive} onOpen=${open}
      label="subcomponents" />
    <${Labels} run=${run} />`;
}
