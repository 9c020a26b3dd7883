import { grouped } from '../report.ts';
import type { Asked } from './asking.ts';
import type { Disk, PeerFacts, Written } from './peer.ts';

/** What was measured of one system. */
export interface Measured {
  facts: PeerFacts;
  written: Written;
  disk: Disk;
  asked: Record<string, Asked>;
  /** Of the usage of events that were sent a second time: what share counted again, 0 to 1. */
  countedAgain: number;
}

const questionTitles: Record<string, string> = {
  subjectByDay: 'one subject by day, a month',
  subjectByHour: 'one subject by hour, a week',
  allTotal: 'all subjects, a month',
  twoKeysByDay: 'two keys by day, a month',
  subjectByMinute: 'one subject by minute, an hour',
};

const caption =
  'The same events, spread over 30 days, into one system after the other; time for converting them into what a system takes is not counted. All answered alike.';

/** One table: a column for each system, figures first, then what each does and doesn't do. */
export function markdown(systems: readonly Measured[], leftOut: Record<string, string>): string {
  const row = (title: string, cell: (of: Measured) => string) =>
    `| ${[title, ...systems.map(cell)].map((text) => text.replaceAll('|', '\\|')).join(' | ')} |`;
  const bytes = (bytesOf: (disk: Disk) => number) => (of: Measured) =>
    grouped(Math.round(bytesOf(of.disk) / of.written.events));
  const asked = systems[0] ? Object.keys(systems[0].asked) : [];
  return [
    `${caption}\n`,
    row('', ({ facts }) => facts.name),
    `|---|${systems.map(() => '---|').join('')}`,
    row('events stored', ({ written }) => grouped(written.events)),
    row('events/s', ({ written }) => grouped(Math.round(written.events / written.seconds))),
    row(
      'bytes an event, as written',
      bytes(({ writtenBytes }) => writtenBytes),
    ),
    row(
      'bytes an event, merged or compressed',
      bytes(({ settledBytes }) => settledBytes),
    ),
    row('logs written before (WAL, Redis’s file) besides, MB', ({ disk }) =>
      disk.walBytes === 0 ? 'none' : grouped(Math.round(disk.walBytes / 1e6)),
    ),
    ...asked.map((name) =>
      row(`${questionTitles[name] ?? name}: p50, p99 ms (answers)`, (of) => latency(of.asked[name]!)),
    ),
    row(
      'usage of events sent again that counted again',
      ({ countedAgain }) => `${grouped(countedAgain * 100)} %`,
    ),
    row('an event sent twice', ({ facts }) => facts.sentTwice),
    row('numbers', ({ facts }) => facts.numbers),
    row('acknowledged when', ({ facts }) => facts.acknowledged),
    row('answers come from', ({ facts }) => facts.answersFrom),
    row('written', ({ facts }) => facts.writing),
    row('asked', ({ facts }) => facts.asking),
    row('settings', ({ facts }) => facts.settings),
    ...Object.entries(leftOut).map(([name, why]) => `\nLeft out: ${name}: ${why}`),
  ].join('\n');
}

function latency({ p50, p99, answers }: Asked): string {
  return `${grouped(p50)}, ${grouped(p99)} (${grouped(answers)})`;
}
