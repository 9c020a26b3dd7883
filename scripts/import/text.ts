import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { Refusal } from './refusals.ts';

/** Bytes that are looked at to tell what kind of file it is. */
const headBytes = 4_096;

/** What a file begins with that is no text, and what to do with it. */
const binaries: readonly [bytes: number[], advice: string][] = [
  [
    [0x50, 0x4b, 3, 4],
    'it is a ZIP archive or an Excel workbook: save the sheet as CSV in UTF-8, or unpack it',
  ],
  [[0xd0, 0xcf, 0x11, 0xe0], 'it is an old Excel workbook: save the sheet as CSV in UTF-8'],
  [[0x1f, 0x8b], 'it is packed with gzip: unpack it first'],
  [[0x28, 0xb5, 0x2f, 0xfd], 'it is packed with zstd: unpack it first'],
  [[0x50, 0x41, 0x52, 0x31], 'it is a Parquet file: its name must end in .parquet'],
];

/**
 * The name of the encoding to read the file in: `given`, else what its byte order mark says, else UTF-8. Throws a Refusal
 * for a file that is no text, an encoding that isn't known, and one that contradicts the byte order mark.
 */
export async function encodingOf(path: string, given: string | undefined): Promise<string> {
  const head = await headOf(path);
  for (const [bytes, advice] of binaries)
    if (beginsWith(head, bytes)) throw new Refusal(`${path}: ${advice}.`);
  const marked = markedEncoding(head);
  const named = given === undefined ? undefined : nameOf(given);
  if (marked !== undefined) {
    if (named !== undefined && named !== marked)
      throw new Refusal(`${path}: its byte order mark says ${marked}, not ${given}: leave --encoding out.`);
    return marked;
  }
  if (named === undefined && head.includes(0)) {
    // In text of the Western world every second byte is zero then.
    const guess = head.indexOf(0) % 2 === 1 ? 'utf-16le' : 'utf-16be';
    throw new Refusal(`${path}: it holds zero bytes, so it isn't UTF-8; is it --encoding ${guess}?`);
  }
  return named ?? 'utf-8';
}

/** The text of a file, piece by piece; throws a Refusal with the line of the first bytes that the encoding doesn't have. */
export async function* textOf(
  path: string,
  encoding: string,
  onBytes: (bytes: number) => void,
): AsyncGenerator<string> {
  const decoder = decoderOf(encoding, true);
  const singleByte = !encoding.startsWith('utf-');
  let line = 1;
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    onBytes(chunk.length);
    let text: string;
    try {
      text = decoder.decode(chunk, { stream: true });
    } catch {
      throw notInEncoding(path, encoding, line + linesBeforeIssue(chunk, encoding));
    }
    // What windows-1252 has no character for comes out as a control character.
    const control = singleByte ? text.search(/[\x80-\x9f]/) : -1;
    if (control >= 0) throw notInEncoding(path, encoding, line + newlines(text.slice(0, control)));
    line += newlines(text);
    yield text;
  }
  try {
    yield decoder.decode();
  } catch {
    throw notInEncoding(path, encoding, line);
  }
}

function notInEncoding(path: string, encoding: string, line: number): Refusal {
  const advice =
    encoding === 'utf-8'
      ? 'save the file as UTF-8, or say what it is in: --encoding windows-1252 for what Excel writes in Western Europe and America'
      : 'say with --encoding what it is in';
  return new Refusal(`${path}, line ${line}: holds bytes that are not ${encoding}: ${advice}.`);
}

/** Decoded once more, forgiving this time: a character that was cut in two at the beginning of the piece is no issue. */
function linesBeforeIssue(chunk: Buffer, encoding: string): number {
  let start = 0;
  if (encoding === 'utf-8') while (start < 3 && (chunk[start]! & 0xc0) === 0x80) start++;
  const text = decoderOf(encoding, false).decode(chunk.subarray(start));
  return newlines(text.slice(0, Math.max(text.indexOf('\ufffd'), 0)));
}

function newlines(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count++;
  return count;
}

async function headOf(path: string): Promise<Buffer> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(headBytes), 0, headBytes, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

function markedEncoding(head: Buffer): string | undefined {
  if (beginsWith(head, [0xef, 0xbb, 0xbf])) return 'utf-8';
  if (beginsWith(head, [0xff, 0xfe])) return 'utf-16le';
  if (beginsWith(head, [0xfe, 0xff])) return 'utf-16be';
  return undefined;
}

function beginsWith(head: Buffer, bytes: number[]): boolean {
  return bytes.every((byte, at) => head[at] === byte);
}

function nameOf(label: string): string {
  try {
    return decoderOf(label, false).encoding;
  } catch {
    throw new Refusal(
      `--encoding ${label} is not known; utf-8, utf-16le, windows-1252, iso-8859-15, macintosh, shift_jis and others are.`,
    );
  }
}

/** Bun knows all encodings of the WHATWG's list, its types only some. */
function decoderOf(encoding: string, fatal: boolean): TextDecoder {
  return new TextDecoder(encoding as Bun.Encoding, { fatal });
}
