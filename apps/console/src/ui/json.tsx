import { useMemo, useState } from 'preact/hooks';
import { bytes } from '../app/format.ts';
import { CopyButton } from './parts.tsx';

const charsShownMax = 20_000;
const token = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|\b(true|false|null)\b/g;
/** Characters that reorder the text around them, and others that nobody sees: shown as their escapes. */
const invisible = /(?![\n\t\r])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** JSON as text, coloured. Nothing of it is ever markup; what is very long is cut, and can be copied whole. */
export function JsonView({ value, label = 'JSON' }: { value: unknown; label?: string }) {
  const [all, setAll] = useState(false);
  const whole = useMemo(() => JSON.stringify(value, undefined, 2) ?? '', [value]);
  const cut = !all && whole.length > charsShownMax;
  const shown = useMemo(() => visible(cut ? whole.slice(0, charsShownMax) : whole), [whole, cut]);
  return (
    <div class="stack tight">
      <div class="code-block">
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a block that scrolls must be reachable by keyboard */}
        <section class="code-scroll" tabIndex={0} aria-label={label}>
          <pre dir="ltr">
            <code>{all && whole.length > charsShownMax ? shown : coloured(shown)}</code>
          </pre>
        </section>
        <CopyButton text={whole} />
      </div>
      {whole.length > charsShownMax && (
        <div class="row small muted">
          <span>
            {cut
              ? `The first ${bytes(charsShownMax)} of ${bytes(whole.length)}.`
              : `All ${bytes(whole.length)}.`}
          </span>
          <button type="button" class="button small" onClick={() => setAll(!all)}>
            {cut ? 'Show all' : 'Show less'}
          </button>
        </div>
      )}
    </div>
  );
}

/** Text of others for one line: cut, and without characters that could change how the rest reads. */
export function visible(text: string): string {
  return text.replace(invisible, (one) => `\\u${one.codePointAt(0)!.toString(16).padStart(4, '0')}`);
}

const lineCharsMax = 300;
export function oneLine(text: string): string {
  return visible(text.length > lineCharsMax ? `${text.slice(0, lineCharsMax)}…` : text);
}

function coloured(text: string) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(token)) {
    if (match.index > end) parts.push(text.slice(end, match.index));
    const [whole, string, colon, number] = match;
    if (string !== undefined) {
      parts.push(<span class={colon ? 'json-key' : 'json-string'}>{string}</span>);
      if (colon) parts.push(colon);
    } else parts.push(<span class={number === undefined ? 'json-word' : 'json-number'}>{whole}</span>);
    end = match.index + whole.length;
  }
  parts.push(text.slice(end));
  return parts;
}
