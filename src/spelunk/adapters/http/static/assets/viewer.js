// The lines of one file: blocks of plain text that become highlighted when they come near.
// All text is in the document, so the browser's own search and selection work; only blocks
// in view have an element for each token, so 10,000 lines scroll like a hundred.
import { append, plain, runs } from "./code.js";

export const ROW = 20; // px, also --row in app.css
const BLOCK = 100; // lines
const MAX_RICH = 80; // blocks that stay highlighted
const NEAR = "1200px";

const make = (tag, classes, parent) => {
  const node = document.createElement(tag);
  if (classes) node.className = classes;
  if (parent) parent.append(node);
  return node;
};

export class Viewer {
  /** @param onScroll called with the first visible line; @param onPick with lines chosen at the gutter. */
  constructor(box, { onScroll, onPick }) {
    this.box = box;
    this.onScroll = onScroll;
    this.onPick = onPick;
    this.lines = []; // html of each line, undefined where it is not loaded
    this.blocks = [];
    this.count = 0;
    this.rich = new Set();
    this.from = 0;
    this.frame = 0;
    this.near = new IntersectionObserver((seen) => {
      for (const { target, isIntersecting } of seen) {
        if (isIntersecting) this.enrich(target.block);
        else if (this.rich.size > MAX_RICH) this.flatten(target.block);
      }
    }, { root: box, rootMargin: NEAR });
    box.addEventListener("scroll", () => {
      if (!this.frame) this.frame = requestAnimationFrame(() => { this.frame = 0; this.onScroll(this.top()); });
    }, { passive: true });
    box.addEventListener("click", (event) => this.clicked(event));
  }

  /** Lay out `count` lines; `numbers` are their lines in the raw file where these differ. */
  start(count) {
    this.count = count;
    this.numbers = [];
    this.box.replaceChildren();
    this.page = make("div", "page", this.box);
    this.page.style.setProperty("--digits", Math.max(3, String(count).length));
    this.page.style.height = `${count * ROW + 40}px`;
    this.cited = make("div", "cited", this.page);
    this.cited.hidden = true;
    this.blocks = [];
    for (let first = 0; first < count; first += BLOCK) {
      const node = make("div", "block", this.page);
      const size = Math.min(BLOCK, count - first);
      node.style.setProperty("--lines", size);
      const block = { first, size, node, gutter: make("div", "gutter", node), code: make("pre", "code", node), loaded: 0 };
      block.gutter.setAttribute("aria-hidden", "true");
      node.block = block;
      this.blocks.push(block);
      this.near.observe(node);
    }
  }

  /** Put lines that have arrived in their places; `first` is 0-based. */
  fill(first, list, numbers) {
    let widest = this.widest || 0;
    list.forEach((line, i) => {
      this.lines[first + i] = line;
      if (numbers) this.numbers[first + i] = numbers[i];
      if (line.length > widest) widest = Math.max(widest, line.replace(/<[^>]*>/g, "").length);
    });
    this.widest = widest;
    this.page.style.setProperty("--columns", Math.min(widest, 20000) + 4);
    const last = first + list.length;
    for (const block of this.blocks) {
      if (block.first + block.size <= first || block.first >= last) continue;
      if (this.rich.has(block) || this.close(block)) { this.rich.delete(block); this.enrich(block); } else this.flatten(block);
    }
  }

  close(block) {
    const y = block.first * ROW - this.box.scrollTop;
    return y < this.box.clientHeight + 1200 && y > -BLOCK * ROW - 1200;
  }

  number(i) { return this.numbers[i] || i + 1; }

  flatten(block) {
    this.rich.delete(block);
    const numbers = [];
    const lines = [];
    for (let i = block.first; i < block.first + block.size; i += 1) {
      numbers.push(this.number(i));
      lines.push(this.lines[i] || "");
    }
    block.gutter.textContent = numbers.join("\n");
    block.code.textContent = `${plain(lines.join("\n"))}\n`;
  }

  enrich(block) {
    if (this.rich.has(block) || this.lines[block.first] === undefined) return;
    this.rich.add(block);
    const gutter = document.createDocumentFragment();
    const code = document.createDocumentFragment();
    for (let i = block.first; i < block.first + block.size; i += 1) {
      const number = make("span", "", gutter);
      number.textContent = this.number(i);
      number.dataset.n = i + 1;
      append(code, runs(this.lines[i] || ""));
      code.append("\n");
    }
    block.gutter.replaceChildren(gutter);
    block.code.replaceChildren(code);
  }

  clicked(event) {
    const gutter = event.target.closest(".gutter");
    if (!gutter) return;
    const y = event.clientY - this.page.getBoundingClientRect().top;
    const line = Math.min(this.count, Math.max(1, Math.floor(y / ROW) + 1));
    if (event.shiftKey && this.from) this.onPick(Math.min(this.from, line), Math.max(this.from, line));
    else {
      this.from = line;
      this.onPick(line, line);
    }
  }

  /** Mark lines as cited. */
  cite(from, to) {
    this.from = from;
    this.cited.hidden = !from;
    if (!from) return;
    this.cited.style.top = `${(from - 1) * ROW}px`;
    this.cited.style.height = `${(Math.max(from, to) - from + 1) * ROW}px`;
  }

  top() { return Math.floor(this.box.scrollTop / ROW) + 1; }

  /** Scroll so that a line is in the upper third, or leave it where it is well visible. */
  show(line, { force = false } = {}) {
    const y = (line - 1) * ROW;
    const { scrollTop, clientHeight } = this.box;
    if (!force && y > scrollTop + 80 && y < scrollTop + clientHeight - 80) return;
    this.box.scrollTop = Math.max(0, y - clientHeight / 4);
    this.onScroll(this.top());
  }

  stop() {
    this.near.disconnect();
    cancelAnimationFrame(this.frame);
  }
}
