// Data lies in the page as gzipped JSON in base64; a pack is opened when it is first asked for, and once.
const { html, render, useState, useEffect, useLayoutEffect, useMemo, useRef } = htmPreact;

const opened = new Map();

async function unpack(name) {
  const element = document.getElementById(`pack-${name}`);
  const text = atob(element.textContent);
  const bytes = new Uint8Array(text.length);
  for (let place = 0; place < text.length; place += 1) bytes[place] = text.charCodeAt(place);
  element.remove(); // its base64 is no longer needed
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

const pack = (name) => {
  if (!opened.has(name)) opened.set(name, unpack(name));
  return opened.get(name);
};

// The packs of these names in a list, or null until all of them are open.
function usePacks(...names) {
  const key = names.join(" ");
  const [found, setFound] = useState({});
  useEffect(() => {
    let wanted = true;
    Promise.all(names.map(pack)).then((values) => wanted && setFound({ key, values }));
    return () => { wanted = false; };
  }, [key]);
  return found.key === key ? found.values : null;
}
