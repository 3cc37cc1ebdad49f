// A file: its outline on the side, the scope of the first line kept in view, cited lines marked.
import { useEffect, useMemo, useRef, useState } from "./vendor/hooks.js";
import { address, call, useAnswer } from "./api.js";
import { nodes, runs } from "./code.js";
import { Viewer } from "./viewer.js";
import { Dot, Icon, Problem, bytes, copy, fileAddress, html, pageAddress, several } from "./ui.js";

const FIRST = 1200; // lines of the first request, so that the cited place shows at once
const MORE = 10000;
const SCOPES = 3;

export function cited(hash) {
  const found = /^#L(\d+)(?:-L?(\d+))?/.exec(hash);
  if (!found) return [0, 0];
  const [a, b] = [Number(found[1]), Number(found[2] || found[1])];
  return [Math.min(a, b), Math.max(a, b)];
}

/** The lines of a file, the cited part first, then the rest. */
function useFile(path, params, line) {
  const [state, set] = useState({ parts: [], error: null });
  const q = params.get("q") || "";
  const mode = params.get("mode") || "";
  const rev = params.get("rev") || "";
  useEffect(() => {
    const stop = new AbortController();
    const part = (start, end) =>
      call(address("/api/file", { path, q, mode: q ? mode : "", highlight: 1, start, end, rev: /^[0-9a-f]{7,64}$/.test(rev) ? rev : "" }), { signal: stop.signal });
    const load = async () => {
      const start = Math.max(1, line - FIRST / 2);
      let got = await part(start, start + FIRST - 1);
      if (start > got.lines) got = await part(1, FIRST);
      const all = got.numbers || got.lines;
      const parts = [got];
      set({ parts: [...parts], error: null });
      const fetchRange = async (from, to) => {
        for (let next = from; next && next <= to;) {
          const more = await part(next, Math.min(to, next + MORE - 1));
          parts.push(more);
          set({ parts: [...parts], error: null });
          next = more.next_line || more.end_line + 1;
          if (more.end_line < more.start_line) break;
        }
      };
      if (got.start_line > 1) await fetchRange(1, got.start_line - 1);
      if (all && got.end_line < got.lines) await fetchRange(got.end_line + 1, got.lines);
    };
    load().catch((error) => { if (error.name !== "AbortError") set((old) => ({ ...old, error })); });
    return () => stop.abort();
  }, [path, q, mode, rev]);
  return state;
}

export function FileView({ route, go }) {
  const { path, params, hash } = route;
  const q = params.get("q") || "";
  const mode = params.get("mode") || "";
  const [from, to] = cited(hash);
  const { parts, error } = useFile(path, params, from);
  const outline = useAnswer(address("/api/outline", { path }));
  const box = useRef(null);
  const viewer = useRef(null);
  const filled = useRef(0);
  const [top, setTop] = useState(1);
  const [side, setSide] = useState(false);
  const head = parts[0];
  const marked = useMemo(() => [...new Set(parts.flatMap((part) => part.marked))].sort((a, b) => a - b), [parts]);
  const definitions = outline.value ? outline.value.definitions : [];

  const link = (a, b, extra = {}) => fileAddress(path, { q, mode, from: a, to: b, extra: { gen: params.get("gen"), rev: params.get("rev"), ...extra } });
  const pick = (a, b) => go(link(a, b), { replace: true });
  const latest = useRef(pick);
  latest.current = pick;

  useEffect(() => {
    if (!box.current) return undefined;
    const made = new Viewer(box.current, { onScroll: setTop, onPick: (a, b) => latest.current(a, b) });
    viewer.current = made;
    return () => made.stop();
  }, [Boolean(head)]);

  useEffect(() => {
    const view = viewer.current;
    if (!view || !head) return;
    if (!filled.current) {
      view.start(head.lines);
      view.cite(from, to);
      view.show(from || 1, { force: true });
    }
    for (const part of parts.slice(filled.current)) view.fill(part.start_line - 1, part.html || part.text, part.numbers);
    filled.current = parts.length;
  }, [parts]);

  useEffect(() => {
    if (!viewer.current || !filled.current) return;
    viewer.current.cite(from, to);
    if (from) viewer.current.show(from);
  }, [hash]);

  useEffect(() => { if (head && box.current && !document.activeElement.closest(".query")) box.current.focus({ preventScroll: true, focusVisible: false }); }, [Boolean(head)]);

  const step = (by) => {
    if (!marked.length || !viewer.current) return;
    const now = viewer.current.from || top;
    const next = by > 0 ? marked.find((line) => line > now) || marked[0] : marked.filter((line) => line < now).pop() || marked[marked.length - 1];
    pick(next, next);
  };

  /** Write the commit that has this content into the address, or else the generation. */
  const permalink = async () => {
    let rev = "";
    try {
      const { revision } = await call(address("/api/file", { path, start: 1, end: 1, rev: "HEAD" }));
      if (revision && revision.same) rev = revision.commit;
    } catch { /* the generation will do */ }
    const to2 = link(from, to, { gen: String(head.generation), rev });
    go(to2, { replace: true });
    copy(new URL(to2, location.href).href, "permalink");
  };

  useEffect(() => {
    const key = (event) => {
      if (event.metaKey || event.ctrlKey || event.altKey || event.target.closest("input, select, textarea, dialog")) return;
      if (event.key === "n") step(1);
      else if (event.key === "p") step(-1);
      else if (event.key === "o") { setSide(true); requestAnimationFrame(() => { const first = document.querySelector(".outline input"); if (first) first.focus(); }); }
      else if (event.key === "y" && head) {
        permalink();
      } else return;
      event.preventDefault();
    };
    document.addEventListener("keydown", key);
    return () => document.removeEventListener("keydown", key);
  });

  if (error && !head) {
    return html`<main class="narrow" id="main" tabindex="-1"><h1><bdi>${path}</bdi></h1><${Problem} error=${error} /></main>`;
  }
  if (!head) return html`<main class="file-page" id="main" tabindex="-1" aria-busy="true"></main>`;

  const lineOf = (n) => (viewer.current && viewer.current.lines[n - 1]) || "";
  const scope = scopeOf(definitions, top);
  const at = from ? `${path}:${from}${to > from ? `-${to}` : ""}` : path;
  return html`<main class=${`file-page ${side ? "with-side" : ""}`} id="main" tabindex="-1">
    <div class="file-bar">
      <h1><${Crumbs} path=${path} language=${head.language} /></h1>
      <span class="dim numbers">${several(head.lines, "line")} · ${bytes(head.size)}</span>
      ${(head.flags || []).map((flag) => html`<span class="pill" key=${flag}>${flag}</span>`)}
      ${head.stale && html`<span class="pill warn">changed since it was indexed</span>`}
      <${Pinned} params=${params} head=${head} />
      <span class="tools">
        ${q && html`<span class="stepper"><span class="dim">${marked.length ? several(marked.length, "line") : "no line"} with <code>${q.length > 24 ? `${q.slice(0, 23)}…` : q}</code></span>
          <button class="icon-button" onClick=${() => step(-1)} disabled=${!marked.length} aria-label="Previous match" title="Previous match (p)"><${Icon} name="up" /></button>
          <button class="icon-button" onClick=${() => step(1)} disabled=${!marked.length} aria-label="Next match" title="Next match (n)"><${Icon} name="down" /></button></span>`}
        ${from > 0 && html`<a class="icon-button" href=${pageAddress("/symbol", { symbol: `${path}:${from}` })} title=${`Callers and callees at line ${from}`} aria-label=${`Callers and callees at line ${from}`}><${Icon} name="calls" /></a>`}
        ${from > 0 && html`<a class="icon-button" href=${pageAddress("/related", { path, line: from })} title=${`Similar to line ${from}`} aria-label=${`Similar to line ${from}`}><${Icon} name="near" /></a>`}
        <button class="icon-button" onClick=${() => copy(at)} title=${`Copy ${at}`} aria-label=${from ? "Copy path and lines" : "Copy path"}><${Icon} name="copy" /></button>
        <button class="icon-button" onClick=${() => copy(location.href, "link")} title="Copy link; y gives a permalink" aria-label="Copy link"><${Icon} name="link" /></button>
        <button class="icon-button outline-toggle" onClick=${() => setSide(!side)} aria-expanded=${side ? "true" : "false"} title="Outline (o)" aria-label="Outline"><${Icon} name="list" /></button>
      </span>
    </div>
    <div class="file-body">
      <${Outline} definitions=${definitions} top=${from && Math.abs(from - top) < 40 ? Math.max(from, top) : top} jump=${(line) => { pick(line, line); viewer.current.show(line, { force: true }); }} />
      <div class="view">
        <div class="scopes code" aria-hidden="true">${scope.map((d) => html`<button tabindex="-1" key=${d.start_line} onClick=${() => viewer.current.show(d.start_line, { force: true })}>
          <span class="ln" style=${{ "--digits": Math.max(3, String(head.lines).length) }}>${d.start_line}</span><span>${lineOf(d.start_line) ? nodes(runs(lineOf(d.start_line)).map(([c, t]) => [c.replace(/\bm\b/, ""), t])) : d.name}</span></button>`)}</div>
        <div class="viewer" ref=${box} tabindex="0" role="region" aria-label=${`${path}, ${several(head.lines, "line")}`}></div>
        <${Ruler} lines=${head.lines} marked=${marked} jump=${(line) => pick(line, line)} />
      </div>
    </div>
  </main>`;
}

/** The definitions around a line that begin above it, outermost first. */
export function scopeOf(definitions, top) {
  if (top <= 1) return [];
  const around = definitions.filter((d) => d.start_line < top && d.end_line > top);
  return around.slice(-SCOPES);
}

function Crumbs({ path, language }) {
  const names = path.split("/");
  return html`<span class="crumbs"><${Dot} language=${language} />${names.map((name, i) => (i === names.length - 1
    ? html`<b>${name}</b>`
    : html`<a href=${pageAddress("/map", { path: names.slice(0, i + 1).join("/") })}>${name}</a><span class="sep">/</span>`))}</span>`;
}

function Pinned({ params, head }) {
  const gen = params.get("gen");
  const rev = params.get("rev");
  if (!gen && !rev) return null;
  const known = rev && head.revision && head.revision.commit;
  const same = known ? head.revision.same : Number(gen) === head.generation;
  const name = rev ? `revision ${rev.slice(0, 10)}` : `generation ${gen}`;
  return html`<span class=${`pill ${same ? "ok" : "warn"}`} role="note">${same ? `permalink to ${name}` : `linked at ${name}; ${known ? "the file is another now" : `this is generation ${head.generation}`}`}</span>`;
}

function Outline({ definitions, top, jump }) {
  const [text, setText] = useState("");
  const list = useRef(null);
  const now = useMemo(() => {
    const around = definitions.filter((d) => d.start_line <= top && d.end_line >= top);
    return around.length ? around[around.length - 1].start_line : 0;
  }, [definitions, top]);
  useEffect(() => {
    const node = list.current && list.current.querySelector(".on");
    if (node && !list.current.matches(":hover")) node.scrollIntoView({ block: "nearest" });
  }, [now]);
  const wanted = text.toLowerCase();
  const shown = definitions.filter((d) => !wanted || d.name.toLowerCase().includes(wanted)).slice(0, 2000);
  return html`<nav class="outline" aria-label="Outline">
    <input class="text" type="search" placeholder="Outline" aria-label="Filter the outline" value=${text} onInput=${(event) => setText(event.target.value)}
      onKeyDown=${(event) => { if (event.key === "Enter" && shown[0]) jump(shown[0].start_line); }} />
    <ul ref=${list}>${shown.map((d) => html`<li key=${`${d.start_line} ${d.name}`}>
      <a class=${d.start_line === now ? "on" : ""} aria-current=${d.start_line === now ? "location" : undefined} href=${`#L${d.start_line}`} style=${{ "--depth": wanted ? 0 : Math.min(d.depth, 8) }}
        onClick=${(event) => { event.preventDefault(); jump(d.start_line); }}><span class=${`letter l-${d.kind}`} title=${d.kind} aria-hidden="true">${(d.kind || "?").charAt(0)}</span><bdi>${d.name}</bdi></a></li>`)}</ul>
    ${!definitions.length && html`<p class="dim">No definitions</p>`}
  </nav>`;
}

/** Where the marked lines are in the whole file. */
function Ruler({ lines, marked, jump }) {
  const ticks = useMemo(() => {
    const seen = new Map();
    for (const line of marked) seen.set(Math.round((line / lines) * 300), line);
    return [...seen];
  }, [marked, lines]);
  if (lines < 30) return null;
  return html`<div class="ruler" aria-hidden="true">${ticks.map(([place, line]) => html`<i key=${place} style=${{ top: `${place / 3}%` }} onClick=${() => jump(line)}></i>`)}</div>`;
}
