/**
 * Pages of reports: one file each that needs nothing else, no script, no font, nothing from a network.
 *
 * They are read on a desk and on a phone. On a narrow screen each row of a table becomes a block, its cells one below the other
 * with their heads before them; so nothing lies beyond the edge.
 */

/** A colour and what it stands for. */
export interface Series {
  readonly name: string;
  /** Of CSS; legible on white and on black. */
  readonly colour: string;
}

/** A cell as HTML. */
export interface Cell {
  readonly html: string;
  /**
   * `text` begins at the left, others are numbers; `long` ones may be broken, and `words` between words. On a phone, `text` and `wide` ones have a line of
   * their own, and `zero` ones none.
   */
  readonly className?: string | undefined;
}

const STYLE = `
:root { color-scheme: light dark; --page: #fff; --ink: #1a202c; --quiet: #4a5568; --rule: #dde3ea; --good: #276749; --bad: #c53030; }
@media (prefers-color-scheme: dark) {
  :root { --page: #14171f; --ink: #e2e8f0; --quiet: #a0aec0; --rule: #343b4a; --good: #68d391; --bad: #fc8181; }
}
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 1280px; margin: 1.5rem auto; padding: 0 1rem; overflow-wrap: break-word; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { font-size: 1.15rem; margin-top: 2rem; } h3 { font-size: 1rem; margin: 0; }
code { font-size: 13px; overflow-wrap: anywhere; } small { font-size: 13px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .5rem; border-bottom: 1px solid var(--rule); text-align: right; vertical-align: top; }
th { vertical-align: bottom; color: var(--quiet); font-weight: 600; }
th:not(:first-child, .text) { width: 1px; }
th:first-child, td:first-child, th.text, td.text { text-align: left; }
td > span { white-space: nowrap; } td:first-child > span, td.long > span { white-space: normal; overflow-wrap: anywhere; } td.words > span { white-space: normal; } td.long { min-width: 9.5rem; }
.alarm, .worse { color: var(--bad); } .better { color: var(--good); } .alarm { font-weight: 600; }
.note, small, figcaption { color: var(--quiet); } .note { max-width: 50rem; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; }
.swatch { display: inline-block; width: .8em; height: .8em; margin-right: .4em; border-radius: 2px; }
@media (max-width: 1200px) {
  thead { display: none; }
  table, tbody { display: block; }
  tbody tr { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: 0 1.25rem; padding: .5rem 0; border-bottom: 1px solid var(--rule); }
  td, td.text { display: flex; justify-content: space-between; gap: .75rem; padding: .05rem 0; border: 0; min-width: 0; text-align: right; }
  td.text > span, td.wide > span { white-space: normal; overflow-wrap: anywhere; }
  td::before { content: attr(data-head); color: var(--quiet); text-align: left; overflow-wrap: normal; }
  td:first-child, td.text, td.wide { grid-column: 1 / -1; } td.zero { display: none; }
  td:first-child { font-weight: 600; text-align: left; } td:first-child::before { content: none; }
}
`;

/** @param page `style` is added to that of all pages. */
export function htmlPage(page: { readonly title: string; readonly body: string; readonly style?: string }): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(page.title)}</title><style>${STYLE}${page.style ?? ''}</style></head><body>
${page.body}
</body></html>
`;
}

/** Text for HTML, in elements and in attributes between quotes. */
export function escapeHtml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character);
}

export function cell(text: string, className?: string): Cell {
  return { html: escapeHtml(text), className };
}

/** @param body rows of cells, in the order of `head`; the first one names the row. */
export function table(head: readonly string[], body: readonly (readonly Cell[])[]): string {
  const [first = []] = body;
  const heads = head
    .map((name, index) => `<th${classOf(/\btext\b/.exec(first[index]?.className ?? '')?.[0])}>${escapeHtml(name)}</th>`)
    .join('');
  const rows = body.map((cells) => {
    const tds = cells.map(
      ({ html, className }, index) =>
        `<td${classOf(className)} data-head="${escapeHtml(head[index] ?? '')}"><span>${html}</span></td>`,
    );
    return `<tr>${tds.join('')}</tr>`;
  });
  return `<table><thead><tr>${heads}</tr></thead><tbody>\n${rows.join('\n')}\n</tbody></table>`;
}

function classOf(name: string | undefined): string {
  return name === undefined ? '' : ` class="${name}"`;
}

export function legend(series: readonly Series[]): string {
  const entries = series.map(
    ({ name, colour }) => `<span><span class="swatch" style="background:${colour}"></span>${escapeHtml(name)}</span>`,
  );
  return `<div class="legend">${entries.join('')}</div>`;
}

export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
