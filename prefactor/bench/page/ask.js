// The bench's server. The token comes in the address's fragment, which no server and no other page sees; it is taken
// out of sight and kept for this tab alone.
const { html, render, useEffect, useMemo, useRef, useState, useReducer } = htmPreact;

const TOKEN = (() => {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem("token", given);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem("token") || "";
})();

// Of the requests of one page the newest counts.
const PAGE = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");

async function send(path, body, signal) {
  let response;
  try {
    response = await fetch(`/api/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${TOKEN}` },
      body: JSON.stringify(body), signal,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("the bench does not answer: is `prefactor bench` still running?");
  }
  if (response.ok) return response;
  const told = await response.json().catch(() => ({}));
  const failed = new Error(told.error || `the bench answers ${response.status}`);
  // Nobody waits for what a newer request has replaced.
  if (response.status === 409) failed.name = "AbortError";
  throw failed;
}

const ask = async (path, body, signal) => (await send(path, body, signal)).json();

// Calls `each` with every event that the server sends, as it comes.
async function stream(path, body, each, signal) {
  const reader = (await send(path, body, signal)).body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) each(JSON.parse(part.slice("data: ".length)));
  }
}

// What `make(signal)` gives for `key`, a text; of several keys in a row only the last is waited for. `busy` as long as
// what is shown is of another key.
function useAsked(key, make, pause = 0) {
  const [state, set] = useState({ key: null, value: null, error: "" });
  useEffect(() => {
    if (key === null) {
      set({ key, value: null, error: "" });
      return undefined;
    }
    const ends = new AbortController();
    const wait = async () => {
      const start = performance.now();
      try {
        const value = await make(ends.signal);
        if (!ends.signal.aborted) set({ key, value, error: "", seconds: (performance.now() - start) / 1000 });
      } catch (error) {
        if (!ends.signal.aborted && error.name !== "AbortError") set((before) => ({ ...before, key, error: error.message }));
      }
    };
    const timer = setTimeout(wait, pause);
    return () => { clearTimeout(timer); ends.abort(); };
  }, [key]);
  return { ...state, busy: state.key !== key };
}
