// Results: facets beside matches, grouped by file and enclosing symbol, tests folded.
import { useEffect, useMemo, useState } from "./vendor/hooks.js";
import { address, useAnswer } from "./api.js";
import { lineNodes } from "./code.js";
import { filters, has, toggle, without, words } from "./query.js";
import { Dot, Icon, PathName, Problem, fileAddress, html, number, pageAddress, several } from "./ui.js";

const PAGE = 50; // hits asked for at a time
const SHOWN_HITS = 3; // of a file before "more"
const SHOWN_VALUES = 8; // of a facet before "more"
const CUT = 60; // characters before the first mark of a line whose beginning is cut off
const FIRST = 10; // hits asked for while someone types: the rest follows when the keys rest
const REST = 400; // ms without a key after which it follows

const FACETS = [
  ["language", "Language", "lang"],
  ["flag", "Part of the tree", "is"],
  ["kind", "Kind", "kind"],
  ["folder", "Folder", "path"],
  ["repo", "Repository", "repo"],
];

export function searchAddress(route, most = 1000) {
  const p = route.params;
  const limit = Math.min(most, Number(p.get("n")) || PAGE);
  const shown = { limit, lines: 6, highlight: 1, content: 0 };
  if (route.page === "related") {
    return address("/api/related", { path: p.get("path"), line: p.get("line"), ...shown, limit: Math.min(limit, 20) });
  }
  const q = p.get("q") || "";
  return q.trim() ? address("/api/search", { q, mode: p.get("mode"), ...shown, facets: 1 }) : "";
}

/** Files in the order of their best hit; tests after one another are one fold. */
export function group(hits) {
  const files = new Map();
  for (const hit of hits) {
    if (!files.has(hit.path)) files.set(hit.path, { path: hit.path, language: hit.language, flags: hit.flags || [], hits: [] });
    files.get(hit.path).hits.push(hit);
  }
  const out = [];
  for (const file of files.values()) {
    if (!file.flags.includes("test")) { out.push({ file }); continue; }
    const last = out[out.length - 1];
    if (last && last.tests) last.tests.push(file);
    else out.push({ tests: [file] });
  }
  return out.some((entry) => entry.file) ? out : [...files.values()].map((file) => ({ file }));
}

const wantsTests = (q) => /\btests?\b/i.test(words(q)) || has(q, "is", "test");

/** The entries of an answer; tests are not folded where the query asks for them. */
const grouped = ({ hits }, related, q) =>
  group(!related && wantsTests(q) ? hits.map((x) => ({ ...x, flags: (x.flags || []).filter((f) => f !== "test") })) : hits);

/** Whether all hits are wanted: not while someone types. */
function useRested(route) {
  const [rested, set] = useState(0); // the entry for which the keys have rested
  useEffect(() => {
    if (!route.typed) return undefined;
    const timer = setTimeout(() => set(route.entry), REST);
    return () => clearTimeout(timer);
  }, [route.entry]);
  return !route.typed || rested === route.entry;
}

export function Search({ route, go, setQuery }) {
  const first = searchAddress(route, FIRST);
  const url = useRested(route) ? searchAddress(route) : first;
  const { value, error, busy: loading, at } = useAnswer(url, { quick: true });
  const busy = loading && at !== first; // the first hits are an answer
  const q = route.params.get("q") || "";
  const mode = route.params.get("mode") || "";
  const related = route.page === "related";
  const [slow, setSlow] = useState(false);
  useEffect(() => {
    setSlow(false);
    if (!busy) return undefined;
    const timer = setTimeout(() => setSlow(true), 250);
    return () => clearTimeout(timer);
  }, [busy, url]);
  useEffect(() => {
    if (value && !busy && history.state && history.state.y) window.scrollTo(0, history.state.y);
  }, [busy, route.entry]);
  const answer = value;
  // Made once for an answer: a key is asked about before its text is drawn, and must not wait for old hits.
  const list = useMemo(() => answer && grouped(answer, related, q).map((entry) => entry.file
    ? html`<${FileGroup} key=${entry.file.path} file=${entry.file} q=${q} mode=${mode} go=${go} />`
    : html`<${Tests} key=${`tests ${entry.tests[0].path}`} files=${entry.tests} q=${q} mode=${mode} go=${go} />`), [answer, mode]);
  if (!url) return null;
  if (error && !busy) {
    return html`<main class="search" id="main" tabindex="-1"><h1 class="offscreen">Search</h1><div></div>
      <div class="results"><${Problem} error=${error} query=${q} onFix=${setQuery} /></div></main>`;
  }
  if (!answer) {
    return html`<main class="search" id="main" tabindex="-1" aria-busy="true"><h1 class="offscreen">Search</h1><div></div>
      <div class=${`results ${slow ? "waiting" : ""}`}>${slow && html`<p class="summary dim" role="status">Searching…</p>`}</div></main>`;
  }
  const link = (query) => pageAddress("/search", { q: query, mode });
  return html`<main class=${`search ${slow ? "slow" : ""}`} id="main" tabindex="-1" aria-busy=${busy ? "true" : "false"}>
    <h1 class="offscreen">${related ? `Similar to ${answer.query}` : `Results for ${q}`}</h1>
    ${answer.facets || filters(q).length ? html`<${Facets} facets=${answer.facets} q=${q} link=${link} />` : html`<div></div>`}
    <div class="results">
      <${Summary} answer=${answer} related=${related} route=${route} />
      ${(answer.missing || []).length > 0 && html`<${Missing} words=${answer.missing} q=${q} link=${link} />`}
      ${(answer.notices || []).filter((text) => !text.startsWith("not found:") && !(answer.notes || []).includes(text)).map((text) => html`<p class="notice" role="note">${text}</p>`)}
      ${list}
      ${!answer.hits.length && html`<${Nothing} answer=${answer} q=${q} link=${link} />`}
      ${!related && answer.hits.length >= (Number(route.params.get("n")) || PAGE) && answer.hits.length < 1000 && html`
        <a class="button more-hits" data-keep-scroll href=${pageAddress("/search", { q, mode, n: answer.hits.length + PAGE })}>More results</a>`}
    </div>
  </main>`;
}

function Summary({ answer, related, route }) {
  const { hits, facets, index } = answer;
  const files = new Set(hits.map((hit) => hit.path)).size;
  const all = facets && facets.hits > hits.length;
  const count = all
    ? `${facets.complete ? "" : "over "}${several(facets.hits, "match", "matches")} in ${several(facets.files, "file")}`
    : `${several(hits.length, "match", "matches")} in ${several(files, "file")}`;
  return html`<p class="summary">
    <span role="status">${related ? html`Similar to <code>${answer.query}</code>: ${count}` : count}</span>
    ${all && html`<span class="dim">best ${number(hits.length)} shown</span>`}
    <span class="dim">${answer.took_ms < 10 ? answer.took_ms.toFixed(1) : Math.round(answer.took_ms)} ms</span>
    ${index.coverage < 1 && html`<span class="pill warn">${Math.floor(index.coverage * 100)} % indexed</span>`}
    ${answer.indexing && html`<span class="pill busy">indexing ${number(answer.indexing.done)} of ${number(answer.indexing.total)} ${answer.indexing.unit}</span>`}
    ${index.stale && html`<span class="pill warn">files have changed since</span>`}
    ${answer.degraded && html`<span class="pill warn" title=${answer.degraded}>degraded</span>`}
    ${!related && html`<a class="quiet end" href=${pageAddress("/map", { q: route.params.get("q"), mode: route.params.get("mode") })}>Show on the map</a>`}
  </p>`;
}

/** Words of the query that occur nowhere, with the nearest that do. */
function Missing({ words: missing, q, link }) {
  return html`<p class="missing dim" role="note">Not found: ${missing.map((m, i) => html`${i > 0 && ", "}<code>${m.word}</code>${m.nearest
    ? html` (did you mean <a href=${link(q.replace(m.word, m.nearest))}>${m.nearest}</a>?)`
    : m.parts ? " as a whole (its parts are)" : ""}`)}</p>`;
}

function Nothing({ answer, q, link }) {
  const used = filters(q);
  return html`<div class="nothing">
    <p class="big">Nothing found</p>
    ${(answer.notes || []).map((note) => html`<p class="dim">${note}</p>`)}
    ${used.length > 0 && html`<p class="dim">Without a filter there may be more:</p>
      <p class="chips">${used.map((f) => html`<a class="chip" href=${link(without(q, f.field, f.value, f.not))}>${f.not ? "-" : ""}${f.field}:${f.value}<${Icon} name="close" /></a>`)}</p>`}
    ${!used.length && !(answer.notes || []).length && html`<p class="dim">Try fewer or other words${answer.mode === "hybrid" ? "" : ", or another mode"}. Names are split: <code>flush batches</code> finds <code>flush_batches</code>.</p>`}
  </div>`;
}

/** Counts of the candidates; a click changes the text of the query. */
function Facets({ facets, q, link }) {
  const [open, setOpen] = useState(false);
  const active = filters(q);
  return html`<nav class=${`facets ${open ? "open" : ""}`} aria-label="Filters">
    <button class="button facets-toggle" aria-expanded=${open ? "true" : "false"} onClick=${() => setOpen(!open)}>
      <${Icon} name="filter" /> Filters ${active.length > 0 && html`<span class="count">${active.length}</span>`}</button>
    <div class="facet-list">
    ${active.length > 0 && html`<section><h2>In the query</h2><p class="chips">
      ${active.map((f) => html`<a class=${`chip ${f.not ? "not" : ""}`} href=${link(without(q, f.field, f.value, f.not))} aria-label=${`Remove ${f.not ? "-" : ""}${f.field}:${f.value}`}>${f.not ? "−" : ""}${f.field}:${f.value}<${Icon} name="close" /></a>`)}</p></section>`}
    ${facets && FACETS.map(([key, title, field]) => html`<${Facet} key=${key} title=${title} field=${field} values=${facets[key] || []} q=${q} link=${link} />`)}
    </div>
  </nav>`;
}

function Facet({ title, field, values, q, link }) {
  const [all, setAll] = useState(false);
  const on = (value) => has(q, field, value);
  if (!values.length || (field === "repo" && values.length < 2 && !on(values[0].value))) return null;
  const most = Math.max(...values.map((v) => v.hits));
  const shown = all ? values : values.slice(0, SHOWN_VALUES);
  return html`<section aria-label=${title}>
    <h2>${title}</h2>
    <ul>${shown.map(({ value, hits, files }) => html`<li key=${value} class=${on(value) ? "on" : ""}>
      <a class="facet" href=${link(toggle(q, field, value))} aria-current=${on(value) ? "true" : undefined} data-value=${value}>
        <span class="bar" style=${{ width: `${(100 * hits) / most}%` }}></span>
        ${field === "lang" && html`<${Dot} language=${value} />`}
        <span class="value" title=${value}><bdi>${value}</bdi></span><span class="n">${number(hits)}<span class="offscreen"> ${hits === 1 ? "match" : "matches"} in ${several(files, "file")}</span></span></a>
      <a class="exclude" href=${link(toggle(q, field, value, true))} title=${`Exclude ${value}`} aria-label=${`Exclude ${value}`}>−</a></li>`)}</ul>
    ${values.length > SHOWN_VALUES && html`<button class="quiet" onClick=${() => setAll(!all)}>${all ? "Fewer" : `${values.length - SHOWN_VALUES} more`}</button>`}
  </section>`;
}

function Tests({ files, q, mode, go }) {
  const [open, setOpen] = useState(false);
  const hits = files.reduce((n, file) => n + file.hits.length, 0);
  return html`<div class="tests">
    <button class="fold" aria-expanded=${open ? "true" : "false"} onClick=${() => setOpen(!open)}>
      <${Icon} name=${open ? "down" : "right"} /> ${several(hits, "match", "matches")} in ${several(files.length, "test file")}
      <span class="names dim">${files.map((f) => f.path.split("/").pop()).join(", ")}</span></button>
    ${open && files.map((file) => html`<${FileGroup} key=${file.path} file=${file} q=${q} mode=${mode} go=${go} />`)}
  </div>`;
}

function FileGroup({ file, q, mode, go }) {
  const [all, setAll] = useState(false);
  const shown = (all ? file.hits : file.hits.slice(0, SHOWN_HITS)).slice().sort((a, b) => a.start_line - b.start_line);
  const hidden = file.hits.length - shown.length;
  return html`<article class="file" aria-label=${file.path}>
    <header>
      <${Dot} language=${file.language} />
      <h2><a href=${fileAddress(file.path, { q, mode })} tabindex="-1"><${PathName} path=${file.path} /></a></h2>
      ${file.flags.map((flag) => html`<span class="pill" key=${flag}>${flag}</span>`)}
      <span class="n dim">${several(file.hits.length, "match", "matches")}</span>
    </header>
    ${shown.map((hit) => html`<${Hit} key=${hit.id || hit.start_line} hit=${hit} q=${q} mode=${mode} go=${go} />`)}
    ${hidden > 0 && html`<button class="quiet fold" onClick=${() => setAll(true)}><${Icon} name="down" /> ${several(hidden, "more match", "more matches")} in this file</button>`}
  </article>`;
}

function Hit({ hit, q, mode, go }) {
  const target = fileAddress(hit.path, { q, mode, from: hit.start_line, to: hit.end_line });
  const name = hit.symbol || `${hit.kind || "lines"}`;
  const inner = hit.scope && !name.startsWith(hit.scope) ? hit.scope.split(/ > |\./) : [];
  const open = (event) => {
    if (event.target.closest("a") || String(getSelection())) return;
    const row = event.target.closest("[data-n]");
    const n = row ? Number(row.dataset.n) : hit.start_line;
    const to = fileAddress(hit.path, { q, mode, from: n });
    if (event.metaKey || event.ctrlKey) window.open(to, "_blank", "noopener");
    else go(to);
  };
  let before = hit.lines.length ? hit.lines[0].n - 1 : 0;
  return html`<section class="hit">
    <h3><a data-hit href=${target}>
      ${hit.kind && html`<span class="kind">${hit.kind}</span>`}
      <span class="symbol">${inner.map((part) => html`<span class="dim">${part}<span class="sep">›</span></span>`)}${hit.symbol ? html`<b>${hit.symbol}</b>` : html`<span class="dim">${hit.start_line === hit.end_line ? `line ${hit.start_line}` : `lines ${hit.start_line}–${hit.end_line}`}</span>`}</span>
      <span class="offscreen">, ${hit.path}</span></a>
      <span class="where dim">${hit.start_line}–${hit.end_line}</span>
      <a class="action" href=${pageAddress("/related", { path: hit.path, line: hit.start_line })} title="Similar code" aria-label=${`Similar to ${name} in ${hit.path}`}><${Icon} name="near" /></a></h3>
    <div class="lines code" onClick=${open}>${hit.lines.map((line) => {
      const gap = line.n !== before + 1;
      before = line.n;
      return html`${gap && html`<div class="gap" key=${`gap ${line.n}`} aria-hidden="true"></div>`}
        <div class=${`line ${line.marks && line.marks.length ? "has" : ""}`} key=${line.n} data-n=${line.n}><span class="ln" aria-hidden="true">${line.n}</span><span class="src">${line.cut && line.marks.length > 0 && line.marks[0][0] >= CUT && html`<span class="dim">…</span>`}${lineNodes(line)}${line.cut && html`<span class="dim">…</span>`}${"\n"}</span></div>`;
    })}</div>
    ${hit.copies && hit.copies.length > 0 && html`<p class="copies dim">${several(hit.copies.length, "near-copy", "near-copies")}: ${hit.copies.slice(0, 4).map((copy) => html`<a href=${fileAddress(copy.path, { q, mode, from: copy.start_line, to: copy.end_line })}>${copy.path}:${copy.start_line}</a> `)}</p>`}
  </section>`;
}
