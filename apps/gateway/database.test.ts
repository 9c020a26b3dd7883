import { expect, test } from 'bun:test';
import { connect } from '@usage/db/connection/connect.ts';
import { Problem } from '@usage/lib/http/problem.ts';
import { createMeter, getMeter } from './meters/service.ts';

const valid = { slug: 'calls', eventType: 'request', aggregation: 'COUNT' };

test('while the database is away, a request is answered 503 with Retry-After', async () => {
  // Nobody listens on the discard port.
  const url = 'postgres://nobody@127.0.0.1:9/nothing';
  const sql = connect({ url, name: 'away', connectionsMax: 2, statementMsMax: 1_000 });
  for (const attempt of [() => getMeter(sql, 'default', 'x'), () => createMeter(sql, 'default', valid)]) {
    const problem = await attempt().catch((error) => error);
    expect(problem).toBeInstanceOf(Problem);
    expect([problem.status, problem.headers]).toEqual([503, { 'Retry-After': '2' }]);
    expect(problem.detail).not.toContain('127.0.0.1');
  }
  await sql.end({ timeout: 1 });
});
