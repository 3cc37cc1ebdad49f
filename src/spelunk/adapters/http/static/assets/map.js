// The treemap: folders and files by size, coloured by how dense the matches are; it leads into both.
import { hierarchy, treemap } from "./vendor/d3-hierarchy.js";
import { useEffect, useMemo, useRef, useState } from "./vendor/hooks.js";
import { address, useAnswer } from "./api.js";
import { Dot, Problem, fileAddress, html, hue, number, pageAddress, several } from "./ui.js";

const STEPS = 6; // shades of density
const HEAD = 22; // px of a folder's title
const NODES = 900;
const TITLED = [64, 44]; // px that a folder needs for a title and its parts
const NAMED = [58, 18]; // px that a tile needs for its name

const density = (node) => (node.lines ? node.matches / node.lines : 0);

/** The tree with folders that hold one folder alone joined, as `a/b`. */
function joined(node) {
  let { name } = node;
  let at = node;
  while (at.type === "folder" && at.children && at.children.length === 1 && at.children[0].type === "folder" && !at.rest) {
    at = at.children[0];
    name += `/${at.name}`;
  }
  const children = (at.children || []).map(joined);
  if (at.rest && at.rest.lines) children.push({ ...at.rest, name: several(at.rest.files, "more file"), path: at.path, type: "rest", language: "" });
  return { ...at, name, children: children.length ? children : undefined };
}

const weight = (node) => (node.children ? 0 : Math.max(node.lines || node.bytes / 40, 1));

/** Tiles with their places for a size in px; those too small to see are left out. */
export function layout(tree, width, height) {
  const root = hierarchy({ ...joined(tree), name: tree.name }).sum(weight).sort((a, b) => b.value - a.value);
  treemap().size([width, height]).round(true).paddingInner(2).paddingOuter(2)
    .paddingTop((d) => (d.depth === 0 ? 0 : d.x1 - d.x0 > TITLED[0] && d.y1 - d.y0 > TITLED[1] ? HEAD : 2))(root);
  return root.descendants().filter((d) => d.depth && d.x1 - d.x0 > 2 && d.y1 - d.y0 > 2);
}

/** Thresholds of the shades: quantiles of the densities that are there. */
export function shades(tiles) {
  const found = tiles.filter((d) => !d.children && d.data.matches).map((d) => density(d.data)).sort((a, b) => a - b);
  return (node) => {
    if (!node.matches) return 0;
    const below = found.filter((x) => x < density(node)).length;
    return 1 + Math.min(STEPS - 1, Math.floor((below / Math.max(found.length, 1)) * STEPS));
  };
}

/** The tiles of a tree. */
export function Tiles({ tree, q = "", mode = "", searched = false, onOver = () => {} }) {
  const box = useRef(null);
  const [size, setSize] = useState([0, 0]);
  useEffect(() => {
    const watch = new ResizeObserver(([entry]) => setSize([Math.floor(entry.contentRect.width), Math.floor(entry.contentRect.height)]));
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  const tiles = useMemo(() => (size[0] ? layout(tree, size[0], size[1]) : []), [tree, size[0], size[1]]);
  const shade = useMemo(() => shades(tiles), [tiles]);
  const target = (node) => (node.type === "file" ? fileAddress(node.path, { q, mode }) : pageAddress("/map", { path: node.path, q, mode }));
  return html`<div class="tiles" ref=${box} onMouseLeave=${() => onOver(null)}>
    ${tiles.map((d) => {
      const node = d.data;
      const [w, h] = [d.x1 - d.x0, d.y1 - d.y0];
      const titled = d.children ? w > TITLED[0] && h > TITLED[1] : w > NAMED[0] && h > NAMED[1];
      const classes = d.children ? "folder" : `leaf is-${node.type} ${searched ? `d${shade(node)}` : node.language && node.language !== "text" ? "" : "grey"}`;
      const first = d.children || (searched && node.matches > 0);
      return html`<a key=${`${node.type} ${node.path} ${d.children ? "" : "leaf"}`} class=${`tile ${classes}`} href=${target(node)} data-path=${node.path} aria-label=${titled ? undefined : label(node, searched)} tabindex=${first ? undefined : "-1"}
        style=${{ left: `${d.x0}px`, top: `${d.y0}px`, width: `${w}px`, height: `${h}px`, "--hue": hue(node.language) }} onMouseEnter=${() => onOver(node)} onFocus=${() => onOver(node)}>
        ${titled && html`<span class="name"><bdi>${node.name}</bdi>${d.children && searched && node.matches > 0 && html` <small>${number(node.matches)}</small>`}</span><span class="offscreen">: ${label(node, searched)}</span>`}</a>`;
    })}
  </div>`;
}

const label = (node, searched) => `${node.path || node.name}: ${several(node.files, "file")}, ${several(node.lines, "line")}${searched ? `, ${several(node.matches, "match", "matches")}` : ""}`;

export function Treemap({ route, go }) {
  const { params } = route;
  const [q, mode, path] = ["q", "mode", "path"].map((name) => params.get(name) || "");
  const url = address("/api/map", { path, q: q.trim(), mode: q.trim() ? mode : "", depth: 7, nodes: NODES });
  const { value, error, busy } = useAnswer(url, { quick: true });
  const [over, setOver] = useState(null);
  if (error && !busy) return html`<main class="narrow" id="main" tabindex="-1"><h1>Map</h1><${Problem} error=${error} query=${q} onFix=${(fixed) => go(pageAddress("/map", { q: fixed, mode, path }))} /></main>`;
  if (!value) return html`<main class="map" id="main" tabindex="-1" aria-busy="true"></main>`;
  const { tree } = value;
  const searched = Boolean(value.query);
  const names = path ? path.split("/") : [];
  const shown = over || tree;
  return html`<main class="map" id="main" tabindex="-1" aria-busy=${busy ? "true" : "false"}>
    <div class="map-bar">
      <h1 class="crumbs"><a href=${pageAddress("/map", { q, mode })}>${path ? "All" : tree.name || "All"}</a>${names.map((name, i) => html`<span class="sep">/</span>${i === names.length - 1 ? html`<b>${name}</b>` : html`<a href=${pageAddress("/map", { path: names.slice(0, i + 1).join("/"), q, mode })}>${name}</a>`}`)}</h1>
      <span role="status" class="dim">${searched ? html`${value.complete ? "" : "over "}${several(tree.matches, "match", "matches")} in ${several(tree.matched_files, "file")} of ${number(tree.files)}` : html`${several(tree.files, "file")}, ${several(tree.lines, "line")}`}</span>
      ${searched
        ? html`<span class="legend"><span class="dim">matches a line</span><span class="dim">none</span>${[0, 1, 2, 3, 4, 5, 6].map((n) => html`<i key=${n} class=${`d${n}`}></i>`)}<span class="dim">many</span></span>
          <a class="quiet" href=${pageAddress("/search", { q: path && !q.includes("path:") ? `${q} path:${/[\s",]/.test(path) ? JSON.stringify(path) : path}` : q, mode })}>As a list</a>`
        : html`<span class="dim legend">coloured by language; type a query to see where its matches are</span>`}
    </div>
    <${Tiles} tree=${tree} q=${q} mode=${mode} searched=${searched} onOver=${setOver} />
    <p class="map-foot" aria-hidden="true"><${Dot} language=${shown.language} /><b>${shown.path || shown.name}</b> <span class="dim">${label(shown, searched).split(": ").pop()}</span></p>
  </main>`;
}

/** A small map for the start page. */
export function Preview() {
  const { value } = useAnswer(address("/api/map", { depth: 3, nodes: 300 }));
  return value && value.tree.children ? html`<section aria-label="Map"><${Tiles} tree=${value.tree} /></section>` : null;
}
