import type { Writable } from 'node:stream';

/** Larger pieces cost more, not less: what the socket doesn't take at once is copied again for each try. */
const pieceBytes = 256 * 1024;

/**
 * Sends a complete COPY over its stream. Rejects with what the server says; the stream settles even where the server
 * refuses the end (patches/postgres).
 */
export function sendCopy(stream: Writable, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.on('error', reject);
    stream.on('finish', resolve);
    let at = 0;
    const next = (error?: Error | null) => {
      if (error) return reject(error);
      if (at >= bytes.length) return void stream.end();
      const piece = bytes.subarray(at, at + pieceBytes);
      at += piece.length;
      stream.write(piece, next);
    };
    next();
  });
}
