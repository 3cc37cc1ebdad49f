// The start page: what is served, and how to ask.
import { useAnswer } from "./api.js";
import { Dot, Later, Problem, ago, html, number, pageAddress, several } from "./ui.js";

const EXAMPLES = ["where are errors retried", 'kind:function lang:python', '"out of memory"', "/TODO|FIXME/", "sym:main"];

/** Shares of languages as one bar. */
export function Languages({ languages, repo }) {
  const all = Object.entries(languages).sort((a, b) => b[1] - a[1]);
  const sum = all.reduce((n, [, files]) => n + files, 0) || 1;
  const shown = all.slice(0, 6);
  return html`<div class="languages">
    <div class="share" aria-hidden="true">${all.slice(0, 12).map(([name, files]) => html`<${Share} key=${name} language=${name} part=${files / sum} />`)}</div>
    <ul>${shown.map(([name, files]) => html`<li key=${name}><a href=${pageAddress("/map", { q: `lang:${name}${repo ? ` repo:${repo}` : ""}` })}><${Dot} language=${name} /> ${name}</a> <span class="dim">${number(files)}</span></li>`)}</ul>
  </div>`;
}

function Share({ language, part }) {
  return html`<span style=${{ width: `${part * 100}%` }}><${Dot} language=${language} /></span>`;
}

export function Home() {
  const { value, error } = useAnswer("/api/status");
  const indexes = value ? value.indexes : [];
  const files = indexes.reduce((n, index) => n + (index.files || 0), 0);
  return html`<main class="home" id="main" tabindex="-1">
    <h1>Find it in ${value ? html`<span>${several(files, "file")}</span>` : "the files"}</h1>
    <p class="examples"><span class="dim">Try</span> ${EXAMPLES.map((q) => html`<a class="chip" key=${q} href=${pageAddress("/search", { q })}><code>${q}</code></a>`)}</p>
    ${error && !value && html`<${Problem} error=${error} />`}
    <div class="cards">${indexes.map((index) => html`<article class="card" key=${index.repo}>
      <header><h2><a href=${pageAddress("/map", indexes.length > 1 ? { path: index.repo } : {})}>${index.repo}</a></h2><span class=${`pill state-${index.state}`}>${index.state}</span></header>
      <p class="dim root" title=${index.root}>${index.root}</p>
      <p>${several(index.files || 0, "file")}, ${several(index.chunks || 0, "chunk")} <span class="dim">· indexed ${ago(index.published)}</span></p>
      <${Languages} languages=${index.languages || {}} repo=${indexes.length > 1 ? index.repo : ""} />
    </article>`)}</div>
    <${Later} name="Preview" from="./map.js" />
  </main>`;
}
