// Calls to the HTTP API: one function for JSON, one hook for answers that replace one another.
import { useEffect, useLayoutEffect, useRef, useState } from "./vendor/hooks.js";

const KEPT = 60; // answers kept for "back", by address
const RETRY = 1000; // ms until the next try while a first index is made
const SOON = 60; // ms within which a change follows another one of the same burst
const kept = new Map();

export class ApiError extends Error {
  constructor(status, error) {
    super(error.message || `the server answered ${status}`);
    Object.assign(this, { status, code: error.code || "", hint: error.hint || "", column: error.column || 0, indexing: error.indexing || null });
  }
}

let onTokenRequired = () => {};
export const whenTokenRequired = (call) => { onTokenRequired = call; };

/** The JSON of an endpoint; throws ApiError, or AbortError when `signal` fires. */
export async function call(address, options = {}) {
  let response;
  try {
    response = await fetch(address, { headers: { Accept: "application/json" }, ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { code: "unreachable", message: "the server cannot be reached", hint: "is `spelunk serve` still running?" });
  }
  let value = {};
  try {
    value = await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
  }
  if (response.status === 401) onTokenRequired();
  if (!response.ok) throw new ApiError(response.status, value.error || {});
  return value;
}

export const post = (address, value) =>
  call(address, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify(value),
  });

/** A query string of the values that are set; lists repeat their name. */
export function address(endpoint, values) {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") params.append(name, one);
    }
  }
  const text = params.toString();
  return text ? `${endpoint}?${text}` : endpoint;
}

/**
 * The answer of an address. While a new one is on its way the old one stays, so that
 * nothing flickers; a request whose address is no longer wanted is aborted. With `quick` a change
 * soon after another waits a moment for the next one, so that fast keys make few requests.
 * @returns {{value, error, busy: boolean, at: string}} `at` is the address that `value` belongs to.
 */
export function useAnswer(url, { quick = false, every = 0 } = {}) {
  const [state, set] = useState(() => ({ value: kept.get(url) || null, error: null, at: kept.has(url) ? url : "" }));
  const [tick, again] = useState(0);
  const previous = useRef(url);
  const asked = useRef(0);
  useLayoutEffect(() => { // before the page is painted: the request is on its way meanwhile
    const changed = previous.current !== url;
    previous.current = url;
    if (!url) { set({ value: null, error: null, at: "" }); return undefined; }
    if (kept.has(url) && (changed || tick === 0)) set({ value: kept.get(url), error: null, at: url });
    const stop = new AbortController();
    let retry = 0;
    const now = performance.now();
    const wait = quick && !kept.has(url) && now - asked.current < SOON ? SOON : 0;
    asked.current = now;
    const ask = async () => {
      try {
        const value = await call(url, { signal: stop.signal });
        kept.delete(url);
        kept.set(url, value);
        if (kept.size > KEPT) kept.delete(kept.keys().next().value);
        if (!stop.signal.aborted) set({ value, error: null, at: url });
      } catch (error) {
        if (error.name === "AbortError" || stop.signal.aborted) return;
        set((old) => ({ value: old.value, error, at: url }));
        if (error.code === "indexing") retry = setTimeout(() => again((n) => n + 1), RETRY);
      }
    };
    const timer = wait ? setTimeout(ask, wait) : 0;
    if (!wait) ask();
    return () => { clearTimeout(timer); clearTimeout(retry); stop.abort(); };
  }, [url, tick]);
  useEffect(() => {
    if (!every) return undefined;
    const timer = setInterval(() => { if (!document.hidden) again((n) => n + 1); }, every);
    return () => clearInterval(timer);
  }, [every]);
  return { ...state, busy: Boolean(url) && state.at !== url, again: () => again((n) => n + 1) };
}
