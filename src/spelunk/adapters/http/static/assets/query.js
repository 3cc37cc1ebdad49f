// The query's text: which filters it has, and the same text with one filter more or less.

const TERM = /-?[A-Za-z][\w.-]*:(?:"(?:\\.|[^"\\])*"|[^\s"])+(?:,(?:"(?:\\.|[^"\\])*"|[^\s",]+))*|-?"(?:\\.|[^"\\])*"|\S+/g;
const FILTER = /^(-?)([a-z][a-z_-]+):(.+)$/s;
const SAME = { file: "path", language: "lang" };

const unquoted = (text) => (text.startsWith('"') ? text.slice(1, -1).replace(/\\(["\\])/g, "$1") : text);
const quoted = (text) => (/[\s",]/.test(text) ? `"${text.replace(/["\\]/g, "\\$&")}"` : text);

const split = (text) => [...text.matchAll(/"(?:\\.|[^"\\])*"|[^,]+/g)].map((m) => unquoted(m[0]));

/** The filters of a query, one for each value. */
export function filters(query) {
  const out = [];
  for (const { 0: term } of query.matchAll(TERM)) {
    const found = FILTER.exec(term);
    if (!found) continue;
    const field = SAME[found[2]] || found[2];
    for (const value of split(found[3])) out.push({ field, value, not: found[1] === "-" });
  }
  return out;
}

const same = (a, b) => a.toLowerCase() === b.toLowerCase();

export const has = (query, field, value, not = false) =>
  filters(query).some((f) => f.field === field && f.not === not && same(f.value, value));

/** The query without one value of a filter. */
export function without(query, field, value, not = false) {
  const text = query.replace(TERM, (term) => {
    const found = FILTER.exec(term);
    if (!found || (SAME[found[2]] || found[2]) !== field || (found[1] === "-") !== not) return term;
    const values = split(found[3]);
    const left = values.filter((v) => !same(v, value));
    if (left.length === values.length) return term;
    return left.length ? `${found[1]}${found[2]}:${left.map(quoted).join(",")}` : "";
  });
  return text.replace(/\s+/g, " ").trim();
}

/** The query with a filter added, or taken away if it is there; the opposite filter goes. */
export function toggle(query, field, value, not = false) {
  if (has(query, field, value, not)) return without(query, field, value, not);
  const rest = without(query, field, value, !not);
  return `${rest} ${not ? "-" : ""}${field}:${quoted(value)}`.trim();
}

/** The words of a query, without its filters. */
export const words = (query) =>
  [...query.matchAll(TERM)].map((m) => m[0]).filter((term) => !FILTER.test(term)).join(" ");
