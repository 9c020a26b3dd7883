import { signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { ApiError } from '../api/client.ts';
import { dateTime, fullTime } from '../app/format.ts';
import { Icon, type IconName } from './icons.tsx';

export type Children = ComponentChildren;

export function PageHead(props: { title: Children; about?: Children; children?: Children }) {
  return (
    <div class="page-head">
      <div class="titles">
        <h1 class="break">{props.title}</h1>
        {props.about && <p>{props.about}</p>}
      </div>
      {props.children && <div class="actions">{props.children}</div>}
    </div>
  );
}

export function Card(props: {
  title?: Children;
  actions?: Children;
  footer?: Children;
  flush?: boolean;
  children: Children;
}) {
  return (
    <section class="card">
      {(props.title || props.actions) && (
        <header>
          <h2>{props.title}</h2>
          {props.actions}
        </header>
      )}
      <div class={props.flush ? '' : 'body'}>{props.children}</div>
      {props.footer && <footer>{props.footer}</footer>}
    </section>
  );
}

export function Empty(props: { icon: IconName; title: string; children?: Children; actions?: Children }) {
  return (
    <div class="empty">
      <Icon name={props.icon} />
      <h3>{props.title}</h3>
      {props.children && <p>{props.children}</p>}
      {props.actions && <div class="row">{props.actions}</div>}
    </div>
  );
}

export function Notice(props: {
  kind?: 'info' | 'good' | 'warn' | 'bad';
  title?: string;
  children?: Children;
}) {
  const { kind = 'info' } = props;
  return (
    <div class={`notice ${kind}`} role={kind === 'bad' ? 'alert' : 'status'}>
      <Icon name={kind === 'good' ? 'check' : kind === 'info' ? 'info' : 'trouble'} />
      <div>
        {props.title && <span class="strong">{props.title}</span>}
        {props.children}
      </div>
    </div>
  );
}

/** An answer that was a problem: what happened, and what to do. */
export function Failure({ error, retry }: { error: unknown; retry?: (() => void) | undefined }) {
  const problem = error instanceof ApiError ? error : undefined;
  return (
    <Notice kind="bad" title={problem ? titleOf(problem) : 'Something went wrong in this page'}>
      <span>{(error as Error)?.message}</span>
      {problem && problem.issues.length > 0 && (
        <ul>
          {problem.issues.slice(0, 10).map(({ field, reason }) => (
            <li key={field + reason}>
              <code>{field || 'body'}</code> {reason}
            </li>
          ))}
        </ul>
      )}
      {retry && (
        <div>
          <button type="button" class="button small" onClick={retry}>
            <Icon name="refresh" /> Try again
          </button>
        </div>
      )}
    </Notice>
  );
}

function titleOf({ status }: ApiError): string {
  if (status === 0) return 'No answer';
  if (status === 403) return 'This key may not do that';
  if (status === 404) return 'Not found';
  if (status === 429) return 'Over the rate limit of this key';
  if (status >= 500) return 'The server could not answer';
  return 'The request was refused';
}

/** Of the size that the content will have, so that nothing jumps. */
export function Skeleton({ height, width }: { height: number; width?: string }) {
  return (
    <div class="skeleton" style={{ height: `${height}px`, width: width ?? '100%' }} aria-hidden="true" />
  );
}

export function SkeletonRows({ rows, height = 20 }: { rows: number; height?: number }) {
  return (
    <div class="stack tight" style={{ padding: '16px' }} role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, n) => (
        <Skeleton key={n} height={height} width={`${96 - ((n * 17) % 40)}%`} />
      ))}
    </div>
  );
}

export function Badge({
  kind,
  children,
}: {
  kind?: 'good' | 'warn' | 'bad' | 'info' | 'accent';
  children: Children;
}) {
  return <span class={`badge ${kind ?? ''}`}>{children}</span>;
}

/** A time in the reader's locale and zone; the whole of it, with the zone, where the pointer rests. */
export function Time({
  at,
  format = dateTime,
}: {
  at: string | number | Date;
  format?: (at: string | number | Date) => string;
}) {
  return (
    <time dateTime={new Date(at).toISOString()} title={fullTime(at)}>
      {format(at)}
    </time>
  );
}

export function CopyButton({ text, label = 'Copy' }: { text: string; label?: string }) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(false), 1_600);
    return () => clearTimeout(timer);
  }, [done]);
  return (
    <button type="button" class="button small copy" onClick={() => void copy(text).then(() => setDone(true))}>
      <Icon name={done ? 'check' : 'copy'} /> <span aria-live="polite">{done ? 'Copied' : label}</span>
    </button>
  );
}

/** Where the clipboard is not allowed (plain http on another host) the old way still works. */
async function copy(text: string): Promise<void> {
  if (navigator.clipboard && isSecureContext) return navigator.clipboard.writeText(text);
  const area = Object.assign(document.createElement('textarea'), { value: text });
  document.body.append(area);
  area.select();
  document.execCommand('copy');
  area.remove();
}

export function CodeBlock({ code, label }: { code: string; label: string }) {
  return (
    <div class="code-block">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a block that scrolls must be reachable by keyboard */}
      <section class="code-scroll" tabIndex={0} aria-label={label}>
        <pre>
          <code>{code}</code>
        </pre>
      </section>
      <CopyButton text={code} />
    </div>
  );
}

export function Segmented<T extends string>(props: {
  label: string;
  options: readonly { value: T; label: string; icon?: IconName }[];
  value: T;
  onChange: (value: T) => void;
}) {
  return (
    <fieldset class="segmented" aria-label={props.label}>
      {props.options.map(({ value, label, icon }) => (
        <button
          key={value}
          type="button"
          aria-pressed={value === props.value}
          onClick={() => props.onChange(value)}
        >
          {icon && <Icon name={icon} />}
          {label}
        </button>
      ))}
    </fieldset>
  );
}

interface ToastMessage {
  id: number;
  text: string;
  bad: boolean;
}
const toasts = signal<ToastMessage[]>([]);
let toastCount = 0;
const toastMs = 5_000;

export function toast(text: string, bad = false): void {
  const id = ++toastCount;
  toasts.value = [...toasts.value, { id, text, bad }];
  setTimeout(() => {
    toasts.value = toasts.value.filter((one) => one.id !== id);
  }, toastMs);
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map(({ id, text, bad }) => (
        <div key={id} class={`toast ${bad ? 'bad' : ''}`}>
          {text}
        </div>
      ))}
    </div>
  );
}
