import { expect, test } from 'bun:test';
import { decodeDelta } from './delta.ts';

/** Deltas as builds of the past wrote them: they wait in the table when this build takes over. */
const sum =
  'KLUv/SC4fQQAEgkfJIDF6TMwMzpPIUDu1qyA/k6zLW139g5yLmOti3sisYlQuSMtBYxi2zZjCwIAHDgwthPFtpNJMiSTVHCE' +
  'LfWFzWmcMp6MHcLm7Fey64sNfi31fURPfE/2JU8YRHUeaCP3pb6Q08Yi2ueivhCqex6hSFzd8TRQexrfa4fY3gYARAkA10Hm' +
  'lbSO0iADPKE=';
const distinct =
  'KLUv/SCoBQQAIsgcIpA5Hf//87v9hNi7xacmaPvy90LSaQ4JK5afFZwaY/fqoxS2bVvggAETCSGi+uZ59o0PJ4pPXervYZDT' +
  'lvFUXUv9OaI0uadeGUwLSfDF9qX+YNtGE99TUX/Ps+15xcIgCgsDkzgszNUjyYHM7eQcO8Q2DAMAQMZwWVNwqSg=';

test('deltas of former processors are read', () => {
  const minute = Date.UTC(2026, 10, 23, 3) / 60_000;
  const us = minute * 60_000_000;
  expect([...decodeDelta(Buffer.from(sum, 'base64')).named()]).toMatchObject([
    {
      ...{ minute, subject: 'customer-1', groups: ['large'] },
      cell: { count: 2, value: 2, firstUs: us + 1, lastUs: us + 2_000_000 },
    },
    {
      ...{ minute: minute + 1, subject: 'customer-2', groups: ['small'] },
      cell: { count: 1, value: 2.25, firstUs: us + 61_000_000, lastUs: us + 61_000_000 },
    },
  ]);
  const [cell] = [...decodeDelta(Buffer.from(distinct, 'base64')).named()];
  expect(cell).toMatchObject({
    minute,
    subject: 'customer-1',
    groups: [],
    cell: { count: 2, lastUs: us + 5 },
  });
  expect(cell!.cell.uniques).toEqual(new Set(['a', 'b']));
});

test('a delta of a later version is refused by name, whatever it holds', () => {
  expect(() => decodeDelta(Buffer.from([3, 1, 2, 3]))).toThrow(
    'delta version 3 is unknown: what wrote it is newer than this app',
  );
});
