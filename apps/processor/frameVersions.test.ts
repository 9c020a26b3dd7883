import { expect, test } from 'bun:test';
import { streamEntry } from '@usage/tests/support/frames.ts';
import { Batch, contentOf } from './batch.ts';

/**
 * Frames as generations of the past wrote them, byte by byte: two requests, one of five events, one of a single event without
 * time whose client waits. They may lie in a stream when this generation takes over.
 */
const frames = {
  1:
    'AVt7Im5hbWVzcGFjZSI6ImRlZmF1bHQiLCJyZWNlaXZlZE1zIjoxNzk1NDAyODAwMDAwLCJldmVudHMiOlt7InNwZWN2ZXJz' +
    'aW9uIjoiMS4wIiwiaWQiOiJlLTAiLCJzb3VyY2UiOiJzaG9wIiwidHlwZSI6InByb21wdCIsInN1YmplY3QiOiJjdXN0b21l' +
    'ci0xIiwidGltZSI6IjIwMjYtMTEtMjNUMDM6MDA6MDBaIiwiZGF0YSI6eyJ0b2tlbnMiOiIwLjUiLCJtb2RlbCI6Imxhcmdl' +
    'In19LHsic3BlY3ZlcnNpb24iOiIxLjAiLCJpZCI6ImUtMSIsInNvdXJjZSI6InNob3AiLCJ0eXBlIjoicHJvbXB0Iiwic3Vi' +
    'amVjdCI6ImN1c3RvbWVyLTEiLCJ0aW1lIjoiMjAyNi0xMS0yM1QwMzowMDowMVoiLCJkYXRhIjp7InRva2VucyI6IjEuNSIs' +
    'Im1vZGVsIjoibGFyZ2UifX0seyJzcGVjdmVyc2lvbiI6IjEuMCIsImlkIjoiZS0yIiwic291cmNlIjoic2hvcCIsInR5cGUi' +
    'OiJwcm9tcHQiLCJzdWJqZWN0IjoiY3VzdG9tZXItMSIsInRpbWUiOiIyMDI2LTExLTIzVDAzOjAwOjAyWiIsImRhdGEiOnsi' +
    'dG9rZW5zIjoiMi41IiwibW9kZWwiOiJsYXJnZSJ9fSx7InNwZWN2ZXJzaW9uIjoiMS4wIiwiaWQiOiJlLTMiLCJzb3VyY2Ui' +
    'OiJzaG9wIiwidHlwZSI6InByb21wdCIsInN1YmplY3QiOiJjdXN0b21lci0xIiwidGltZSI6IjIwMjYtMTEtMjNUMDM6MDA6' +
    'MDNaIiwiZGF0YSI6eyJ0b2tlbnMiOiIzLjUiLCJtb2RlbCI6ImxhcmdlIn19LHsic3BlY3ZlcnNpb24iOiIxLjAiLCJpZCI6' +
    'ImUtNCIsInNvdXJjZSI6InNob3AiLCJ0eXBlIjoicHJvbXB0Iiwic3ViamVjdCI6ImN1c3RvbWVyLTEiLCJ0aW1lIjoiMjAy' +
    'Ni0xMS0yM1QwMzowMDowNFoiLCJkYXRhIjp7InRva2VucyI6IjQuNSIsIm1vZGVsIjoibGFyZ2UifX1dfSx7Im5hbWVzcGFj' +
    'ZSI6Im90aGVyIiwicmVjZWl2ZWRNcyI6MTc5NTQwMjgwMDAwMSwid2FpdFRva2VuIjoidzEiLCJldmVudHMiOnsic3BlY3Zl' +
    'cnNpb24iOiIxLjAiLCJpZCI6ImUtNSIsInNvdXJjZSI6InNob3AiLCJ0eXBlIjoicHJvbXB0Iiwic3ViamVjdCI6ImN1c3Rv' +
    'bWVyLTIifX1d',
  2:
    'Aii1L/1g+ALNBwB20DEhUImbMaCa7920NQNqoVVsuy+OxKiqZSN/GymPl09mZkINKQAmACYA+8AfCR1GZx17ysxMgZXKYSBA' +
    '6ZBgWQezbd/p2IDYwS7r29gDt2HOj0RtEwwgeDo+jXvP+j4L8fTjFnB924McPJ3Iri/M6TSodccx8K2jBYZch84yXPyhs8iW' +
    '0wWZmqlJIpKFKIUArFzr2zDxtELeNi5CqK3Hiih6HVYK684yHCIyTOGk3i6iS5FCUZQkSdZaSqkURS/CY431xi6uOX0IEgAD' +
    'pxwTFzAr4FBVhO+qkB34BHwHYGIAp4DvAEwM4BTwHYCJAZwCvgOY2DZ0GzQ=',
};

test.each([1, 2] as const)('a frame of version %i, as former gateways wrote it, is read', (version) => {
  const batch = new Batch();
  const frame = Buffer.from(frames[version], 'base64');
  expect(frame[0]).toBe(version);
  batch.add(streamEntry('1795402800000-0', frame, 6));
  expect(batch.rejected).toEqual([]);
  const received = Date.UTC(2026, 10, 23, 3) * 1_000;
  expect(batch.rows.map((row) => ({ ...contentOf(row), timeUs: row.timeUs }))).toMatchObject([
    ...Array.from({ length: 5 }, (_, n) => ({
      ...{ namespace: 'default', source: 'shop', id: `e-${n}`, type: 'prompt', subject: 'customer-1' },
      data: `{"tokens":"${n}.5","model":"large"}`,
      timeUs: received + n * 1_000_000,
    })),
    { namespace: 'other', id: 'e-5', subject: 'customer-2', timeUs: received + 1_000 },
  ]);
  expect(batch.frames[0]!.waiting).toEqual([{ token: 'w1', fromPosition: 5, toPosition: 6 }]);
});
