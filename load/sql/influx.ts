import type { RawQuestion } from './rawUsage.ts';

export const createDatabase = 'CREATE DATABASE usage';

const windows = { minute: '1m', hour: '1h', day: '1d' };

/** Points of each type, by the field that each has. */
export const countPoints = 'SELECT count(id) FROM /.*/';

/** InfluxQL: the sum of a field, in windows and by tags; windows without events are left out. */
export function sumPoints(of: RawQuestion): string {
  const ofSubject = of.subject === undefined ? '' : ` AND subject = '${of.subject}'`;
  const grouped = [...(of.window ? [`time(${windows[of.window]})`] : []), ...of.groupBy];
  return `SELECT sum(${of.value}) FROM "${of.type}"
    WHERE time >= ${of.from.getTime()}ms AND time < ${of.to.getTime()}ms${ofSubject}
    ${grouped.length > 0 ? `GROUP BY ${grouped.join(', ')} fill(none)` : ''}`;
}
