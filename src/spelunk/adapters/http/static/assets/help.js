// Query help: the constructs of the language and the keys, each example a link.
import { useEffect, useRef } from "./vendor/hooks.js";
import { Icon, html } from "./ui.js";

const QUERY = [
  ["retry policy", "about these words, in any order, by text and by meaning"],
  ['"connection refused"', "this exact text, in any case"],
  ["/fl(ush|ag)_\\w+\\(/", "text that matches this regular expression (RE2)"],
  ["sym:flush_batches", "where this name is defined"],
  ["lang:python", "only this language; lang:go,rust is either"],
  ["path:src/net", "only paths with this part; path:*.test.ts is a glob"],
  ["kind:function", "only chunks of this kind"],
  ["is:test", "only tests; also vendored, generated, docs, example, config"],
  ["repo:core", "only this repository"],
  ["-redis -path:vendor/", "without this word, without this folder"],
  ["status:in-review", "documents whose front matter says so"],
];
const KEYS = [
  ["/ or Ctrl K, ⌘ K", "to the query"],
  ["↓ ↑ or j k", "over the results"],
  ["Enter", "open"],
  ["Esc", "back to the query or the results"],
  ["y", "in a file: permalink with generation and revision"],
  ["n p", "in a file: next, previous match"],
  ["o", "in a file: to the outline"],
  ["?", "this help"],
];

export function Help({ onClose, onPick }) {
  const box = useRef(null);
  useEffect(() => { box.current.showModal(); }, []);
  const backdrop = (event) => { if (event.target === box.current) onClose(); };
  return html`<dialog class="help" ref=${box} onClose=${onClose} onClick=${backdrop} aria-labelledby="help-title">
    <div class="help-inner">
    <header><h2 id="help-title">Query help</h2><button class="icon-button" onClick=${onClose} aria-label="Close"><${Icon} name="close" /></button></header>
    <p class="dim">A query is words. Names are split, so <code>flush batches</code> finds <code>flushBatches</code>. A pasted path or line of code can stay as it is.</p>
    <table><tbody>${QUERY.map(([text, means]) => html`<tr key=${text}><th scope="row"><button class="example" onClick=${() => onPick(text)}><code>${text}</code></button></th><td>${means}</td></tr>`)}</tbody></table>
    <h3>Keys</h3>
    <table><tbody>${KEYS.map(([keys, means]) => html`<tr key=${keys}><th scope="row"><kbd>${keys}</kbd></th><td>${means}</td></tr>`)}</tbody></table>
    </div>
  </dialog>`;
}
