import { Readable } from 'node:stream';
import { ZstdFrames } from '../encoding/zstdFrames.ts';
import { closing } from './body.ts';
import { damaged, encodingOf, unpackingStream } from './contentEncoding.ts';
import { Problem } from './problem.ts';

export interface LineLimits {
  /** Longest line, in UTF-16 units: with the chunk in hand all that is held of a body. */
  lineLengthMax: number;
  /** How long the client may send nothing. */
  pauseMsMax: number;
}

/** A packed body may unpack to this much, and beyond it to so many times what came: real events pack 5 to 50 times. */
const unpackedFreeBytes = 1024 * 1024;
const unpackedFactorMax = 250;

/**
 * The lines of a body, however long, some at a time: what came in one piece. The client is read from no quicker than
 * the lines are taken. Throws 400 for what isn't UTF-8 or is cut off, 408 for a pause that is too long, 413.
 */
export async function* linesOf(request: Request, limits: LineLimits): AsyncGenerator<string[]> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest = '';
  for await (const chunk of unpacked(request, limits.pauseMsMax)) {
    const lines = (rest + decoded(decoder, chunk)).split('\n');
    rest = lines.pop()!;
    for (const line of lines) if (line.length > limits.lineLengthMax) throw lineTooLong(limits);
    if (rest.length > limits.lineLengthMax) throw lineTooLong(limits);
    if (lines.length > 0) yield lines;
  }
  rest += decoded(decoder);
  if (rest !== '') yield [rest];
}

function decoded(decoder: TextDecoder, chunk?: Uint8Array): string {
  try {
    return chunk ? decoder.decode(chunk, { stream: true }) : decoder.decode();
  } catch {
    throw new Problem('malformed_json', 'The body is not valid UTF-8.');
  }
}

async function* unpacked(request: Request, pauseMsMax: number): AsyncGenerator<Uint8Array> {
  const encoding = encodingOf(request.headers);
  if (!encoding) {
    yield* chunksOf(request, pauseMsMax);
    return;
  }
  let packedBytes = 0;
  let bytes = 0;
  const zstd = encoding === 'zstd' ? new ZstdFrames() : undefined;
  const source = async function* () {
    for await (const chunk of chunksOf(request, pauseMsMax)) {
      packedBytes += chunk.length;
      zstd?.write(chunk);
      yield chunk;
    }
  };
  const input = Readable.from(source());
  const output = input.pipe(unpackingStream(encoding));
  input.on('error', (error) => output.destroy(error));
  try {
    for await (const chunk of output as AsyncIterable<Uint8Array>) {
      bytes += chunk.length;
      if (bytes > unpackedFreeBytes && bytes > packedBytes * unpackedFactorMax) {
        throw new Problem('too_large', `The body unpacks to more than ${unpackedFactorMax} times its size.`);
      }
      yield chunk;
    }
    if (zstd && !zstd.isWhole) throw damaged(encoding);
  } catch (error) {
    throw error instanceof Problem ? error : damaged(encoding, error);
  } finally {
    input.destroy();
    output.destroy();
  }
}

/** Gives up a client that sends nothing for too long. */
async function* chunksOf(request: Request, pauseMsMax: number): AsyncGenerator<Uint8Array> {
  const reader = request.body?.getReader();
  if (!reader) return;
  try {
    for (;;) {
      const { done, value } = await withinPause(reader.read(), pauseMsMax);
      if (done) return;
      yield value;
    }
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem('bad_request', 'The body was cut off before its end.', { cause: error });
  } finally {
    void reader.cancel().catch(() => {});
  }
}

async function withinPause<T>(read: Promise<T>, pauseMsMax: number): Promise<T> {
  let timer: Timer | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Problem('too_slow', `Nothing came for ${pauseMsMax} ms.`, closing)),
      pauseMsMax,
    );
  });
  try {
    return await Promise.race([read, late]);
  } finally {
    clearTimeout(timer);
  }
}

function lineTooLong({ lineLengthMax }: LineLimits): Problem {
  return new Problem('too_large', `A line is longer than ${lineLengthMax} characters.`);
}
