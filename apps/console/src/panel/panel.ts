import { drawBars } from './bars.ts';
import { messages } from './messages.ts';
import { rowsOf, type UsageRow, windowOf } from './usage.ts';

/**
 * <usage-panel>: a customer's own usage on any page. Attributes: `token` (a portal token), `meter` (slug), and if wished
 * `days` (30), `group-by` (a group-by name of the meter), `title`, `locale`, `time-zone`, `src-origin` (where the API is;
 * where the script came from by default). Language and zone are the browser's. Set `token` again before it expires: the
 * panel asks for one with the event `usage-token-needed`.
 */
const ownOrigin = new URL(import.meta.url).origin;
const daysDefault = 30;
const daysMax = 400;

class UsagePanel extends HTMLElement {
  static readonly observedAttributes = [
    'token',
    'meter',
    'days',
    'group-by',
    'title',
    'locale',
    'time-zone',
    'src-origin',
  ];

  readonly #root = this.attachShadow({ mode: 'open' });
  #asking: AbortController | undefined;
  #rows: UsageRow[] = [];
  #isTable = false;
  #planned = false;

  connectedCallback(): void {
    this.#root.adoptedStyleSheets = [style];
    this.#plan();
  }

  disconnectedCallback(): void {
    this.#asking?.abort();
  }

  attributeChangedCallback(): void {
    if (this.isConnected) this.#plan();
  }

  /** Several attributes are often set one after the other: it asks once. */
  #plan(): void {
    if (this.#planned) return;
    this.#planned = true;
    queueMicrotask(() => {
      this.#planned = false;
      void this.load();
    });
  }

  /** Asks again: for pages that know of new usage. */
  async load(): Promise<void> {
    const token = this.getAttribute('token');
    const meter = this.getAttribute('meter');
    const { text } = this.#words();
    if (!token || !meter) return this.#show(note(text.incomplete));
    this.#asking?.abort();
    this.#asking = new AbortController();
    if (this.#rows.length === 0) this.#show(note(text.loading));
    try {
      const days = Math.min(daysMax, Math.max(1, Number(this.getAttribute('days')) || daysDefault));
      const groupBy = this.getAttribute('group-by') ?? undefined;
      const origin = this.getAttribute('src-origin') ?? ownOrigin;
      this.#rows = await rowsOf(
        { origin, meter, token, days, groupBy, zone: this.#zone() },
        this.#asking.signal,
      );
      this.#draw();
    } catch (error) {
      if ((error as Error).name === 'AbortError') return;
      const isOver = (error as { status?: number }).status === 401;
      if (isOver)
        this.dispatchEvent(new CustomEvent('usage-token-needed', { bubbles: true, composed: true }));
      this.#show(note(isOver ? text.expired : text.failed));
    }
  }

  #zone(): string {
    return this.getAttribute('time-zone') ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  }

  #words() {
    const locale = this.getAttribute('locale') ?? navigator.language ?? 'en';
    return { locale, text: messages(locale) };
  }

  #draw(): void {
    const { locale, text } = this.#words();
    const zone = this.#zone();
    const windows = windowOf(this.#rows, { locale, zone });
    const head = element('header', {}, [
      element('h3', {}, [this.getAttribute('title') ?? this.getAttribute('meter') ?? '']),
      this.#switch(text),
    ]);
    const body =
      windows.days.length === 0
        ? note(text.empty)
        : this.#isTable
          ? tableOf(windows, text)
          : drawBars(windows, `${text.usage}: ${this.getAttribute('meter')}`);
    this.#show(head, body, element('footer', {}, [`${text.zone} ${zone}`]));
  }

  #switch(text: ReturnType<typeof messages>): HTMLElement {
    const button = element('button', { type: 'button' }, [this.#isTable ? text.chart : text.table]);
    button.addEventListener('click', () => {
      this.#isTable = !this.#isTable;
      this.#draw();
      this.#root.querySelector('button')?.focus();
    });
    return button;
  }

  #show(...parts: Element[]): void {
    this.#root.replaceChildren(element('section', {}, parts));
  }
}

type Windows = ReturnType<typeof windowOf>;

function tableOf({ days, groups }: Windows, text: ReturnType<typeof messages>): HTMLElement {
  const hasGroups = groups.length > 1 || groups[0] !== '';
  const heads = [text.day, ...(hasGroups ? [text.group] : []), text.usage];
  const rows = days.flatMap(({ name, parts }) =>
    parts.map(({ group, exact }) => [name, ...(hasGroups ? [group || '–'] : []), exact]),
  );
  return element('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': text.table }, [
    element('table', {}, [
      element('thead', {}, [
        element(
          'tr',
          {},
          heads.map((head) => element('th', { scope: 'col' }, [head])),
        ),
      ]),
      element(
        'tbody',
        {},
        rows.map((row) =>
          element(
            'tr',
            {},
            row.map((cell) => element('td', {}, [cell])),
          ),
        ),
      ),
    ]),
  ]);
}

function note(text: string): HTMLElement {
  return element('p', { role: 'status' }, [text]);
}

/** Everything that comes from the API is a text node. */
function element(
  name: string,
  attributes: Record<string, string>,
  children: (string | Element)[],
): HTMLElement {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const style = new CSSStyleSheet();
style.replaceSync(`
:host { display: block; font: 14px/1.45 var(--usage-font, system-ui, sans-serif); color: var(--usage-text, #171a21); }
section { background: var(--usage-background, #fff); border: 1px solid var(--usage-line, #e3e6ec); border-radius: 10px; padding: 14px 16px; min-height: 260px; box-sizing: border-box; display: flex; flex-direction: column; gap: 10px; }
header { display: flex; align-items: center; justify-content: space-between; gap: 10px; }
h3 { margin: 0; font-size: 1.05em; }
button { font: inherit; color: inherit; background: none; border: 1px solid var(--usage-line, #cdd2dc); border-radius: 7px; padding: 3px 10px; cursor: pointer; }
button:focus-visible, .scroll:focus-visible { outline: 2px solid var(--usage-accent, #4f46e5); outline-offset: 2px; }
p { margin: auto; color: var(--usage-muted, #656d7e); }
footer { color: var(--usage-muted, #656d7e); font-size: 0.86em; margin-top: auto; }
svg { width: 100%; height: 190px; display: block; overflow: visible; }
svg text { font-size: 11px; fill: var(--usage-muted, #656d7e); }
.scroll { overflow: auto; max-height: 260px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 5px 8px; border-bottom: 1px solid var(--usage-line, #e3e6ec); }
th:last-child, td:last-child { text-align: right; }
.legend { display: flex; flex-wrap: wrap; gap: 3px 12px; font-size: 0.88em; }
.legend i { display: inline-block; width: 9px; height: 9px; border-radius: 3px; margin-right: 5px; }
@media (prefers-color-scheme: dark) {
  :host(:not([theme="light"])) { color: var(--usage-text, #eceef3); }
  :host(:not([theme="light"])) section { background: var(--usage-background, #161920); border-color: var(--usage-line, #2a303c); }
  :host(:not([theme="light"])) :is(p, footer, svg text) { color: var(--usage-muted, #a0a7b6); fill: var(--usage-muted, #a0a7b6); }
  :host(:not([theme="light"])) :is(th, td, button) { border-color: var(--usage-line, #3a4150); }
}`);

if (!customElements.get('usage-panel')) customElements.define('usage-panel', UsagePanel);
