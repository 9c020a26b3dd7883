import { rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Fault } from '../fault.ts';

export const diskFaults: Fault[] = [
  {
    name: 'postgres-disk-full',
    about: "PostgreSQL's disk is full for a while; if that ends it, it is started again when there is room",
    strikesMax: 2,
    stack: {
      postgresDiskMegabytes: 700,
      postgresSettings: { max_wal_size: '96MB', min_wal_size: '32MB', shared_buffers: '64MB' },
    },
    async skip() {
      if (process.getuid?.() !== 0) return 'a disk of its own (tmpfs) can be mounted by root only';
      const probe = Bun.spawnSync(['unshare', '--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']);
      return probe.success ? undefined : 'mounting a disk of its own (tmpfs) is not allowed here';
    },
    async strike({ stack, note, pause }) {
      const disk = join(stack.folder, 'postgres');
      const filler = join(disk, 'filler');
      const { bavail, bsize } = await statfs(disk);
      await writeFile(filler, new Uint8Array(Math.max(0, bavail * bsize - 2_000_000))).catch(() => {});
      await pause(2_000, 6_000);
      const accepting = await stack.sql`SELECT 1`.then(
        () => true,
        () => false,
      );
      await rm(filler, { force: true });
      if (!accepting) {
        note('PostgreSQL went down and was started again');
        await stack.killPostgres('SIGKILL').catch(() => {});
        await stack.startPostgres();
      }
    },
  },
];
