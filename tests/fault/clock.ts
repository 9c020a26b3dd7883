import { existsSync } from 'node:fs';

const libraries = ['x86_64-linux-gnu', 'aarch64-linux-gnu'].map(
  (machine) => `/usr/lib/${machine}/faketime/libfaketimeMT.so.1`,
);

/** libfaketime (Debian: `apt-get install libfaketime`) between a process and its clock, by the file's `+3600` or `-3600`. */
export function fakedClock(file: string): Record<string, string> {
  return {
    LD_PRELOAD: libraryOf() ?? '',
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_CACHE_DURATION: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    NO_FAKE_STAT: '1',
  };
}

/** Why no clock can be set here; undefined where it can. */
export function clockHindrance(): string | undefined {
  return libraryOf() ? undefined : 'libfaketime, which sets the clock of a process, is not there';
}

function libraryOf(): string | undefined {
  return libraries.find((path) => existsSync(path));
}
