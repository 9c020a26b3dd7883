import { parseTimeUs } from '@usage/lib/event/time.ts';
import type { ImportOptions } from './options.ts';
import { Refusal, type RefusedRow } from './refusals.ts';
import type { Checked } from './run.ts';

const shownMax = 20;

/** Throws a Refusal, with what to do, where the file as it was found isn't to be sent with these options. */
export function requireSendable(checked: Checked, options: ImportOptions): void {
  const { findings, stored } = checked;
  const { refused, uncounted } = findings;
  if (refused.length > 0 && !options.skipInvalid) {
    throw new Refusal(
      `${options.file}: ${count(refused.length, 'row')} can't be understood:\n${listed(refused)}\n` +
        'Nothing was sent. Mend them, or --skip-invalid leaves them out.',
    );
  }
  if (uncounted.length > 0 && !options.allowUncounted) {
    throw new Refusal(
      `${options.file}: ${count(uncounted.length, 'event')} wouldn't count:\n${listed(uncounted)}\n` +
        'Nothing was sent. Is a column mapped to the wrong field? --allow-uncounted sends them all the same.',
    );
  }
  if (findings.events === 0) throw new Refusal(`${options.file} holds no events.`);
  if (stored) requireKnown(checked, options);
}

/** What is stored must leave no doubt about whether this file was imported before. */
function requireKnown({ findings, stored }: Checked, options: ImportOptions): void {
  const { count: storedCount, elsewhere, keptSince } = stored!;
  const [other] = elsewhere;
  if (other && !options.isSourceGiven) {
    const [source, events] = other;
    throw new Refusal(
      `${count(events, 'event')} of ${options.file} ${are(events)} stored with the source ${JSON.stringify(source)}. If that ` +
        `was this file under another name: --source ${JSON.stringify(source)}. If it was another file: give this one a --source of its own. Nothing was sent.`,
    );
  }
  if (findings.timeless > 0 && storedCount > 0 && storedCount < findings.events && !options.resume) {
    throw new Refusal(
      `${storedCount} of ${count(findings.events, 'event')} of ${options.file} are stored already, and they have no time: if ` +
        'a run of this very file was interrupted, go on with --resume; if it is another file with the same rows, give it a ' +
        '--source of its own. Nothing was sent.',
    );
  }
  if (keptSince !== undefined && !options.firstImport && storedCount < findings.events) {
    const isOlder = findings.timeless > 0 || parseTimeUs(findings.times!.from)! < parseTimeUs(keptSince)!;
    if (isOlder) {
      throw new Refusal(
        `Events that arrived before ${keptSince} are no longer kept, and ${options.file} has older ones: if it was imported ` +
          'before then it would count twice, and nobody can tell. --first-import says that it was not. Nothing was sent.',
      );
    }
  }
}

/** 3 where something was left out, or doesn't count. */
export function exitCodeOf({ findings }: Checked): number {
  return findings.refused.length > 0 || findings.uncounted.length > 0 ? 3 : 0;
}

/** What there is to know about the file, a line each. */
export function remarksOn({ findings, notes, stored, notAsked }: Checked, options: ImportOptions): string[] {
  const { refused, uncounted, unmeasured, timeless } = findings;
  const remarks = [...notAsked];
  if (refused.length > 0)
    remarks.push(`${count(refused.length, 'row')} refused and left out:\n${listed(refused)}`);
  if (uncounted.length > 0)
    remarks.push(`${count(uncounted.length, 'event')} will not count:\n${listed(uncounted)}`);
  for (const [type, events] of unmeasured)
    remarks.push(`No meter measures type ${JSON.stringify(type)} (${count(events, 'event')}) yet.`);
  if (stored && stored.count > 0)
    remarks.push(
      `${stored.count} of ${count(findings.events, 'event')} ${are(stored.count)} stored already: left out.`,
    );
  if (notes.repeated > 0)
    remarks.push(`${count(notes.repeated, 'row')} repeat an id with the same content: each counts once.`);
  if (notes.emptyRows > 0) remarks.push(`${count(notes.emptyRows, 'row')} without any text left out.`);
  if (notes.totalsRows > 0) remarks.push(`${count(notes.totalsRows, 'row')} of totals left out.`);
  if (timeless > 0)
    remarks.push(`${count(timeless, 'event')} without a time: theirs is the time of the import.`);
  if (notes.localTimes > 0)
    remarks.push(
      `${count(notes.localTimes, 'time')} without an offset, read in ${options.csv?.mapping.times.zone ?? 'UTC'} (--time-zone).`,
    );
  return remarks;
}

export function listed(rows: readonly RefusedRow[]): string {
  const lines = rows.slice(0, shownMax).map(({ line, reason }) => `  line ${line}: ${reason}`);
  if (rows.length > shownMax) lines.push(`  and ${rows.length - shownMax} more (--report FILE writes all)`);
  return lines.join('\n');
}

export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

function are(number: number): string {
  return number === 1 ? 'is' : 'are';
}
