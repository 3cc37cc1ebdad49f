// Small parts shared by the views: html, icons, numbers, links, the toast, copying.
import { h } from "./vendor/preact.js";
import { useEffect, useState } from "./vendor/hooks.js";
import htm from "./vendor/htm.js";

export const html = htm.bind(h);

const ICONS = {
  search: "M11.5 7a4.5 4.5 0 1 1-9 0 4.5 4.5 0 0 1 9 0Zm-.9 3.6 3.4 3.4",
  close: "m4 4 8 8m0-8-8 8",
  copy: "M5.5 5.5v-3h8v8h-3m-8-5h8v8h-8z",
  link: "M6.5 9.5 9.5 6.5M7 4.5l1.2-1.2a3 3 0 0 1 4.3 4.3L11 9M9 11.5l-1.2 1.2a3 3 0 0 1-4.3-4.3L5 7",
  down: "m4 6 4 4 4-4",
  right: "m6 4 4 4-4 4",
  up: "m4 10 4-4 4 4",
  sun: "M8 5.2a2.8 2.8 0 1 1 0 5.6 2.8 2.8 0 0 1 0-5.6ZM8 1v1.4M8 13.6V15M1 8h1.4M13.6 8H15M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1",
  moon: "M13.5 9.6A6 6 0 0 1 6.4 2.5a6 6 0 1 0 7.1 7.1Z",
  auto: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2Zm0 0v12M8 5h3.9M8 8h4.9M8 11h3.9",
  help: "M5.8 6a2.2 2.2 0 1 1 3.3 1.9c-.8.5-1.1.9-1.1 1.7M8 12v.2",
  list: "M2.5 4h11M4.5 8h9M6.5 12h7",
  filter: "M2 4h12M4.5 8h7M6.5 12h3",
  calls: "M1.5 8h4m5 0h4m-2-2 2 2-2 2M5.5 5.5h5v5h-5z",
  near: "M2.5 6c1.8-2 3.7-2 5.5 0s3.7 2 5.5 0M2.5 11c1.8-2 3.7-2 5.5 0s3.7 2 5.5 0",
};

export const Icon = ({ name }) =>
  html`<svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false"><path d=${ICONS[name]} /></svg>`;

const grouped = new Intl.NumberFormat("en");
export const number = (n) => grouped.format(n);
export const several = (n, one, more = `${one}s`) => `${number(n)} ${n === 1 ? one : more}`;

export function bytes(n) {
  if (n < 1024) return `${n} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let i = -1;
  do { n /= 1024; i += 1; } while (n >= 1024 && i < 3);
  return `${n < 10 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

export function span(seconds) {
  if (seconds < 1) return "less than a second";
  for (const [size, name] of [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]]) {
    if (seconds >= size) return several(Math.floor(seconds / size), name);
  }
  return "";
}

export const ago = (epoch) => (epoch ? `${span(Math.max(0, Date.now() / 1000 - epoch))} ago` : "never");

// Hues of languages people know by colour; others get one from their name.
const HUES = {
  python: 210, rust: 22, go: 192, javascript: 50, typescript: 211, java: 28, c: 230, cpp: 330, "c++": 330, ruby: 2,
  markdown: 205, shell: 100, bash: 100, html: 14, css: 265, json: 45, toml: 20, yaml: 355, php: 240, kotlin: 260,
};

export function hue(language) {
  const name = (language || "").toLowerCase();
  if (name in HUES) return HUES[name];
  let sum = 7;
  for (const c of name) sum = (sum * 31 + c.codePointAt(0)) % 360;
  return sum;
}

/** A dot in the colour of a language. */
export const Dot = ({ language }) =>
  html`<i class=${`dot ${!language || language === "text" ? "grey" : ""}`} style=${{ "--hue": hue(language) }} aria-hidden="true"></i>`;

export const encodePath = (path) => path.split("/").map(encodeURIComponent).join("/");

/** The address of a file, with the query to mark, and lines. */
export function fileAddress(path, { q = "", mode = "", from = 0, to = 0, extra = {} } = {}) {
  const params = new URLSearchParams();
  if (q) params.set("q", q);
  if (mode && mode !== "hybrid") params.set("mode", mode);
  for (const [name, value] of Object.entries(extra)) if (value) params.set(name, value);
  const search = params.toString();
  const lines = from ? `#L${from}${to > from ? `-L${to}` : ""}` : "";
  return `/file/${encodePath(path)}${search ? `?${search}` : ""}${lines}`;
}

export function pageAddress(page, values) {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value) params.set(name, value);
  const search = params.toString();
  return search ? `${page}?${search}` : page;
}

/** A path with its folder dimmed. */
export function PathName({ path }) {
  const cut = path.lastIndexOf("/") + 1;
  return html`<span class="path"><span class="dim">${path.slice(0, cut)}</span><b>${path.slice(cut)}</b></span>`;
}

let toastTimer = 0;
/** Say something for a moment, to eyes and to screen readers. */
export function toast(text) {
  const box = document.getElementById("toast");
  if (!box) return;
  box.textContent = text;
  box.classList.add("on");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => box.classList.remove("on"), 2200);
}

export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea"); // plain http away from localhost has no clipboard API
    area.value = text;
    area.className = "offscreen";
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  toast(`Copied ${what || text}`);
}

/** A first index is being made; the view asks again by itself. */
const Indexing = ({ at }) => html`<div class="indexing"><p role="status">The first index is being made${at && at.total ? `: ${number(at.done)} of ${number(at.total)} ${at.unit}` : ""}</p>
  <div class="track" aria-hidden="true"><span class=${`fill ${at && at.total ? "" : "unknown"}`} style=${{ width: at && at.total ? `${(100 * at.done) / at.total}%` : "100%" }}></span></div></div>`;

/** An error of the API; one in the query points at its column. */
export function Problem({ error, query, onFix }) {
  if (error.code === "indexing") return html`<${Indexing} at=${error.indexing} />`;
  const suggestion = /did you mean ([\w+#.-]+)\?/.exec(error.message);
  const wrong = /'([^']+)'/.exec(error.message);
  const message = error.message.replace(/^query, column \d+: /, "");
  const fixed = suggestion && wrong && query ? query.replace(wrong[1], suggestion[1]) : "";
  const characters = Array.from(query || "");
  const at = Math.min(error.column - 1, characters.length);
  return html`<div class="problem" role="alert">
    <p class="problem-text">${message.charAt(0).toUpperCase() + message.slice(1)}</p>
    ${error.column > 0 && query && html`<pre class="pointer" aria-label=${`column ${error.column} of the query`}>${characters.slice(0, at).join("")}<mark>${characters[at] || " "}</mark>${characters.slice(at + 1).join("")}${"\n"}<span class="caret">${" ".repeat(at)}↑</span> <small>column ${error.column}</small></pre>`}
    ${error.hint && html`<p class="dim">${error.hint.charAt(0).toUpperCase() + error.hint.slice(1)}</p>`}
    ${fixed && fixed !== query && html`<button class="button" onClick=${() => onFix(fixed)}>Search for <code>${fixed}</code></button>`}
  </div>`;
}

const lazy = {}; // views that are loaded when they are first shown
export function Later({ name, from, whileLoading = null, ...rest }) {
  const [, loaded] = useState(0);
  useEffect(() => { if (!lazy[name]) import(from).then((module) => { lazy[name] = module[name]; loaded(1); }); }, [name]);
  const View = lazy[name];
  return View ? html`<${View} ...${rest} />` : whileLoading;
}
