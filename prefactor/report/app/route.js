// Where in the page: #/view, #/components/NAME, #/edits/NAME, with what is asked after a question mark.
const VIEWS = [
  ["overview", "Overview"], ["components", "Components"], ["edits", "Edits"], ["decomposition", "Decomposition"], ["bill", "The bill"],
];

const inHash = (text) => encodeURIComponent(text).replaceAll("%3A", ":");
const cardHash = (name) => `#/components/${inHash(name)}`;
const editHash = (name) => `#/edits/${inHash(name)}`;

function decoded(text) {
  try { return decodeURIComponent(text); } catch { return text; }
}

function readHash() {
  const [path, asked = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const slash = path.indexOf("/");
  const view = slash < 0 ? path : path.slice(0, slash);
  return {
    view: VIEWS.some(([name]) => name === view) ? view : "overview",
    name: slash < 0 ? "" : decoded(path.slice(slash + 1)),
    asked: new URLSearchParams(asked),
  };
}

function useRoute() {
  const [route, setRoute] = useState(readHash);
  useEffect(() => {
    const follow = () => setRoute(readHash());
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  return route;
}

// Keeps what is asked in the address, so that it can be shared, without a step in the history for every letter.
function replaceAsked(view, asked) {
  const text = new URLSearchParams(Object.entries(asked).filter(([, value]) => value)).toString();
  history.replaceState(null, "", `#/${view}${text ? `?${text}` : ""}`);
}
