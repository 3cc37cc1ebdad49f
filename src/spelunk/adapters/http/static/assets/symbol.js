// A symbol: its callers at the left, its source in the middle, its callees at the right; the way here above.
import { address, useAnswer } from "./api.js";
import { nodes, runs } from "./code.js";
import { Problem, fileAddress, html, several } from "./ui.js";

const LINES = 400; // of the source that are shown
const SURE = 0.75; // as in the text of the command line
const TRAIL = 12; // steps of the way that the address keeps

const nameOf = (s) => (s.kind === "file" ? s.path.split("/").pop() : s.scope ? `${s.scope}.${s.name}` : s.name);
const placeOf = (s) => `${s.path}:${s.line}`;
/** A step of the way: the name, and the place that it stands for. */
const split = (step) => { const at = step.indexOf("@"); return at < 0 ? [step, step] : [step.slice(0, at), step.slice(at + 1)]; };

/** The address of a symbol, with the steps that led to it. */
function symbolAddress(symbol, trail) {
  const params = new URLSearchParams({ symbol });
  for (const step of trail.slice(-TRAIL)) params.append("trail", step);
  return `/symbol?${params}`;
}

function Side({ name, answer, error, trail }) {
  const edges = answer ? answer.edges : [];
  return html`<section class="calls" aria-label=${name} aria-busy=${!answer && !error}>
    <h2>${name} <span class="dim">${answer ? answer.total : ""}</span></h2>
    ${error && html`<${Problem} error=${error} />`}
    <ul>${edges.map((edge) => {
      const far = edge.symbol;
      const label = far ? nameOf(far) : edge.name;
      const to = !far ? "" : far.kind === "file" ? fileAddress(far.path, { from: edge.line }) : symbolAddress(placeOf(far), trail);
      return html`<li key=${`${edge.path}:${edge.line} ${label}`}>
        ${to ? html`<a class="call" href=${to}><bdi>${label}</bdi></a>` : html`<span class="call dim" title=${edge.rule}><bdi>${label}</bdi></span>`}
        ${far && edge.confidence < SURE && html`<span class="pill warn" title=${edge.rule}>${edge.confidence.toFixed(2)}</span>`}
        <a class="place dim" href=${fileAddress(edge.path, { from: edge.line })} title=${edge.text}><bdi>${edge.path}:${edge.line}</bdi>${edge.lines ? ` +${edge.lines.length}` : ""}</a>
      </li>`;
    })}</ul>
    ${answer && !edges.length && html`<p class="dim">None</p>`}
  </section>`;
}

function Source({ symbol }) {
  const end = Math.min(symbol.end_line, symbol.line + LINES - 1);
  const file = useAnswer(address("/api/file", { path: symbol.path, start: symbol.line, end, highlight: 1 }));
  if (file.error) return html`<${Problem} error=${file.error} />`;
  if (!file.value || file.busy) return null;
  return html`<div class="lines code" tabindex="0" role="region" aria-label=${`Source of ${symbol.name}`}>${file.value.html.map((line, i) => html`<div class="line" key=${i}><a class="ln" tabindex="-1" href=${fileAddress(symbol.path, { from: symbol.line + i })}>${symbol.line + i}</a><span class="src">${nodes(runs(line))}</span></div>`)}
    ${end < symbol.end_line && html`<p class="dim">${several(symbol.end_line - end, "more line")}</p>`}</div>`;
}

export function SymbolView({ route }) {
  const asked = route.params.get("symbol") || "";
  const trail = route.params.getAll("trail");
  const callers = useAnswer(asked && address("/api/symbol", { symbol: asked, question: "callers" }));
  const callees = useAnswer(asked && address("/api/symbol", { symbol: asked, question: "callees" }));
  const error = callers.error || (asked ? null : { code: "", message: "no symbol is given", hint: "open a file, choose a line, and follow its callers", column: 0 });
  if (error && !callers.busy) return html`<main class="narrow" id="main" tabindex="-1"><h1>Symbol</h1><${Problem} error=${error} /></main>`;
  const value = callers.busy ? null : callers.value;
  const target = value && value.targets[0];
  const here = target ? [...trail, `${nameOf(target)}@${placeOf(target)}`] : trail;
  const side = (name, answer) => html`<${Side} name=${name} answer=${answer.busy ? null : answer.value} error=${answer.error} trail=${here} />`;
  return html`<main class="symbol-page" id="main" tabindex="-1" aria-busy=${value ? "false" : "true"}>
    <nav class="trail" aria-label="Way to this symbol">${trail.map((step, i) => {
      const [name, place] = split(step);
      return html`<span key=${i}><a href=${symbolAddress(place, trail.slice(0, i))}><bdi>${name}</bdi></a> › </span>`;
    })}<b><bdi>${target ? nameOf(target) : asked}</bdi></b></nav>
    <div class="around">
      ${side("Callers", callers)}
      <section class="middle" aria-label="Source">
        ${target && html`<h1><bdi>${nameOf(target)}</bdi> <a class="dim" href=${fileAddress(target.path, { from: target.line, to: target.end_line })}><bdi>${target.path}:${target.line}-${target.end_line}</bdi></a></h1>
          ${value.targets.length > 1 && html`<p class="dim">${several(value.targets.length, "definition")} of this name; also ${value.targets.slice(1, 6).map((s) => html`<a key=${placeOf(s)} href=${symbolAddress(placeOf(s), trail)}><bdi>${placeOf(s)}</bdi></a> `)}</p>`}
          <${Source} key=${placeOf(target)} symbol=${target} />`}
        ${value && !target && html`<p class="dim">Nothing has this name.${(value.nearest || []).map((name) => html` <a key=${name} href=${symbolAddress(name, trail)}>${name}</a>`)}</p>`}
        ${value && value.left_out.map((text) => html`<p class="dim" key=${text}>${text}</p>`)}
      </section>
      ${side("Callees", callees)}
    </div>
  </main>`;
}
