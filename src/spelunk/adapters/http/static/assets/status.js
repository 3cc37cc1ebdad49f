// What the server is doing: each index, the update that runs, memory against its limit, breakers, failures.
import { useEffect, useState } from "./vendor/hooks.js";
import { post, useAnswer } from "./api.js";
import { Languages } from "./home.js";
import { Problem, ago, bytes, fileAddress, html, number, several, span, toast } from "./ui.js";

const EVERY = 2000; // ms between two looks at the server's numbers

/** The state of each update, as the server tells it. */
function useUpdates(onEnd) {
  const [updates, set] = useState({});
  const [live, setLive] = useState(false);
  useEffect(() => {
    const source = new EventSource("/api/index");
    const note = (event) => {
      const update = JSON.parse(event.data);
      setLive(true);
      set((old) => ({ ...old, [update.repo]: update }));
      if (event.type === "done" || event.type === "failed") onEnd();
    };
    for (const name of ["state", "progress", "done", "failed"]) source.addEventListener(name, note);
    source.onerror = () => setLive(false);
    source.onopen = () => setLive(true);
    return () => source.close();
  }, []);
  return [updates, live];
}

function Meter({ label, value, limit, parts = [] }) {
  const most = limit || Math.max(value * 1.25, 1);
  const part = Math.min(1, value / most);
  return html`<div class="meter"><div class="meter-head"><span>${label}</span><span>${bytes(value)}${limit ? html` <span class="dim">of ${bytes(limit)}</span>` : html` <span class="dim">no limit set</span>`}</span></div>
    <div class=${`track ${limit && part > 0.9 ? "high" : ""}`} role="meter" aria-label=${label} aria-valuemin="0" aria-valuemax=${Math.round(most)} aria-valuenow=${Math.round(Math.min(value, most))} aria-valuetext=${`${bytes(value)}${limit ? ` of ${bytes(limit)}` : ""}`}>
      ${(parts.length ? parts : [value]).map((n, i) => html`<span key=${i} class=${`fill f${i}`} style=${{ width: `${(100 * n) / most}%` }}></span>`)}</div></div>`;
}

function Progress({ update }) {
  const part = update.total ? update.done / update.total : 0;
  const left = part > 0.02 && update.seconds > 1 ? (update.seconds / part) * (1 - part) : 0;
  return html`<div class="progress"><div class="meter-head"><span>${PHASES[update.phase] || update.phase}${update.total ? html` <b>${number(update.done)}</b> of ${number(update.total)} ${update.unit}` : ""}</span><span class="dim">${left >= 1 ? `about ${span(left)} left` : ""}</span></div>
    <div class="track" role="progressbar" aria-label="Indexing" aria-valuemin="0" aria-valuemax="100" aria-valuenow=${Math.round(100 * part)}><span class=${`fill ${update.total ? "" : "unknown"}`} style=${{ width: update.total ? `${100 * part}%` : "100%" }}></span></div></div>`;
}

const PHASES = { start: "Starting", wait: "Waiting for another process", walk: "Walking the folders", index: "Indexing", publish: "Publishing", vectors: "Making vectors" };

export function Status() {
  const { value, error, again } = useAnswer("/api/status?look=1", { every: EVERY });
  const [updates, live] = useUpdates(again);
  if (!value) return html`<main class="narrow" id="main" tabindex="-1"><h1>Status</h1>${error && html`<${Problem} error=${error} />`}</main>`;
  const { memory, requests } = value;
  return html`<main class="status" id="main" tabindex="-1">
    <div class="status-head"><h1>Status</h1><span class=${`pill ${live && !error ? "ok" : "warn"}`} role="status">${live && !error ? "live" : "not connected"}</span>
      <span class="dim">version ${value.version}, up ${span(value.uptime_seconds)}, pid ${value.pid}, freshness ${value.freshness || "as each index says"}</span></div>
    <div class="grid">
      <section class="card wide"><h2>Server</h2>
        <${Meter} label="Memory" value=${memory.total} limit=${memory.limit} parts=${[memory.server, memory.updates]} />
        <dl class="facts"><div><dt>Server</dt><dd>${bytes(memory.server)}</dd></div><div><dt>Updates</dt><dd>${bytes(memory.updates)}</dd></div>
          <div><dt>Running</dt><dd>${number(requests.running)}</dd></div><div><dt>Waiting</dt><dd>${number(requests.waiting)}</dd></div>
          <div><dt>Connections</dt><dd>${number(requests.connections)}</dd></div><div><dt>Searches</dt><dd>${number(value.searches)}</dd></div></dl></section>
      ${value.indexes.map((index) => html`<${Workspace} key=${index.repo} index=${index} update=${(updates[index.repo] && updates[index.repo].state === "running" ? updates[index.repo] : null) || index.update} readOnly=${value.read_only} />`)}
    </div>
  </main>`;
}

function Workspace({ index, update, readOnly }) {
  const running = update && update.state !== "idle" ? update : null;
  const start = async () => {
    try { await post("/api/index", { repo: [index.repo] }); } catch (error) { toast(error.message); }
  };
  const wanted = index.vectors + index.pending_vectors;
  return html`<section class="card wide" aria-label=${index.repo}>
    <header><h2>${index.repo}</h2><span class=${`pill state-${index.state}`}>${running ? "updating" : index.state}</span>
      ${!readOnly && html`<button class="button" onClick=${start} disabled=${Boolean(running)}>Update</button>`}</header>
    <p class="dim root">${index.root}</p>
    ${index.detail && html`<p>${index.detail}</p>`}
    ${index.error && html`<${Problem} error=${{ column: 0, ...index.error }} />`}
    ${running && html`<${Progress} update=${running} />`}
    ${!running && index.last_update && html`<p class="dim">Last update ${index.last_update.outcome} ${ago(index.last_update.ended)}, took ${index.last_update.seconds.toFixed(1)} s${index.last_update.error ? `: ${index.last_update.error.message}` : ""}</p>`}
    ${!running && index.writer && html`<p class="notice">Another process is writing: ${index.writer.command} (pid ${index.writer.pid} on ${index.writer.host})</p>`}
    ${index.degraded && html`<p class="notice">${index.degraded}</p>`}
    <dl class="facts">
      <div><dt>Files</dt><dd>${number(index.files)}</dd></div><div><dt>Chunks</dt><dd>${number(index.chunks)}</dd></div>
      <div><dt>Vectors</dt><dd>${number(index.vectors)}${wanted > index.vectors ? html` <span class="dim">of ${number(wanted)}</span>` : ""}</dd></div>
      <div><dt>On disk</dt><dd>${bytes(index.bytes)}</dd></div><div><dt>Generation</dt><dd>${number(index.generation)}</dd></div>
      <div><dt>Published</dt><dd>${ago(index.published)}</dd></div><div><dt>Coverage</dt><dd>${Math.floor(index.coverage * 100)} %</dd></div>
      <div><dt>Embedder</dt><dd>${index.embedder}</dd></div>
    </dl>
    <${Languages} languages=${index.languages || {}} />
    ${index.breakers.length > 0 && html`<h3>Circuit breakers</h3><ul class="rows">${index.breakers.map((b) => html`<li key=${b.name}><span class=${`pill ${b.state === "closed" ? "ok" : "bad"}`}>${b.state}</span> <b>${b.name}</b> <span class="dim">${b.state === "closed" ? "" : `${several(b.failures, "failure")} in a row${b.retry_at ? `, next try in ${span(Math.max(0, b.retry_at - Date.now() / 1000))}` : ""}`}</span> ${b.reason}</li>`)}</ul>`}
    ${index.failed > 0 && html`<details open=${index.failed <= 5}><summary>${several(index.failed, "file")} failed</summary><ul class="rows">${index.failures.map((f) => html`<li key=${f.path}><a href=${fileAddress(f.path)}><bdi>${f.path}</bdi></a> <span class="pill">${f.stage}</span> ${f.error}</li>`)}${index.failed > index.failures.length && html`<li class="dim">and ${number(index.failed - index.failures.length)} more</li>`}</ul></details>`}
    ${Object.keys(index.skipped).length > 0 && html`<p class="dim">Left out on purpose: ${Object.entries(index.skipped).sort((a, b) => b[1] - a[1]).map(([reason, n]) => `${number(n)} ${reason}`).join(", ")}</p>`}
  </section>`;
}
