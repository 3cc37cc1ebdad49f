// The page: the address is the state; a header with the query, and one view below it.
import { render } from "./vendor/preact.js";
import { useCallback, useEffect, useRef, useState } from "./vendor/hooks.js";
import { call, post, whenTokenRequired } from "./api.js";
import { FileView } from "./file.js";
import { Help } from "./help.js";
import { Home } from "./home.js";
import { Search } from "./search.js";
import { Status } from "./status.js";
import { Icon, Later, html, pageAddress } from "./ui.js";

const SETTLED = 1500; // ms without a key after which the next key begins a new entry of the history
const MODES = [
  ["", "Words and meaning"], ["lexical", "Words only"], ["semantic", "Meaning only"], ["symbol", "Symbol names"], ["regex", "Regular expression"],
];
const THEMES = ["auto", "light", "dark"];

let entries = 0;

function read({ pathname, search, hash }, typed = false) {
  const params = new URLSearchParams(search);
  const [, page, ...rest] = pathname.split("/");
  let path = rest.join("/");
  try { path = decodeURIComponent(path); } catch { /* not an encoded path: as it is */ }
  return { page: page || "home", path, params, hash, typed, entry: (entries += 1) };
}

const keepScroll = () => history.replaceState({ ...history.state, y: window.scrollY }, "");

function useRoute() {
  const [route, set] = useState(() => read(location));
  const go = useCallback((to, { replace = false, stay = false, typed = false } = {}) => {
    const before = location.pathname;
    if (to === location.pathname + location.search + location.hash) return;
    if (!replace) keepScroll();
    try {
      history[replace ? "replaceState" : "pushState"]({ y: replace || stay ? window.scrollY : 0 }, "", to);
    } catch { /* a browser that counts the changes: the address follows with a later key */ }
    set(read(new URL(to, location.href), typed));
    if (!replace && !stay) window.scrollTo(0, 0);
    if (before !== location.pathname) requestAnimationFrame(() => {
      const main = document.getElementById("main");
      if (main && !document.activeElement.closest(".query")) main.focus({ preventScroll: true });
    });
  }, []);
  useEffect(() => {
    const moved = () => set(read(location));
    const clicked = (event) => {
      if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
      const link = event.target.closest("a[href]");
      if (!link || link.target || link.origin !== location.origin || link.hasAttribute("download")) return;
      if (/^\/(api|assets|metrics)/.test(link.pathname)) return;
      event.preventDefault();
      go(link.pathname + link.search + link.hash, { stay: link.hasAttribute("data-keep-scroll") });
    };
    addEventListener("popstate", moved);
    document.addEventListener("click", clicked);
    return () => { removeEventListener("popstate", moved); document.removeEventListener("click", clicked); };
  }, []);
  return [route, go];
}

/** What the field shows and what it does to the address while someone types. */
function useQuery(route, go) {
  const settled = useRef(0);
  const current = route.params.get("q") || "";
  const [text, setText] = useState(current);
  useEffect(() => { if (!route.typed) setText(route.params.get("q") || ""); }, [route.entry]); // what was typed is newer than its address
  const page = route.page === "map" ? "map" : "search";
  /** Search for a text; `typing` tells a key from a decision. */
  const type = (value, typing = true) => {
    setText(value);
    const now = Date.now();
    const fresh = !typing || now - settled.current > SETTLED || route.page !== page;
    settled.current = now;
    const mode = route.params.get("mode");
    const to = value.trim() || page === "map"
      ? pageAddress(`/${page}`, { q: value, mode, path: page === "map" ? route.params.get("path") : "" })
      : pageAddress("/", { mode });
    go(to, { replace: !fresh, typed: true });
  };
  const settle = () => { settled.current = 0; };
  return { text, type, settle, current };
}

function Theme() {
  const [theme, set] = useState(() => document.documentElement.dataset.theme || "auto");
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
  const change = () => {
    set(next);
    if (next === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    try { localStorage.setItem("theme", next); } catch { /* storage is blocked: for this page only */ }
  };
  const icon = { auto: "auto", light: "sun", dark: "moon" }[theme];
  return html`<button class="icon-button" id="theme" onClick=${change} title=${`Theme: ${theme}`} aria-label=${`Theme: ${theme}. Change to ${next}`}><${Icon} name=${icon} /></button>`;
}

function Header({ route, go, query, onHelp }) {
  const mode = route.params.get("mode") || "";
  const apple = /Mac|iP/.test(navigator.platform);
  const q = route.params.get("q");
  const changeMode = (event) => {
    const page = route.page === "map" ? "/map" : "/search";
    if (query.text.trim()) go(pageAddress(page, { q: query.text, mode: event.target.value }));
    else go(pageAddress(location.pathname, { mode: event.target.value }), { replace: true });
  };
  const key = (event) => {
    if (event.key === "Enter") {
      query.settle();
      const first = document.querySelector("[data-hit]");
      if (!query.text.trim()) return;
      if (route.page === "search" && query.current === query.text && first) first.focus();
      else query.type(query.text, false);
    }
  };
  const nav = (page, name, to) =>
    html`<a href=${to} class=${route.page === page ? "here" : ""} aria-current=${route.page === page ? "page" : undefined}>${name}</a>`;
  return html`<header class="top">
    <a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); const main = document.getElementById("main"); if (main) main.focus(); }}>Skip to content</a>
    <a class="brand" href="/" aria-label="Spelunk, start page"><svg viewBox="0 0 32 32" width="24" height="24" aria-hidden="true"><rect class="b0" width="32" height="32" rx="8" /><path class="b1" d="M5 27C5 14 9 6 16 6s11 8 11 21z" /><path class="b2" d="M10 27c0-9 2-14 6-14s6 5 6 14z" /></svg><span>spelunk</span></a>
    <form class="query" role="search" onSubmit=${(event) => event.preventDefault()}>
      <${Icon} name="search" />
      <input id="q" type="search" name="q" aria-label="Query" placeholder="Search code and documents" autocomplete="off" autocapitalize="off" spellcheck=${false} enterkeyhint="search"
        value=${query.text} onInput=${(event) => query.type(event.target.value)} onKeyDown=${key} />
      <kbd class="hint" aria-hidden="true">${apple ? "⌘K" : "/"}</kbd>
      <select aria-label="Mode" value=${mode} onChange=${changeMode}>${MODES.map(([value, name]) => html`<option value=${value} selected=${value === mode}>${name}</option>`)}</select>
      <button type="button" class="icon-button" onClick=${onHelp} title="Query help (?)" aria-label="Query help"><${Icon} name="help" /></button>
    </form>
    <nav class="pages" aria-label="Pages">
      ${nav("map", "Map", pageAddress("/map", { q, mode }))}
      ${nav("status", "Status", "/status")}
      <${Theme} />
    </nav>
  </header>`;
}

const editable = (node) => node.closest("input:not([readonly]), textarea, select, [contenteditable]");

/** Keys that work everywhere: focus, moving over results, Esc, help. */
function useKeys(route, go, setHelp) {
  useEffect(() => {
    const key = (event) => {
      const field = document.getElementById("q");
      const at = event.target;
      if ((event.key === "k" && (event.metaKey || event.ctrlKey)) || (event.key === "/" && !editable(at) && !event.ctrlKey && !event.metaKey)) {
        event.preventDefault();
        field.focus();
        field.select();
        return;
      }
      if (event.metaKey || event.ctrlKey || event.altKey || document.querySelector("dialog[open]")) return;
      const hits = [...document.querySelectorAll("[data-hit]")];
      const now = hits.indexOf(document.activeElement);
      const inField = at === field;
      const step = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1 }[event.key];
      if (step && hits.length && (inField ? event.key === "ArrowDown" : !editable(at))) {
        if (at.closest(".viewer, .facets, .pages") && event.key.startsWith("Arrow")) return;
        event.preventDefault();
        const to = now + step;
        if (to < 0) { field.focus(); window.scrollTo(0, 0); }
        else if (to < hits.length) {
          hits[to].focus({ preventScroll: true });
          hits[to].closest(".hit, li, a").scrollIntoView({ block: "nearest" });
        }
      } else if (event.key === "Escape") {
        if (inField && route.page !== "file") field.blur();
        else if (route.page === "file" && route.params.get("q") && !route.hash.includes("menu")) {
          if (history.state && history.state.from) history.back();
          else go(pageAddress("/search", { q: route.params.get("q"), mode: route.params.get("mode") }));
        } else if (!editable(at)) field.focus();
      } else if (event.key === "?" && !editable(at)) setHelp(true);
    };
    document.addEventListener("keydown", key);
    return () => document.removeEventListener("keydown", key);
  }, [route]);
}

function Token({ onDone }) {
  const [wrong, setWrong] = useState("");
  const send = async (event) => {
    event.preventDefault();
    try {
      await post("/api/session", { token: new FormData(event.target).get("token") });
      onDone();
    } catch (error) { setWrong(error.message); }
  };
  return html`<main class="narrow" id="main" tabindex="-1"><h1>This server asks for its token</h1>
    <p class="dim">It is in the file or the variable that <code>spelunk serve</code> was started with.</p>
    <form class="token" onSubmit=${send}><input class="text" type="password" name="token" aria-label="Token" autocomplete="current-password" required /> <button class="button">Continue</button></form>
    ${wrong && html`<p class="problem" role="alert">${wrong}</p>`}</main>`;
}

const TITLES = { home: "Spelunk", status: "Status", map: "Map" };
const title = (route) => {
  const q = route.params.get("q");
  if (route.page === "file") return route.path.split("/").pop();
  if (route.page === "symbol") return `${(route.params.get("symbol") || "").split("/").pop()} · callers`;
  if (route.page === "related") return `Similar to ${route.params.get("path")}`;
  return q ? `${q} · ${route.page}` : TITLES[route.page] || "Spelunk";
};

function App() {
  const [route, go] = useRoute();
  const query = useQuery(route, go);
  const [help, setHelp] = useState(false);
  const [token, setToken] = useState(false);
  useKeys(route, go, setHelp);
  useEffect(() => whenTokenRequired(() => setToken(true)), []);
  useEffect(() => { document.title = title(route); }, [route]);
  useEffect(() => {
    if (route.page === "home") document.getElementById("q").focus({ preventScroll: true });
  }, []);
  const setQuery = (q) => go(pageAddress(route.page === "map" ? "/map" : "/search", { q, mode: route.params.get("mode") }));
  const common = { route, go, setQuery };
  let view;
  if (token) view = html`<${Token} onDone=${() => { setToken(false); call("/api/status").catch(() => {}); }} />`;
  else if (route.page === "file") view = html`<${FileView} key=${route.path} ...${common} />`;
  else if (route.page === "status") view = html`<${Status} ...${common} />`;
  else if (route.page === "map") view = html`<${Later} name="Treemap" from="./map.js" whileLoading=${html`<main id="main" tabindex="-1" aria-busy="true"></main>`} ...${common} />`;
  else if (route.page === "symbol") view = html`<${Later} name="SymbolView" from="./symbol.js" whileLoading=${html`<main id="main" tabindex="-1" aria-busy="true"></main>`} ...${common} />`;
  else if (route.page === "related" || (route.page === "search" && (route.params.get("q") || "").trim())) view = html`<${Search} ...${common} />`;
  else view = html`<${Home} ...${common} />`;
  return html`<${Header} route=${route} go=${go} query=${query} onHelp=${() => setHelp(true)} />
    ${view}
    <div id="toast" class="toast" role="status" aria-live="polite"></div>
    ${help && html`<${Help} onClose=${() => setHelp(false)} onPick=${(text) => { setHelp(false); setQuery(text); }} />`}`;
}

render(html`<${App} />`, document.getElementById("app"));
